"""The short answer that faults begin and break off: "one", " two", " three"."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from alaya_mcp.sandbox.answers import Wire, encode
from alaya_mcp.sandbox.chat_request import StreamOptions
from alaya_mcp.sandbox.replies import Answer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from alaya_mcp.sandbox.deployments import Deployment
    from alaya_mcp.sandbox.stats import Chat

TOKENS = ("one", " two", " three")

_PROMPT_TOKENS = 9


@dataclass(frozen=True, slots=True)
class Script:
    """What one chat is answered with, in its engine's shape.

    `token_delay` and `slow_seconds` are the sandbox's, in seconds. `counted` is told when a good answer is whole.
    """

    model: str
    served: tuple[str, ...]
    sglang: bool
    usage: bool
    token_delay: float
    slow_seconds: float
    counted: Chat

    @property
    def _wire(self) -> Wire:
        return Wire(model=self.model, prompt_tokens=_PROMPT_TOKENS, sglang=self.sglang)

    def whole(self) -> bytes:
        """Give the answer as one JSON object."""
        return encode(self._wire.whole(_answer(TOKENS)))

    def events(self, tokens: tuple[str, ...] = TOKENS, finish_reason: str = "stop") -> list[bytes]:
        """Give the whole stream, an event each: the role, the tokens, what the engine ends with, [DONE]."""
        options = StreamOptions(include_usage=self.usage)
        stream = b"".join(self._wire.events(_answer(tokens, finish_reason), options))
        return [event + b"\n\n" for event in stream.split(b"\n\n")[:-1]]

    def begun(self, tokens: tuple[str, ...] = TOKENS) -> list[bytes]:
        """Give the role and the tokens of a stream of which nothing says that it ended."""
        # One token more, because the last one comes with the end.
        return self.events((*tokens, ""))[: 1 + len(tokens)]

    def for_ever(self) -> Iterator[bytes]:
        """Give the role and then tokens without end."""
        begun = self.begun((*TOKENS, " one", *TOKENS[1:]))
        yield from begun
        while True:
            yield from begun[-len(TOKENS) :]


def read_script(
    raw: bytes, deployment: Deployment, *, sglang: bool, token_delay: float, slow_seconds: float, counted: Chat
) -> Script:
    """Read from a request what its answer depends on; whatever is not as it should be is passed over."""
    try:
        body: object = json.loads(raw)
    except (ValueError, RecursionError):
        body = None
    fields = cast("dict[str, object]", body) if isinstance(body, dict) else {}
    asked, options = fields.get("model"), fields.get("stream_options")
    named = isinstance(asked, str) and asked and asked not in deployment.aliases
    return Script(
        model=cast("str", asked) if named else deployment.model,
        served=(deployment.model, *deployment.aliases),
        sglang=sglang,
        usage=isinstance(options, dict) and bool(cast("dict[str, object]", options).get("include_usage")),
        token_delay=token_delay,
        slow_seconds=slow_seconds,
        counted=counted,
    )


def _answer(tokens: tuple[str, ...], finish_reason: str = "stop") -> Answer:
    return Answer((), tokens, finish_reason)
