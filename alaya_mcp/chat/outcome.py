"""What a chat amounts to: a result, a truncated result, or an error. Large replies are kept."""

import json

from alaya_mcp.chat.exchange import Asked, Exchange, Timestamps
from alaya_mcp.chat.kept_replies import KeptReplies
from alaya_mcp.chat.remarks import (
    about_continuing,
    about_structure,
    about_the_ending,
    about_the_text,
    about_tool_calls,
)
from alaya_mcp.chat.reply_window import size_of
from alaya_mcp.chat.request import Turn
from alaya_mcp.chat.stream.answer_fields import EngineError, cut_by
from alaya_mcp.chat.stream.reply import Reply
from alaya_mcp.deployment.model_names import served_by_surprise
from alaya_mcp.deployment.wire import EnvelopeFailure, WrongShape
from alaya_mcp.errors import AlayaError, UpstreamUnavailable
from alaya_mcp.results import ChatResult, ConversationMessage, Timing, ToolCall
from alaya_mcp.upstream.error_codes import meaning_of
from alaya_mcp.upstream.error_text import quoted
from alaya_mcp.upstream.explain import (
    explain,
    explain_envelope,
    stalled,
    timed_out,
)
from alaya_mcp.upstream.failures import Failure
from alaya_mcp.upstream.statuses import explain_status
from alaya_mcp.upstream.subject import unexpected

_OK = 200
_WHOLE_SHARE = 4 / 3
"""Reply, thinking and a returned conversation together get the room of the reply and its thinking."""


def chat_result(exchange: Exchange, kept: KeptReplies) -> ChatResult:
    """The result of an answer that has begun; a reply too large for it is kept.

    Raises:
        AlayaError: nothing of a reply came.
    """
    reply = exchange.decoder.reply
    if not reply.begun and (exchange.finish_reason is None or cut_by(exchange.finish_reason) == "upstream_error"):
        raise _nothing_came(exchange)
    is_whole = exchange.is_shown_whole and exchange.has_all_calls
    reason = exchange.reason if is_whole else "size_cap"
    calls = [call for call, _ in exchange.tool_calls]
    structured = exchange.structured
    messages, about_messages = _conversation(exchange) if exchange.asked.return_messages else (None, [])
    result = ChatResult(
        service_id=exchange.subject.service_id,
        model=exchange.choice.model.asked,
        served_by=reply.served_by,
        content=exchange.shown,
        parsed=structured.value if structured else None,
        tool_calls=calls or None,
        reasoning=exchange.shown_reasoning or None,
        finish_reason=exchange.finish_reason,
        stop_reason=reply.stop_reason if exchange.finish_reason else None,
        truncated=reason is not None,
        truncated_reason=reason,
        usage=reply.usage,
        system_fingerprint=reply.fingerprint,
        timing=_timing(reply, exchange.times),
        warnings=[*_warnings(exchange, has_messages=messages is not None), *about_messages],
        messages=messages,
    )
    return result if exchange.is_shown_whole else _kept(result, exchange, kept)


def _warnings(exchange: Exchange, *, has_messages: bool) -> list[str]:
    reply, asked = exchange.decoder.reply, exchange.asked
    unreadable = exchange.decoder.unreadable
    surprise = served_by_surprise(exchange.choice.model, reply.served_by, exchange.choice.names)
    warnings = [
        *exchange.warnings,
        *([surprise] if surprise else []),
        *about_the_text(exchange),
        *about_tool_calls(exchange),
    ]
    if unreadable:
        warnings.append(f"{unreadable} part(s) of the stream could not be read; text may be missing.")
    if asked.continued:
        warnings += about_continuing(exchange)
    if asked.features.response_schema is not None:
        warnings += about_structure(exchange)
    return [*warnings, *about_the_ending(exchange, has_messages=has_messages)]


