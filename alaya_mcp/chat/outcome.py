"""How a chat ended: its result with remarks on it, or an error."""

import json
from dataclasses import replace
from typing import Final, get_args

from alaya_mcp.chat.exchange import Asked, Exchange, Timestamps
from alaya_mcp.chat.remark import CutKind, Kind, Progress, Remark
from alaya_mcp.chat.reply_window import size_of
from alaya_mcp.chat.request import Turn
from alaya_mcp.chat.stored_reply import End, StopReason
from alaya_mcp.chat.stream.answer_fields import EngineError, cut_by
from alaya_mcp.chat.stream.reply import Reply
from alaya_mcp.chat.stream.tool_calls import Flaw
from alaya_mcp.deployment.model_names import served_by_surprise
from alaya_mcp.deployment.wire import EnvelopeFailure, WrongShape
from alaya_mcp.errors import AlayaError, UnexpectedResponse, UpstreamTimeout, UpstreamUnavailable
from alaya_mcp.results import ChatResult, ConversationMessage, Timing, ToolCall, TruncatedReason
from alaya_mcp.upstream.error_codes import meaning_of
from alaya_mcp.upstream.explain import explain_answer
from alaya_mcp.upstream.failures import Failure
from alaya_mcp.upstream.statuses import explain_status

_OK: Final = 200
_WHOLE_SHARE: Final = 4 / 3
"""Reply, thinking and a returned conversation share the bytes of the reply and its thinking."""
_CALL_IN_TEXT: Final = ("<tool_call>", "<|tool_call", "[TOOL_CALLS]", "<function=", "<|python_tag|>")
"""How models write tool calls that no parser extracted (Qwen, GLM, Mistral, Qwen-Coder, Llama)."""
_FLAWS: Final[dict[Flaw, Kind]] = {
    "cut": "call_cut",
    "not_json": "call_not_json",
    "not_an_object": "call_not_an_object",
}
_STOPPED: Final = frozenset[TruncatedReason | None](get_args(StopReason))
_CUTS: Final[dict[TruncatedReason, CutKind]] = {
    "max_tokens": "cut_at_max_tokens",
    "deadline": "cut_at_deadline",
    "abandoned": "cut_when_abandoned",
    "cancelled": "cut_by_cancelling",
    "server_lost": "cut_by_stopping",
    "idle": "cut_by_silence",
    "content_filter": "cut_by_filter",
    "size_cap": "cut_by_size",
    "upstream_error": "cut_by_engine_error",
    "stream_cut": "cut_by_connection",
}


def end_of(exchange: Exchange) -> End:
    """Return the end of a reply.

    Raises:
        AlayaError: no part of a reply arrived.
    """
    reply = exchange.decoder.reply
    is_empty = not reply.begun and (
        exchange.finish_reason is None or cut_by(exchange.finish_reason) == "upstream_error"
    )
    if is_empty and not (exchange.limits.outlives and exchange.ending.cut in _STOPPED):
        raise replace(_empty_answer_error(exchange), is_chat=True)
    cut = exchange.reason if exchange.has_all_calls else "size_cap"
    calls = [call for call, _ in exchange.tool_calls]
    structured = exchange.structured
    has_room = size_of(exchange.content) <= exchange.limits.reply_bytes
    messages, about_messages = _conversation(exchange) if exchange.asked.return_messages else (None, [])
    facts = ChatResult(
        service_id=exchange.engine.service_id,
        model=exchange.choice.model.asked,
        served_by=reply.served_by,
        content="",
        parsed=structured.value if structured and has_room else None,
        tool_calls=calls or None,
        reasoning=exchange.shown_reasoning or None,
        finish_reason=exchange.finish_reason,
        stop_reason=reply.stop_reason if exchange.finish_reason else None,
        truncated=cut is not None,
        truncated_reason=cut,
        usage=reply.usage,
        system_fingerprint=reply.fingerprint,
        timing=_timing(reply, exchange.times),
        warnings=[],
        messages=messages,
    )
    remarks = (*_about(exchange, has_messages=messages is not None), *about_messages)
    begins = size_of(reply.content) - size_of(exchange.content)
    return End(facts, remarks, begins)


