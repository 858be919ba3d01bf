"""One answered chat: the request, the response, and how it ended."""

import secrets
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from alaya_mcp.chat.model_choice import Choice
from alaya_mcp.chat.remark import Remark
from alaya_mcp.chat.reply_window import cut, size_of
from alaya_mcp.chat.request import Features, Turn
from alaya_mcp.chat.stream.answer_fields import cut_by
from alaya_mcp.chat.stream.decoder import AnswerDecoder, Ending
from alaya_mcp.chat.stream.thinking import split_orphan
from alaya_mcp.chat.stream.tool_calls import Flaw
from alaya_mcp.chat.structured import Structured
from alaya_mcp.results import FunctionCall, ToolCall, TruncatedReason
from alaya_mcp.upstream.client import Engine

_REASONING_SHARE: Final = 3
"""The thinking gets a third of the reply's bytes."""
_TELLING: Final = 24
"""Characters of a reply's start that a continuation does not repeat by chance."""


@dataclass(slots=True)
class Timestamps:
    """Moments of one exchange on the event loop's clock."""

    sent: float = 0.0
    first_token: float | None = None
    ended: float = 0.0


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of an answer.

    Attributes:
        seconds: Of the whole call or, where a reply outlives it, of the generation.
        idle: Seconds of silence.
        reply_bytes: Bytes of the reply, in UTF-8, that a result shows at most.
        outlives: Whether the reply outlives its call.
    """

    seconds: float
    idle: float
    reply_bytes: int
    outlives: bool = False


@dataclass(frozen=True, slots=True)
class Asked:
    """The parts of a request that its result depends on.

    Attributes:
        turns: The conversation.
        features: Requested features.
        return_messages: Whether to return the conversation.
    """

    turns: tuple[Turn, ...]
    features: Features
    return_messages: bool = False

    @property
    def continued(self) -> Turn | None:
        """The message to continue, if any."""
        return self.turns[-1] if self.features.continues else None


@dataclass(frozen=True)
class Exchange:
    """One answer.

    Attributes:
        engine: The engine that was asked.
        asked: The request.
        choice: The model.
        decoder: The decoded response.
        ending: How it ended.
        times: Its timestamps.
        limits: Its limits.
        may_be_orphaned: Whether a `</think>` without an opening tag can split the reply.
        remarks: Remarks from before the answer.
        structured: The reply as data, if requested and readable.
    """

    engine: Engine
    asked: Asked
    choice: Choice
    decoder: AnswerDecoder
    ending: Ending
    times: Timestamps
    limits: Limits
    may_be_orphaned: bool
    remarks: tuple[Remark, ...]
    structured: Structured | None = None

    @cached_property
    def orphan(self) -> tuple[str, str] | None:
        """(thinking, reply), if a closing tag without an opening one separates them."""
        content, is_data = self.decoder.reply.content, self.asked.features.response_schema is not None
        if not self.may_be_orphaned or (is_data and content.lstrip().startswith(("{", "["))):
            return None
        return split_orphan(content, before_json=is_data)

    @cached_property
    def content(self) -> str:
        """The whole reply without its thinking."""
        return self.orphan[1] if self.orphan else self.decoder.reply.content

    @property
    def is_all_thinking(self) -> bool:
        """Whether only thinking, or the start of it, arrived."""
        reply = self.decoder.reply
        return not self.content and not reply.tool_calls and bool(self.reasoning or reply.think.is_thinking)

    @cached_property
    def tool_calls(self) -> tuple[tuple[ToolCall, Flaw | None], ...]:
        """The model's tool calls, as far as they fit, each with why it cannot be run.

        A call without an id gets one, since its answer must name it.
        """
        room = self.limits.reply_bytes
        calls: list[tuple[ToolCall, Flaw | None]] = []
        begun = self.decoder.reply.tool_calls
        for call in begun:
            flaw = call.flaw(is_cut=self.reason is not None and call is begun[-1])
            arguments = call.arguments or ("" if flaw else "{}")
            room -= size_of(arguments)
            if room < 0:
                break
            call_id = call.call_id or f"call_{secrets.token_hex(8)}"
            function = FunctionCall(name=call.name, arguments=arguments)
            calls.append((ToolCall(id=call_id, function=function), flaw))
        return tuple(calls)

    @property
    def has_all_calls(self) -> bool:
        """Whether every call is among `tool_calls`."""
        reply = self.decoder.reply
        return len(self.tool_calls) == len(reply.tool_calls) and not reply.left_out_calls

    @property
    def went_on(self) -> bool:
        """Whether the reply continues the message to continue, rather than starting over."""
        continued = self.asked.continued
        is_data_alone = self.structured is not None and self.structured.is_alone
        return continued is not None and not is_data_alone and not starts_over(continued.content, self.content)

    @cached_property
    def reasoning(self) -> str:
        """The thinking."""
        reasoning = self.decoder.reply.reasoning
        return (f"{reasoning}{self.orphan[0]}" if self.orphan else reasoning).strip()

    @cached_property
    def shown_reasoning(self) -> str:
        """The thinking as far as the result shows it."""
        return cut(self.reasoning, self.limits.reply_bytes // _REASONING_SHARE)

    @property
    def reason(self) -> TruncatedReason | None:
        """What cut the answer itself short."""
        return self.ending.cut or cut_by(self.decoder.reply.finish_reason)

    @property
    def finish_reason(self) -> str | None:
        """Why the engine stopped; None if the answer was cut before that."""
        return None if self.ending.cut else self.decoder.reply.finish_reason

    @property
    def texts_of_data(self) -> tuple[str, ...]:
        """Texts that may be the reply as data, the likelier first; empty if the data cannot be complete.

        With a schema, an engine starts over where a reply is continued (seen on vLLM), so the new text comes first,
        then both together.
        """
        text = self.content
        # A truncated number may have lost digits; objects, lists and strings show where they end.
        shows_its_end = text.lstrip().startswith(("{", "[", '"', "```")) or text[-1:].isspace()
        if not text or (self.reason and not shows_its_end):
            return ()
        continued = self.asked.continued
        return (text, f"{continued.content}{text}") if continued else (text,)


def starts_over(earlier: str, new: str) -> bool:
    """Return whether `new` begins like `earlier`, rather than continuing it.

    An engine without `continue_final_message` ignores it and starts over (recorded exchanges: unknown_field).
    """
    before, after = " ".join(earlier.split())[:_TELLING], " ".join(new.split())[:_TELLING]
    return len(before) == _TELLING and before == after
