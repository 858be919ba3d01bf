"""One chat request that was answered: what was asked, what came, and how it ended."""

import secrets
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from alaya_mcp.chat.continuation import starts_over
from alaya_mcp.chat.model_choice import Choice
from alaya_mcp.chat.remark import Remark
from alaya_mcp.chat.reply_window import ReplyWindow, cut, size_of
from alaya_mcp.chat.request import Features, Turn
from alaya_mcp.chat.stream.answer_fields import cut_by
from alaya_mcp.chat.stream.decoder import AnswerDecoder, Ending
from alaya_mcp.chat.stream.thinking import part_orphan
from alaya_mcp.chat.stream.tool_calls import Flaw
from alaya_mcp.chat.structured import Structured
from alaya_mcp.results import FunctionCall, ToolCall, TruncatedReason
from alaya_mcp.upstream.subject import Subject

_REASONING_SHARE: Final = 3
"""The thinking gets a third of the room that the reply has."""


@dataclass(slots=True)
class Timestamps:
    """Moments of one exchange on the event loop's clock."""

    sent: float = 0.0
    first_token: float | None = None
    ended: float = 0.0


@dataclass(frozen=True, slots=True)
class Limits:
    """What cuts an answer.

    Attributes:
        budget: Seconds of the whole call.
        idle: Seconds of silence.
        reply_bytes: Most of a reply that a result shows, in UTF-8.
    """

    budget: float
    idle: float
    reply_bytes: int


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked, as far as the result depends on it.

    Attributes:
        turns: The conversation.
        features: What was asked beyond a plain reply.
        return_messages: Whether the conversation is to be returned.
    """

    turns: tuple[Turn, ...]
    features: Features
    return_messages: bool = False

    @property
    def continued(self) -> Turn | None:
        """The message that was to be continued, if one was."""
        return self.turns[-1] if self.features.continues else None


@dataclass(frozen=True)
class Exchange:
    """One answer.

    Attributes:
        subject: For errors and quotations.
        asked: The request.
        choice: The model asked.
        decoder: What came.
        window: What of the text was shown while it came.
        ending: How it ended.
        times: When.
        limits: What cuts it.
        may_be_orphaned: Whether a `</think>` that nothing opened can part the reply.
        remarks: Doubts from before the answer.
        structured: The reply as data, where that was asked for and it could be read.
    """

    subject: Subject
    asked: Asked
    choice: Choice
    decoder: AnswerDecoder
    window: ReplyWindow
    ending: Ending
    times: Timestamps
    limits: Limits
    may_be_orphaned: bool
    remarks: tuple[Remark, ...]
    structured: Structured | None = None

    @cached_property
    def orphan(self) -> tuple[str, str] | None:
        """(thinking, reply), where only a closing tag that nothing opened parts them."""
        content, is_data = self.decoder.reply.content, self.asked.features.response_schema is not None
        if not self.may_be_orphaned or (is_data and content.lstrip().startswith(("{", "["))):
            return None
        return part_orphan(content, before_json=is_data)

    @cached_property
    def content(self) -> str:
        """The whole reply without its thinking."""
        return self.orphan[1] if self.orphan else self.decoder.reply.content

    @cached_property
    def shown(self) -> str:
        """The reply as far as the result shows it."""
        return cut(self.content, self.limits.reply_bytes) if self.orphan else self.window.shown

    @property
    def is_all_thinking(self) -> bool:
        """Whether thinking, or the beginning of it, is all that came."""
        reply = self.decoder.reply
        return not self.content and not reply.tool_calls and bool(self.reasoning or reply.think.is_thinking)

    @cached_property
    def tool_calls(self) -> tuple[tuple[ToolCall, Flaw | None], ...]:
        """The tools that the model asks for, as far as they fit, each with why it cannot be run.

        A call that the engine gave no id gets one, since an answer names it.
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
        """Whether the reply goes on from the message that was to be continued, rather than starting over."""
        continued = self.asked.continued
        is_data_alone = self.structured is not None and self.structured.is_alone
        return continued is not None and not is_data_alone and not starts_over(continued.content, self.content)

    @property
    def is_shown_whole(self) -> bool:
        """Whether that is all of it."""
        return size_of(self.shown) == size_of(self.content)

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
        """Why the engine stopped; None where the answer was cut before the engine said so."""
        return None if self.ending.cut else self.decoder.reply.finish_reason

    @property
    def texts_of_data(self) -> tuple[str, ...]:
        """What may be the reply as data, the likelier first; nothing where it cannot be all there.

        An engine that is held to a schema begins anew where a reply is continued (seen on vLLM), so the new text comes
        first, then the two together.
        """
        text = self.content
        # A number may have lost digits; an object, a list and a string say themselves where they end.
        says_its_end = text.lstrip().startswith(("{", "[", '"', "```")) or text[-1:].isspace()
        if not text or not self.is_shown_whole or (self.reason and not says_its_end):
            return ()
        continued = self.asked.continued
        return (text, f"{continued.content}{text}") if continued else (text,)
