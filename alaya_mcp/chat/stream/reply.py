"""Fold an engine's chunks, or a whole completion, into one reply. No I/O."""

import json
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple, cast

from alaya_mcp.chat.stream.answer_fields import finish_reason, is_empty, usage_in
from alaya_mcp.chat.stream.thinking import ThinkSplitter
from alaya_mcp.chat.stream.tool_calls import PartialCall, ToolCallCollector, index_in
from alaya_mcp.printable import encodable, printable
from alaya_mcp.results import Usage

_MARK_LENGTH: Final = 100
_DEPTH: Final = 8
"""Of what is looked into; nobody puts words deeper than that."""

ReasoningAsReply = Literal["never", "any", "json"]
"""Which reasoning-only output is taken as the reply: none, any, or JSON."""


class Delta(NamedTuple):
    """The text that one chunk added."""

    content: str = ""
    reasoning: str = ""
    calls_tool: bool = False


_NOTHING: Final = Delta()


@dataclass(slots=True)
class _Ending:
    """How reliable the finish reasons so far are: some gateways put one on every chunk, or on the first.

    Attributes:
        is_last: Whether the last chunk of the reply had one.
        is_early: Whether text followed one.
        is_trusted: Whether text came without one before, so that one is meaningful.
    """

    is_last: bool = False
    is_early: bool = False
    is_trusted: bool = False
    _has_reason: bool = False

    def note(self, *, adds: bool, reason: str | None) -> None:
        """Record a chunk's finish reason, and whether it added anything."""
        if adds and self._has_reason:
            self.is_early = True
        if adds and not reason:
            self.is_last = False
        self.is_trusted = not self.is_early and (self.is_trusted or (adds and not reason))
        if reason:
            self._has_reason = self.is_last = True


