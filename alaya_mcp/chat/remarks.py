"""Find the remarks about a reply. Pure.

Each kind is found by one function; `about_the_ending` covers truncation, missing text and what brings more.
"""

from typing import Final

from alaya_mcp.chat.exchange import Exchange
from alaya_mcp.chat.remark import CutKind, Kind, Remark
from alaya_mcp.chat.reply_window import size_of
from alaya_mcp.chat.stream.answer_fields import EngineError
from alaya_mcp.chat.stream.tool_calls import Flaw
from alaya_mcp.deployment.model_names import served_by_surprise
from alaya_mcp.deployment.wire import EnvelopeFailure
from alaya_mcp.results import TruncatedReason

_CALL_IN_TEXT: Final = ("<tool_call>", "<|tool_call", "[TOOL_CALLS]", "<function=", "<|python_tag|>")
"""How models write tool calls that no parser extracted (Qwen, GLM, Mistral, Qwen-Coder, Llama)."""
_FLAWS: Final[dict[Flaw, Kind]] = {
    "cut": "call_cut",
    "not_json": "call_not_json",
    "not_an_object": "call_not_an_object",
}
_CUTS: Final[dict[TruncatedReason, CutKind]] = {
    "max_tokens": "cut_at_max_tokens",
    "deadline": "cut_at_deadline",
    "idle": "cut_by_silence",
    "content_filter": "cut_by_filter",
    "size_cap": "cut_by_size",
    "upstream_error": "cut_by_engine_error",
    "stream_cut": "cut_by_connection",
}


def about(exchange: Exchange, *, has_messages: bool) -> list[Remark]:
    """Return all remarks, in the order in which they are shown.

    Args:
        exchange: The answer.
        has_messages: Whether the conversation is returned with it.
    """
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
    return [*remarks, Remark("parsed_null")] if structured.value is None else remarks


def about_the_ending(exchange: Exchange, *, has_messages: bool) -> list[Remark]:
    """Return remarks on what truncated the reply, what it lacks, and what would bring more.

    Args:
        exchange: The answer.
        has_messages: Whether the conversation is returned with it.
    """
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
            detail=exchange.subject.words(said),
            seconds=exchange.limits.budget if reason == "deadline" else exchange.limits.idle,
            progress="thinking" if exchange.is_all_thinking else "nothing" if is_empty else "writing",
            may_not_think=exchange.is_all_thinking and asked.features.thinking != "off",
            can_go_on=bool(content) and is_text and reason not in {"size_cap", "content_filter"},
            has_messages=has_messages,
            asked_for_messages=asked.return_messages,
        )
    ]
