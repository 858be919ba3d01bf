"""The outcome of a chat: a result, a truncated result, or an error. Large replies are kept."""

import json
from dataclasses import replace

from alaya_mcp.chat.exchange import Asked, Exchange, Timestamps
from alaya_mcp.chat.kept_replies import KeptReplies
from alaya_mcp.chat.remark import Outcome, Remark
from alaya_mcp.chat.remarks import about
from alaya_mcp.chat.reply_window import size_of
from alaya_mcp.chat.request import Turn
from alaya_mcp.chat.stream.answer_fields import EngineError, cut_by
from alaya_mcp.chat.stream.reply import Reply
from alaya_mcp.deployment.wire import EnvelopeFailure, WrongShape
from alaya_mcp.errors import AlayaError, UnexpectedResponse, UpstreamTimeout, UpstreamUnavailable
from alaya_mcp.results import ChatResult, ConversationMessage, Timing, ToolCall
from alaya_mcp.upstream.error_codes import meaning_of
from alaya_mcp.upstream.explain import explain, explain_envelope
from alaya_mcp.upstream.failures import Failure
from alaya_mcp.upstream.statuses import explain_status

_OK = 200
_WHOLE_SHARE = 4 / 3
"""Reply, thinking and a returned conversation share the bytes of the reply and its thinking."""


def outcome_of(exchange: Exchange, kept: KeptReplies) -> Outcome:
    """Return the outcome of an answer; a reply too large for one result is kept.

    Raises:
        AlayaError: no part of a reply arrived.
    """
    reply = exchange.decoder.reply
    if not reply.begun and (exchange.finish_reason is None or cut_by(exchange.finish_reason) == "upstream_error"):
        raise replace(_empty_answer_error(exchange), is_chat=True)
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
        warnings=[],
        messages=messages,
    )
    remarks = (*about(exchange, has_messages=messages is not None), *about_messages)
    if exchange.is_shown_whole:
        return Outcome(result, remarks)
    result, about_the_rest = _kept(result, exchange, kept)
    return Outcome(result, (*remarks, about_the_rest))


def _kept(result: ChatResult, exchange: Exchange, kept: KeptReplies) -> tuple[ChatResult, Remark]:
    """Return the result of a reply that is only partly shown, with `read_on` for the rest."""
    shown, whole = size_of(result.content), size_of(exchange.content)
    entry = kept.keep(exchange.content, result, exchange.reason)
    if entry is None:
        return result, Remark("too_large_to_keep", shown=shown, whole=whole)
    read_on = f"{entry.uri}?from={shown}"
    return result.model_copy(update={"read_on": read_on}), Remark("shown_in_part", shown=shown, whole=whole)


def _empty_answer_error(exchange: Exchange) -> AlayaError:
    subject, limits = exchange.subject, exchange.limits
    service_id = subject.service_id
    match exchange.ending.cause:
        case EngineError(status=status, message=message, code=code) if status or meaning_of(code):
            return explain_status("data", status, message, subject, meaning=meaning_of(code))
        case EngineError(message=message):
            words = subject.words(message)
            return UpstreamUnavailable(
                "engine_error", plane="data", http_status=_OK, service_id=service_id, words=words
            )
        case EnvelopeFailure(message=message):
            return explain_envelope("data", message, subject)
        case WrongShape(cause=cause):
            return UnexpectedResponse(cause, plane="data", http_status=_OK, service_id=service_id)
        case Failure() as failure:
            return explain(failure, subject)
        case _:
            pass
    match exchange.ending.cut:
        case "deadline":
            return UpstreamTimeout("no_answer", plane="data", seconds=limits.budget, service_id=service_id)
        case "idle":
            return UpstreamTimeout("answer_stalled", plane="data", service_id=service_id, seconds=limits.idle)
        case "size_cap":
            return UnexpectedResponse("event_too_large", plane="data", http_status=_OK, service_id=service_id)
        case _ if exchange.decoder.unreadable:
            return UnexpectedResponse("events_not_json", plane="data", http_status=_OK, service_id=service_id)
        case _:
            return UpstreamUnavailable("answer_empty", plane="data", http_status=_OK, service_id=service_id)


def _timing(reply: Reply, times: Timestamps) -> Timing:
    total = max(times.ended - times.sent, 1e-6)
    tokens = reply.usage.completion_tokens if reply.usage else None
    return Timing(
        first_token_seconds=None if times.first_token is None else round(times.first_token - times.sent, 3),
        total_seconds=round(total, 3),
        tokens_per_second=None if not tokens else round(tokens / total, 1),
    )


def _conversation(exchange: Exchange) -> tuple[list[ConversationMessage] | None, list[Remark]]:
    """Return the conversation to send next, and remarks on what it lacks."""
    if not exchange.is_shown_whole:
        return None, [Remark("conversation_incomplete")]
    turns = _with_reply(exchange.asked, exchange)
    notes: list[Remark] = []
    if any(image.startswith("data:") for turn in turns for image in turn.images):
        notes.append(Remark("images_left_out"))
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
        return None, [Remark("conversation_too_large")]
    return messages, notes


def _with_reply(asked: Asked, exchange: Exchange) -> list[Turn]:
    """Return the conversation with the reply: a continued message merged, a truncated tool call left out."""
    calls = tuple(call.model_dump() for call, flaw in exchange.tool_calls if flaw is None)
    content, turns = exchange.shown, list(asked.turns)
    if asked.continued:
        del turns[-1]
        if exchange.went_on:
            content = asked.continued.content + content
    return [*turns, Turn("assistant", content, tool_calls=calls)] if content or calls else turns