def _kept(result: ChatResult, exchange: Exchange, kept: KeptReplies) -> ChatResult:
    """The result of a reply that is larger than it shows, with the way to the rest."""
    shown, whole = size_of(result.content), size_of(exchange.content)
    note = f"Only the first {shown} of {whole} bytes are shown"
    entry = kept.keep(exchange.content, result, exchange.reason)
    if entry is None:
        note += ", and the whole is too large to be kept; ask for shorter parts."
        return result.model_copy(update={"warnings": [*result.warnings, note]})
    note += "; call chat_with_deployment with read_on for the next part (nothing is generated anew)."
    return result.model_copy(update={"read_on": f"{entry.uri}?from={shown}", "warnings": [*result.warnings, note]})


def _nothing_came(exchange: Exchange) -> AlayaError:
    subject, limits = exchange.subject, exchange.limits
    match exchange.ending.cause:
        case EngineError(status=status, message=message, code=code) if status or meaning_of(code):
            return explain_status("data", status, message, subject, meaning=meaning_of(code))
        case EngineError(message=message):
            return UpstreamUnavailable(
                f"The deployment's engine reported an error before any text.{quoted(message, subject.secrets)}",
                next_step="Call again later. Call get_deployment to see the deployment's state.",
                plane="data",
                http_status=_OK,
            )
        case EnvelopeFailure(message=message):
            return explain_envelope("data", message, subject)
        case WrongShape() as wrong:
            return unexpected("data", str(wrong), _OK)
        case Failure() as failure:
            return explain(failure, subject)
        case _:
            pass
    match exchange.ending.cut:
        case "deadline":
            return timed_out("data", limits.budget)
        case "idle":
            return stalled(limits.idle)
        case "size_cap":
            return unexpected("data", "an event or a body larger than this server reads", _OK)
        case _ if exchange.decoder.unreadable:
            return unexpected("data", "a stream of events that are not JSON", _OK)
        case _:
            return UpstreamUnavailable(
                "The deployment's engine ended its answer before any text.",
                next_step="Call again. Call get_deployment to see the deployment's state.",
                plane="data",
                http_status=_OK,
            )


def _timing(reply: Reply, times: Timestamps) -> Timing:
    total = max(times.ended - times.sent, 1e-6)
    tokens = reply.usage.completion_tokens if reply.usage else None
    return Timing(
        first_token_seconds=None if times.first_token is None else round(times.first_token - times.sent, 3),
        total_seconds=round(total, 3),
        tokens_per_second=None if not tokens else round(tokens / total, 1),
    )


def _conversation(exchange: Exchange) -> tuple[list[ConversationMessage] | None, list[str]]:
    """The conversation to send next, and what is missing in it."""
    if not exchange.is_shown_whole:
        return None, ["The conversation is not returned, since the reply is not whole here: read on, then add it."]
    turns = _with_reply(exchange.asked, exchange)
    notes: list[str] = []
    if any(image.startswith("data:") for turn in turns for image in turn.images):
        notes.append("messages leaves out the images that were given as data: put them in again.")
    messages = [
        ConversationMessage(
            role=turn.role,
            content=turn.content,
            images=[image for image in turn.images if not image.startswith("data:")] or None,
            tool_calls=[ToolCall.model_validate(call) for call in turn.tool_calls] or None,
            tool_call_id=turn.tool_call_id,
        )
        for turn in turns
    ]
    room = exchange.limits.reply_bytes * _WHOLE_SHARE - size_of(exchange.shown) - size_of(exchange.shown_reasoning)
    if size_of(json.dumps([message.model_dump() for message in messages], ensure_ascii=False)) > room:
        return None, ["The conversation is too large to be returned: add this reply to the messages that you sent."]
    return messages, notes


def _with_reply(asked: Asked, exchange: Exchange) -> list[Turn]:
    """The conversation with the reply in it: a continued message as one, a call that was cut off left out."""
    calls = tuple(call.model_dump() for call, flaw in exchange.tool_calls if flaw is None)
    content, turns = exchange.shown, list(asked.turns)
    if asked.continued:
        del turns[-1]
        if exchange.went_on:
            content = asked.continued.content + content
    return [*turns, Turn("assistant", content, tool_calls=calls)] if content or calls else turns