def stopped(reason: StopReason, progress: Progress = "nothing") -> End:
    """Return the end of a reply that was stopped, with nothing known but how far it had come."""
    return End(reason=reason, remarks=(Remark(_CUTS[reason], progress=progress, outlived=True),))


def _empty_answer_error(exchange: Exchange) -> AlayaError:
    subject, limits = exchange.engine.subject, exchange.limits
    service_id = subject.service_id
    match exchange.ending.cause:
        case EngineError(status=status, message=message, code=code) if status or meaning_of(code):
            return explain_status("data", status, message, subject, meaning=meaning_of(code))
        case EngineError(message=message):
            words = subject.words(message)
            return UpstreamUnavailable(
                "engine_error", plane="data", http_status=_OK, service_id=service_id, words=words
            )
        case Failure() | EnvelopeFailure() | WrongShape() as wrong:
            return explain_answer("data", wrong, subject)
        case _:
            pass
    match exchange.ending.cut:
        case "deadline":
            return UpstreamTimeout("no_answer", plane="data", seconds=limits.seconds, service_id=service_id)
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
    reply_bytes = exchange.limits.reply_bytes
    shown = min(size_of(exchange.content), reply_bytes)
    room = reply_bytes * _WHOLE_SHARE - shown - size_of(exchange.shown_reasoning)
    if size_of(json.dumps([message.model_dump() for message in messages], ensure_ascii=False)) > room:
        return None, [Remark("conversation_too_large")]
    return messages, notes


def _with_reply(asked: Asked, exchange: Exchange) -> list[Turn]:
    """Return the conversation with the reply: a continued message merged, a truncated tool call left out."""
    calls = tuple(call.model_dump() for call, flaw in exchange.tool_calls if flaw is None)
    content, turns = exchange.content, list(asked.turns)
    if asked.continued:
        del turns[-1]
        if exchange.went_on:
            content = asked.continued.content + content
    return [*turns, Turn("assistant", content, tool_calls=calls)] if content or calls else turns


def _about(exchange: Exchange, *, has_messages: bool) -> list[Remark]:
    """Return all remarks, in the order in which they are shown; `has_messages`: the conversation is returned too."""
    remarks = [*exchange.remarks, *_about_the_name(exchange), *_about_the_text(exchange), *_about_calls(exchange)]
    if unreadable := exchange.decoder.unreadable:
        remarks.append(Remark("stream_unreadable_in_part", whole=unreadable))
    if exchange.asked.continued:
        remarks += _about_continuing(exchange)
    if exchange.asked.features.response_schema is not None:
        remarks += _about_structure(exchange)
    return [*remarks, *about_the_ending(exchange, has_messages=has_messages)]


def _about_the_name(exchange: Exchange) -> list[Remark]:
    model, served_by = exchange.choice.model, exchange.decoder.reply.served_by
    surprise = served_by_surprise(model, served_by, exchange.choice.names)
    return [Remark(surprise, name=model.adapter or model.asked, other=served_by or "")] if surprise else []


def _about_the_text(exchange: Exchange) -> list[Remark]:
    """Return remarks on the reply's text and thinking."""
    reply = exchange.decoder.reply
    remarks: list[Remark] = []
    has_text = bool(exchange.content or reply.tool_calls)
    if exchange.asked.features.thinking == "on" and has_text and not exchange.reasoning:
        remarks.append(Remark("thinking_absent"))
    if (shown := size_of(exchange.shown_reasoning)) < (whole := size_of(exchange.reasoning)):
        remarks.append(Remark("thinking_shown_in_part", shown=shown, whole=whole))
    if exchange.orphan:
        remarks.append(Remark("thinking_by_tag"))
    if reply.moved:
        remarks.append(Remark("reasoning_as_reply"))
    return remarks


