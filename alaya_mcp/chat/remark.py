"""Remarks about a reply, as facts. Pure.

Most are worded here for every reader; truncation and tool arguments are worded by the server and the terminal.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

CutKind = Literal[
    "cut_at_max_tokens",
    "cut_at_deadline",
    "cut_when_abandoned",
    "cut_by_cancelling",
    "cut_by_stopping",
    "cut_by_silence",
    "cut_by_filter",
    "cut_by_size",
    "cut_by_engine_error",
    "cut_by_connection",
]
"""What cut a reply."""
ToolKind = Literal[
    "cut_after_json",
    "call_missing",
    "parsed_awaits_call",
    "parsed_incomplete",
    "parsed_empty",
    "parsed_unchecked",
    "parsed_wrong",
    "parsed_null",
    "parsed_too_large",
    "pattern_unchecked",
    "conversation_too_large",
    "images_left_out",
    "later_part",
    "ignored_with_read_on",
    "still_generating",
    "rest_not_stored",
]
"""Remarks about arguments or fields of a tool: only agents see these."""
PlainKind = Literal[
    "thinking_absent",
    "thinking_shown_in_part",
    "thinking_by_tag",
    "reasoning_as_reply",
    "call_cut",
    "call_not_json",
    "call_not_an_object",
    "calls_left_out",
    "call_unoffered",
    "call_as_text",
    "json_started_over",
    "started_over",
    "only_thinking",
    "no_text",
    "stream_unreadable_in_part",
    "adapter_not_used",
    "answered_by_stranger",
    "apikey_absent",
    "plain_http",
    "name_unlisted",
    "base_name_unknown",
    "engine_unknown",
    "shown_in_part",
]
Kind = CutKind | ToolKind | PlainKind

Progress = Literal["writing", "thinking", "calling", "nothing"]
"""How far a reply had come when it was cut."""


@dataclass(frozen=True, slots=True)
class Remark:
    """One fact about a reply.

    Attributes:
        kind: What it is.
        name: The model, adapter, function, pattern or finish_reason that it is about.
        other: The name received instead.
        detail: The reason, as a clause; or upstream's text, ready to be quoted.
        shown: How much is shown, or arrived.
        whole: How much there is.
        seconds: The limit that was exceeded.
        progress: How far the reply had come.
        more_tokens: Whether a larger max_tokens brings more.
        may_not_think: Whether thinking could be switched off.
        can_go_on: Whether the text can be continued.
        outlived: Whether the reply outlived its call.
        joined: Whether it is about the reply joined to the message that it continues.
        has_messages: Whether the conversation is returned with the reply.
        asked_for_messages: Whether the conversation was requested.
    """

    kind: Kind
    name: str = ""
    other: str = ""
    detail: str = ""
    shown: int = 0
    whole: int = 0
    seconds: float = 0
    progress: Progress = "writing"
    more_tokens: bool = False
    may_not_think: bool = False
    can_go_on: bool = False
    outlived: bool = False
    joined: bool = False
    has_messages: bool = False
    asked_for_messages: bool = False


Words = str | Callable[[Remark], str]

WORDS: Final[dict[Kind, Words]] = {
    "thinking_absent": "Thinking was on, but none arrived: the model may have no thinking mode, or ignore the switch.",
    "thinking_shown_in_part": lambda of: (
        f"Only the first {of.shown} of {of.whole} bytes of the thinking are shown; the rest is not kept."
    ),
    "thinking_by_tag": "The text before a closing tag such as </think> is returned as thinking, although it was shown "
    "as text while it arrived. A reasoning parser for this model would separate them from the start.",
    "reasoning_as_reply": "The engine sent the reply as reasoning; it is shown as content.",
    "call_cut": lambda of: f"The call of {of.name} was cut off, so do not run it.",
    "call_not_json": lambda of: f"The arguments of the call of {of.name} are not valid JSON, so do not run it.",
    "call_not_an_object": lambda of: (
        f"The arguments of the call of {of.name} are JSON but not an object, so do not run it."
    ),
    "calls_left_out": lambda of: (
        f"Only {of.shown} of the calls are shown, since together they exceed the size of a result. The others are not "
        "kept."
    ),
    "call_unoffered": "The engine called a tool although none was offered.",
    "call_as_text": "The reply has a tool call as text: the engine runs without a tool parser for this model (vLLM: "
    "--enable-auto-tool-choice and --tool-call-parser; SGLang: --tool-call-parser), or the call was cut.",
    "json_started_over": "The engine started the JSON over instead of continuing it; content is a complete reply.",
    "started_over": "The engine seems to have started over instead of continuing: it may not support "
    "continue_final_message.",
    "only_thinking": "Only thinking arrived, no reply.",
    "no_text": "The model ended its reply without any text.",
    "stream_unreadable_in_part": lambda of: f"{of.whole} part(s) of the stream could not be read; text may be missing.",
    "adapter_not_used": lambda of: (
        f"The LoRA {of.name} was requested, but the engine reports that {of.other} answered: the adapter was probably "
        "not used."
    ),
    "answered_by_stranger": lambda of: (
        f"The engine reports that {of.other} answered, which is not one of this deployment's served names."
    ),
    "apikey_absent": "The control plane reports no apikey for this deployment, so none was sent.",
    "plain_http": "The engine is reached over plain http: the apikey and the conversation are not encrypted.",
    "name_unlisted": lambda of: (
        f"{of.name} is not a name that the control plane reports, and the engine's /v1/models could not be read."
    ),
    "base_name_unknown": lambda of: (
        f"SGLang needs {of.name} after the base model's name, which is unknown (/v1/models could not be read): the "
        "base model may have answered instead."
    ),
    "engine_unknown": lambda of: (
        f"The engine is unknown, so the adapter was requested as {of.name}, the form for vLLM; SGLang needs "
        "base-name:adapter."
    ),
    "shown_in_part": lambda of: f"Only the first {of.shown} bytes are shown.",
}
"""By kind, the same for every reader."""


def words_of(words: Words, remark: Remark) -> str:
    """Return a row's words about a remark."""
    return words if isinstance(words, str) else words(remark)
