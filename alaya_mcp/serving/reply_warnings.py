"""Remarks about a reply as warnings for an agent, in terms of the tools' arguments and fields. Pure."""

from collections.abc import Callable
from typing import Final

from alaya_mcp.chat.remark import WORDS, Kind, Progress, Remark, Words, words_of

_AGAIN: Final = "Call get_deployment to see its state, then ask again"
_WHERE: Final[dict[Progress, str]] = {
    "writing": "",
    "thinking": " while the model was still thinking, before any reply",
    "calling": ", before any text",
    "nothing": ", before any text",
}


_STATES: Final[dict[Progress, Callable[[Remark], str]]] = {
    "writing": lambda _: "The model is still writing",
    "thinking": lambda of: f"The model is still thinking, {of.whole} tokens or so in {of.seconds:.0f} s",
    "calling": lambda _: "The model is writing a tool call",
    "nothing": lambda of: f"The engine has not begun to answer, {of.seconds:.0f} s after the request",
}


def _said(remark: Remark) -> str:
    return f' Upstream said: "{remark.detail}".' if remark.detail else ""


_OWN: Final[dict[Kind, Words]] = {
    "cut_at_max_tokens": lambda of: (
        f"The reply ends at max_tokens or at the end of the context{_WHERE[of.progress]}. Pass a larger max_tokens"
        f"{', or thinking: off' if of.may_not_think else ''}"
    ),
    "cut_at_deadline": lambda of: (
        f"The reply was cut at the deadline{f' of {of.seconds:g} s' if of.seconds else ''}{_WHERE[of.progress]}. "
        + (
            "Ask for a shorter one, or raise ALAYA_GENERATION_SECONDS"
            if of.outlived
            else "Pass a larger timeout_seconds (hosts may give up at 60 s)"
        )
    ),
    "cut_when_abandoned": lambda of: (
        f"The reply was stopped{_WHERE[of.progress]}, since nobody read on in time (ALAYA_ABANDON_SECONDS). Ask again"
    ),
    "cut_by_cancelling": lambda of: (
        f"The reply was stopped{_WHERE[of.progress]}, since the call that waited for it was cancelled. Ask again"
    ),
    "cut_by_stopping": lambda of: (
        f"The reply was stopped{_WHERE[of.progress]}, since the server that read it was stopped. Ask again"
    ),
    "ignored_with_read_on": lambda of: f"read_on only reads, so {of.name} had no effect",
    "cut_by_silence": lambda of: (
        f"The reply was cut{_WHERE[of.progress]}: the engine was silent for {of.seconds:g} s. {_AGAIN}"
    ),
    "cut_by_filter": lambda of: (
        f"The reply was cut by a content filter (finish_reason {of.name}){_WHERE[of.progress]}. Change the request, "
        "since the same one may be cut again"
    ),
    "cut_by_size": lambda of: f"The reply was cut{_WHERE[of.progress]}: it is larger than this server reads",
    "cut_by_engine_error": lambda of: (
        f"The reply was cut by an error of the engine{_WHERE[of.progress]}.{_said(of)} {_AGAIN}"
    ),
    "cut_by_connection": lambda of: (
        f"The reply was cut{_WHERE[of.progress]}: the connection to the engine ended early. {_AGAIN}"
    ),
    "cut_after_json": lambda of: f"The reply was cut ({of.name}) after its complete JSON",
    "call_missing": "tool_choice asked for a tool call, but the engine answered in text",
    "parsed_awaits_call": "The model asked for a tool instead of replying, so there is no parsed yet",
    "parsed_incomplete": "The reply is incomplete in this result, so there is no parsed",
    "parsed_empty": "The reply has no text, so there is no parsed",
    "parsed_unchecked": lambda of: (
        f"The reply could not be checked against response_schema, so there is no parsed: {of.detail}"
    ),
    "parsed_wrong": lambda of: (
        f"The reply{', together with the message that it continues,' if of.joined else ''} does not follow "
        f"response_schema, so there is no parsed: {of.detail}. Ask again, or simplify the schema"
    ),
    "parsed_null": "The reply is null, which follows response_schema; parsed is left out",
    "parsed_too_large": "The reply follows response_schema; parsed is left out, since its parts, joined, are the same",
    "pattern_unchecked": lambda of: f"The pattern {of.name} of response_schema was not checked",
    "conversation_too_large": "The conversation is too large to be returned: add this reply to the messages that you "
    "sent",
    "images_left_out": "messages leaves out images passed as data: add them again",
    "later_part": lambda of: f"Bytes {of.name} of an earlier reply; nothing was generated anew",
    "shown_in_part": lambda of: (
        f"Only the first {of.shown} bytes are shown: call chat_with_deployment with read_on alone for the next part "
        "(nothing is generated again)"
    ),
    "rest_not_stored": "The rest of the reply is lost, since the store of replies could not be reached. Ask "
    "again later",
    "still_generating": lambda of: (
        f"{_STATES[of.progress](of)}: call chat_with_deployment with read_on alone to wait for more (nothing is "
        "generated again)"
    ),
}
"""Sentences for agents only, without the full stop."""
_ADVICE: Final[dict[Kind, Words]] = {
    "call_cut": lambda of: f" Ask again{' with a larger max_tokens' if of.more_tokens else ''}.",
    "call_not_json": " Ask again.",
    "call_not_an_object": " Ask again.",
}
"""Next steps for agents only."""


def warning(remark: Remark) -> str:
    """Return a remark as a sentence or two."""
    if remark.kind in _OWN:
        return f"{words_of(_OWN[remark.kind], remark)}{_going_on(remark)}."
    return f"{words_of(WORDS[remark.kind], remark)}{words_of(_ADVICE.get(remark.kind, ''), remark)}"


def _going_on(remark: Remark) -> str:
    """Return how to continue a truncated reply."""
    if not remark.can_go_on:
        return ""
    if remark.has_messages:
        return ", or pass messages with continue_reply to continue it"
    how = "" if remark.asked_for_messages else " (return_messages returns them)"
    return f", or continue it: continue_reply, with the reply, all its parts, as the last of messages{how}"