def _about_calls(exchange: Exchange) -> list[Remark]:
    """Return remarks on the model's tool calls, or the lack of them."""
    content, reply, features = exchange.content, exchange.decoder.reply, exchange.asked.features
    offered = bool(features.tools)
    more = exchange.reason == "max_tokens"
    remarks = [
        Remark(_FLAWS[flaw], name=call.function.name, more_tokens=more)
        for call, flaw in exchange.tool_calls
        if flaw is not None
    ]
    if not exchange.has_all_calls:
        remarks.append(Remark("calls_left_out", shown=len(exchange.tool_calls)))
    if reply.tool_calls and not offered:
        remarks.append(Remark("call_unoffered"))
    if offered and not reply.tool_calls and any(mark in content for mark in _CALL_IN_TEXT):
        remarks.append(Remark("call_as_text"))
    elif features.tool_choice not in {None, "auto", "none"} and not reply.tool_calls and content:
        remarks.append(Remark("call_missing"))
    return remarks


def _about_continuing(exchange: Exchange) -> list[Remark]:
    """Return a remark if the engine did not continue the last message."""
    if exchange.went_on or not exchange.content:
        return []
    is_json = exchange.structured and exchange.structured.is_alone and exchange.structured.problem is None
    return [Remark("json_started_over" if is_json else "started_over")]


def _about_structure(exchange: Exchange) -> list[Remark]:
    """Return why there is no `parsed`, or what was not checked."""
    structured = exchange.structured
    if exchange.decoder.reply.tool_calls:
        return [Remark("parsed_awaits_call")]
    if structured is None or (exchange.reason and not structured.is_json):
        return [Remark("parsed_incomplete" if exchange.content else "parsed_empty")]
    if not structured.is_checked:
        return [Remark("parsed_unchecked", detail=structured.problem or "")]
    if structured.problem:
        return [Remark("parsed_wrong", detail=structured.problem, joined=not structured.is_alone)]
    remarks = [Remark("pattern_unchecked", name=pattern) for pattern in structured.unchecked]
    if size_of(exchange.content) > exchange.limits.reply_bytes:
        remarks.append(Remark("parsed_too_large"))
    return [*remarks, Remark("parsed_null")] if structured.value is None else remarks


def about_the_ending(exchange: Exchange, *, has_messages: bool) -> list[Remark]:
    """Return remarks on what truncated the reply, what it lacks, and what would bring more."""
    content, reason, asked, ending = exchange.content, exchange.reason, exchange.asked, exchange.ending
    is_empty = not content and not exchange.decoder.reply.tool_calls
    if reason is None:
        if exchange.is_all_thinking:
            return [Remark("only_thinking")]
        return [Remark("no_text")] if is_empty else []
    if exchange.structured and exchange.structured.problem is None:
        return [Remark("cut_after_json", name=reason)]
    said = ending.cause.message if isinstance(ending.cause, EngineError | EnvelopeFailure) else None
    # Neither tool calls nor data can be continued.
    is_text = not exchange.decoder.reply.tool_calls and asked.features.response_schema is None
    return [
        Remark(
            _CUTS[reason],
            name=exchange.finish_reason or "",
            detail=exchange.engine.subject.words(said) if said else "",
            seconds=_limit(exchange) if reason == "deadline" else exchange.limits.idle,
            outlived=exchange.limits.outlives,
            progress="thinking" if exchange.is_all_thinking else "nothing" if is_empty else "writing",
            may_not_think=exchange.is_all_thinking and asked.features.thinking != "off",
            can_go_on=bool(content) and is_text and reason not in {"size_cap", "content_filter"},
            has_messages=has_messages,
            asked_for_messages=asked.return_messages,
        )
    ]


def _limit(exchange: Exchange) -> float:
    """Return the limit that cut a reply: a call that waits longer extends that of the generation."""
    limits, times = exchange.limits, exchange.times
    return max(limits.seconds, round(times.ended - times.sent)) if limits.outlives else limits.seconds
