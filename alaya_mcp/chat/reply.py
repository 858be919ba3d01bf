"""Folding what an engine sends, chunk by chunk or at once, into one reply. No I/O."""

import re
from dataclasses import dataclass, field
from typing import Any, NamedTuple, cast

from alaya_mcp.chat.thinking import ThinkSplitter
from alaya_mcp.chat.tool_calls import PartialCall, ToolCallCollector
from alaya_mcp.deployment.lenient import encodable, printable
from alaya_mcp.deployment.wire import is_failure
from alaya_mcp.results import Usage

_ERROR_STATUS = re.compile(r"[45][0-9]{2}")


class Delta(NamedTuple):
    """What one chunk added."""

    content: str = ""
    reasoning: str = ""
    calls_tool: bool = False


@dataclass(eq=False)
class EngineError(Exception):
    """The engine reported an error in its answer.

    Attributes:
        status: The HTTP-like code inside it, where it has one.
        message: Its words.
    """

    status: int | None
    message: str | None


class NotAReply(Exception):
    """JSON that is neither a chat completion nor an error."""


@dataclass(slots=True)
class Reply:
    """A reply as far as it has come.

    Attributes:
        begun: Whether any content, reasoning or tool call has arrived; a role alone is nothing.
        finish_reason: The first one sent.
        served_by: The model's name in the answer.
        usage: The last count sent.
        has_parser: Whether the engine has parted any thinking by itself.
        think: Parts the thinking from the reply.
    """

    begun: bool = False
    finish_reason: str | None = None
    served_by: str | None = None
    usage: Usage | None = None
    has_parser: bool = False
    think: ThinkSplitter = field(default_factory=ThinkSplitter)
    _content: list[str] = field(default_factory=list[str])
    _reasoning: list[str] = field(default_factory=list[str])
    _calls: ToolCallCollector = field(default_factory=ToolCallCollector)

    @property
    def content(self) -> str:
        """The reply's text."""
        return "".join(self._content)

    @property
    def reasoning(self) -> str:
        """The thinking, apart from the reply."""
        return "".join(self._reasoning)

    @property
    def tool_calls(self) -> list[PartialCall]:
        """The tools that the model asks for."""
        return self._calls.calls

    @property
    def left_out_calls(self) -> int:
        """Pieces of tool calls beyond the most that are taken."""
        return self._calls.left_out

    def add(self, chunk: dict[str, Any]) -> Delta:
        """Take one chunk of a stream, or a whole completion.

        Fields of unexpected types count as absent: nothing an engine sends makes this fail.

        Raises:
            EngineError: the chunk is an error, in vLLM's, SGLang's or the envelope's shape.
        """
        _raise_error_in(chunk)
        if self.served_by is None and isinstance(model := chunk.get("model"), str):
            self.served_by = printable(model) or None
        self.usage = _usage(chunk.get("usage")) or self.usage
        choice = _first_choice(chunk.get("choices"))
        reason = choice.get("finish_reason")
        if self.finish_reason is None and isinstance(reason, str):
            self.finish_reason = printable(reason) or None
        message = choice.get("delta") or choice.get("message")
        return self._take(cast("dict[str, Any]", message)) if isinstance(message, dict) else Delta()

    def finish(self) -> Delta:
        """Take what was held back, when no more will come."""
        return self._keep(*self.think.finish(stopped=self.finish_reason == "stop"))

    def _take(self, message: dict[str, Any]) -> Delta:
        calls_tool = self._calls.add(message.get("tool_calls"))
        # vLLM says reasoning, SGLang and older vLLM reasoning_content (recorded exchanges, SGLang's source).
        thought = _text(message.get("reasoning")) or _text(message.get("reasoning_content"))
        content = _text(message.get("content"))
        if not thought and not content and not calls_tool:
            return Delta()
        self.begun = True
        if thought:
            self.has_parser = True
            self.think.no_prefill()
        split_thought, reply = self.think.feed(content) if content else ("", "")
        return self._keep(thought + split_thought, reply, calls_tool=calls_tool)

    def _keep(self, reasoning: str, content: str, *, calls_tool: bool = False) -> Delta:
        if reasoning:
            self._reasoning.append(reasoning)
        if content:
            self._content.append(content)
        return Delta(content, reasoning, calls_tool)


def is_completion(answer: dict[str, Any]) -> bool:
    """Whether a JSON answer has the shape of a chat completion at all."""
    return isinstance(answer.get("choices"), list)


def _first_choice(choices: Any) -> dict[str, Any]:  # noqa: ANN401 any JSON value may come
    """The choice with index 0: only one is ever asked for."""
    for choice in cast("list[Any]", choices) if isinstance(choices, list) else []:
        if isinstance(choice, dict) and cast("dict[str, Any]", choice).get("index") in (0, None):
            return cast("dict[str, Any]", choice)
    return {}


def _text(value: Any) -> str:  # noqa: ANN401 any JSON value may come
    """A string fit for UTF-8, or the text of content parts; anything else is empty."""
    if isinstance(value, list):
        parts = (
            cast("dict[str, Any]", part).get("text") for part in cast("list[Any]", value) if isinstance(part, dict)
        )
        return "".join(_text(part) for part in parts)
    if not isinstance(value, str):
        return ""
    return encodable(value)


def _count(value: Any) -> int | None:  # noqa: ANN401 any JSON value may come
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _usage(value: Any) -> Usage | None:  # noqa: ANN401 any JSON value may come
    if not isinstance(value, dict):
        return None
    fields = cast("dict[str, Any]", value)
    prompt, completion = _count(fields.get("prompt_tokens")), _count(fields.get("completion_tokens"))
    total = _count(fields.get("total_tokens"))
    if prompt is None and completion is None and total is None:
        return None
    return Usage(prompt_tokens=prompt, completion_tokens=completion, total_tokens=total)


def _raise_error_in(chunk: dict[str, Any]) -> None:
    error = chunk.get("error")
    flat = chunk.get("object") == "error"
    envelope = "choices" not in chunk and is_failure(chunk)
    if not (error or flat or envelope):
        return
    inside = cast("dict[str, Any]", error) if isinstance(error, dict) else chunk
    words = error if isinstance(error, str) else inside.get("message", inside.get("msg"))
    code = inside.get("code", inside.get("status_code"))
    status = str(code)[:4] if isinstance(code, int | str) else ""
    raise EngineError(int(status) if _ERROR_STATUS.fullmatch(status) else None, _text(words) or None)