@dataclass(slots=True)
class Reply:
    """A reply so far.

    Attributes:
        begun: Whether any content, reasoning or tool call has arrived; a role does not count.
        finish_reason: The last one sent.
        stop_reason: What the engine stopped at: one of the stop strings, or a token's number.
        served_by: The model's name in the answer.
        fingerprint: The answer's `system_fingerprint`.
        has_parser: Whether the engine has sent reasoning separately.
        is_thinking: Whether the current text is, or may be, thinking between tags.
        moved: Whether reasoning was taken as the reply.
        think: Separates thinking from the reply.
        reasoning_as_reply: Which reasoning-only output is taken as the reply.
    """

    begun: bool = False
    finish_reason: str | None = None
    stop_reason: str | None = None
    served_by: str | None = None
    fingerprint: str | None = None
    has_parser: bool = False
    is_thinking: bool = False
    moved: bool = False
    think: ThinkSplitter = field(default_factory=ThinkSplitter)
    reasoning_as_reply: ReasoningAsReply = "never"
    _content: list[str] = field(default_factory=list[str])
    _reasoning: list[str] = field(default_factory=list[str])
    _calls: ToolCallCollector | None = None
    _halves: dict[str, str] = field(default_factory=dict[str, str])
    _usage: Any = None
    _ending: _Ending = field(default_factory=_Ending)
    _has_deltas: bool = False
    _is_past_thinking: bool = False
    _others: list[dict[str, Any]] | None = field(default_factory=list[dict[str, Any]])

    @property
    def content(self) -> str:
        """The reply's text."""
        return "".join(self._content)

    @property
    def reasoning(self) -> str:
        """The thinking, without the reply."""
        return "".join(self._reasoning)

    @property
    def tool_calls(self) -> list[PartialCall]:
        """The model's tool calls."""
        return self._calls.calls if self._calls else []

    @property
    def left_out_calls(self) -> int:
        """Pieces of tool calls beyond the limit."""
        return self._calls.left_out if self._calls else 0

    @property
    def usage(self) -> Usage | None:
        """The last count sent."""
        return usage_in(self._usage)

    @property
    def has_ended(self) -> bool:
        """Whether the engine has reliably sent its finish reason, so that little will follow."""
        return self._ending.is_trusted and self._ending.is_last

    @property
    def seems_ended(self) -> bool:
        """Whether the reply is complete by its finish reasons, should the stream be cut off now."""
        return self.begun and self._ending.is_last and not self._ending.is_early

    def add(self, chunk: dict[str, Any]) -> Delta:
        """Add one chunk of a stream, or a whole completion, and return its delta.

        Fields of unexpected types count as absent: nothing an engine sends makes this fail.
        """
        if self.served_by is None and isinstance(model := chunk.get("model"), str):
            self.served_by = printable(model) or None
        if self.fingerprint is None and isinstance(mark := chunk.get("system_fingerprint"), str):
            self.fingerprint = printable(mark)[:_MARK_LENGTH] or None
        if usage := chunk.get("usage"):
            counts = isinstance(usage, dict) and cast("dict[str, Any]", usage).get("completion_tokens")
            if counts or not self._usage or not is_empty(usage):
                self._usage = usage
        choice = self._first_choice(chunk.get("choices"))
        return self._chosen(choice) if choice else _NOTHING

    def _chosen(self, choice: dict[str, Any]) -> Delta:
        delta = self._added(choice)
        said = choice.get("finish_reason")
        reason = finish_reason(said) if said else None
        self._ending.note(adds=delta is not _NOTHING, reason=reason)
        if reason:
            self.finish_reason = reason
            # vLLM says stop_reason, SGLang matched_stop; null where the model itself ended (recorded exchanges).
            stop = choice.get("stop_reason", choice.get("matched_stop"))
            self.stop_reason = printable(str(stop)) if isinstance(stop, str | int) and stop != "" else None
        return delta

    def finish(self) -> Delta:
        """Return the text held back, at the end of the answer."""
        others = self._from_others()
        rest = dict.fromkeys(self._halves, "\ufffd")
        self._halves.clear()
        thought, content = self.think.feed(rest["content"]) if "content" in rest else ("", "")
        last_thought, last_content = self.think.finish(stopped=self.finish_reason == "stop")
        last = self._keep(rest.get("reasoning", "") + thought + last_thought, content + last_content)
        last = self._moved(last)
        return Delta(others.content + last.content, others.reasoning + last.reasoning, others.calls_tool)

    def _first_choice(self, choices: Any) -> dict[str, Any]:  # noqa: ANN401 any JSON value may come
        """Return the choice with index 0: only one is requested. Others are kept until it arrives."""
        for choice in cast("list[Any]", choices) if isinstance(choices, list) else []:
            if isinstance(choice, dict):
                fields = cast("dict[str, Any]", choice)
                index = fields.get("index")
                if index == 0 or not index_in(index):
                    self._others = None
                    return fields
                if self._others is not None:
                    self._others.append(fields)
        return {}

    def _from_others(self) -> Delta:
        """Return the deltas of another index if index 0 never arrived: some engines count from 1."""
        others, self._others = self._others or [], None
        deltas = [self._chosen(other) for other in others if index_in(other["index"]) == index_in(others[0]["index"])]
        return Delta(
            "".join(delta.content for delta in deltas),
            "".join(delta.reasoning for delta in deltas),
            any(delta.calls_tool for delta in deltas),
        )

    def _moved(self, last: Delta) -> Delta:
        """Return the last delta, with the reasoning as content if it is taken as the reply."""
        if self.reasoning_as_reply == "never" or self._content or self.tool_calls:
            return last
        text = self.reasoning
        if not text or (self.reasoning_as_reply == "json" and not _looks_like_json(text)):
            return last
        self._reasoning.clear()
        self.moved = True
        return self._keep("", text)

    def _added(self, choice: dict[str, Any]) -> Delta:
        """Return a choice's delta, or its whole message if no delta came before."""
        delta, message = choice.get("delta"), choice.get("message")
        if isinstance(delta, dict) and (added := self._take(cast("dict[str, Any]", delta))) is not _NOTHING:
            self._has_deltas = True
            return added
        if isinstance(message, dict) and not self._has_deltas:
            return self._take(cast("dict[str, Any]", message))
        # The older completions' shape.
        return _NOTHING if isinstance(delta, dict) else self._take({"content": choice.get("text")})

    def _take(self, message: dict[str, Any]) -> Delta:
        pieces = message.get("tool_calls")
        if not pieces and (call := message.get("function_call")):  # OpenAI's older shape, which some gateways keep
            pieces = {"index": 0, "function": call}
        calls_tool = self._add_calls(pieces) if pieces else False
        # vLLM says reasoning, SGLang and older vLLM reasoning_content (recorded exchanges, SGLang's source).
        said, sent = message.get("reasoning") or message.get("reasoning_content"), message.get("content")
        thought = _text(said) if said else ""
        content = _text(sent) if sent else ""
        if not thought and not content and not calls_tool:
            return _NOTHING
        if self._halves or not (thought.isascii() and content.isascii()):
            thought, content = self._joined("reasoning", thought), self._joined("content", content)
        self.begun = True
        if thought and not self.has_parser:
            self.has_parser = True
            self.think.parted()
        if not content or self._is_past_thinking:
            return self._keep(thought, content, calls_tool=calls_tool)
        split_thought, reply = self.think.feed(content)
        self.is_thinking, self._is_past_thinking = self.think.is_thinking, self.think.is_past
        return self._keep(thought + split_thought, reply, calls_tool=calls_tool)

    def _add_calls(self, pieces: object) -> bool:
        self._calls = self._calls or ToolCallCollector()
        return self._calls.add(pieces)

    def _joined(self, channel: str, text: str) -> str:
        """Return text that UTF-8 can encode; half a surrogate pair is kept until its other half arrives."""
        text = self._halves.pop(channel, "") + text
        if "\ud800" <= text[-1:] <= "\udbff":
            self._halves[channel], text = text[-1], text[:-1]
        return encodable(text)

    def _keep(self, reasoning: str, content: str, *, calls_tool: bool = False) -> Delta:
        if reasoning:
            self._reasoning.append(reasoning)
        if content:
            self._content.append(content)
        return Delta(content, reasoning, calls_tool)


def is_completion(answer: dict[str, Any]) -> bool:
    """Return whether a JSON answer has the shape of a chat completion."""
    return isinstance(answer.get("choices"), list)


def _looks_like_json(text: str) -> bool:
    """Return whether a text is JSON, or the start of an object or a list."""
    if text.lstrip().startswith(("{", "[")):
        return True
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _text(value: Any, depth: int = _DEPTH) -> str:  # noqa: ANN401 any JSON value may come
    """Return a string unchanged, or the text of content parts; empty for anything else."""
    if isinstance(value, list) and depth:
        parts = (
            cast("dict[str, Any]", part).get("text") for part in cast("list[Any]", value) if isinstance(part, dict)
        )
        return "".join(_text(part, depth - 1) for part in parts)
    return value if isinstance(value, str) else ""
