"""The short answer that faults begin, break off or rewrite: "one", " two", " three"."""

import json
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

from starlette.responses import Response

from alaya_mcp.sandbox.answers import Answer
from alaya_mcp.sandbox.chat_request import StreamOptions
from alaya_mcp.sandbox.deployments import Deployment
from alaya_mcp.sandbox.exchange import EVENT_STREAM, Exchange, json_response
from alaya_mcp.sandbox.stats import CountedChat
from alaya_mcp.sandbox.wire import Wire

Chunk: TypeAlias = dict[str, Any]

TOKENS = ("one", " two", " three")

_PROMPT_TOKENS = 9


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds before each token, and until what is slow comes."""

    token_delay: float
    slow_seconds: float


class Script(Exchange):
    """A chat that shows a fault, and the answer that is in its place, in the dialect of its engine.

    The request is read as far as the answer depends on it; whatever is not as it should be is passed over.
    """

    def __init__(
        self, exchange: Exchange, body: bytes, deployment: Deployment, *, sglang: bool, pace: Pace, counted: CountedChat
    ) -> None:
        super().__init__(exchange.request, exchange.send)
        fields = _read(body)
        asked, options = fields.get("model"), fields.get("stream_options")
        named = isinstance(asked, str) and asked and asked not in deployment.aliases
        self.model = cast("str", asked) if named else deployment.model
        self.served = deployment.names
        self.usage = isinstance(options, dict) and bool(cast("Chunk", options).get("include_usage"))
        self.pace = pace
        self.counted = counted
        self._wire = Wire(model=self.model, prompt_tokens=_PROMPT_TOKENS, sglang=sglang)

    async def finish(self) -> None:
        """End the body properly, and count the chat as finished."""
        self.counted.finish()
        await self.end()

    def whole(self) -> Response:
        """Return the answer as one JSON object."""
        return json_response(self._wire.whole(Answer((), TOKENS, "stop")))

    def events(self, tokens: tuple[str, ...] = TOKENS, finish_reason: str = "stop") -> list[bytes]:
        """Return the whole stream, an event each: the role, the tokens, what the engine ends with, [DONE]."""
        answer = Answer((), tokens, finish_reason)
        stream = b"".join(self._wire.events(answer, StreamOptions(include_usage=self.usage)))
        return [each + b"\n\n" for each in stream.split(b"\n\n")[:-1]]

    def begun(self, tokens: tuple[str, ...] = TOKENS) -> list[bytes]:
        """Return the role and the tokens of a stream of which nothing says that it ended."""
        # One token more, because the last one comes with the end.
        return self.events((*tokens, ""))[: 1 + len(tokens)]

    def chunks(self) -> list[Chunk]:
        """Return what the events of the whole stream hold, but for [DONE]."""
        return [json.loads(each.removeprefix(b"data: ")) for each in self.events()[:-1]]


Events: TypeAlias = Callable[[Script], Iterable[bytes]]
ShowInChat: TypeAlias = Callable[[Script], Awaitable[None]]


def stream(events: Events, then: ShowInChat = Script.finish, status: int = 200) -> ShowInChat:
    """Return the handler that sends a stream, and then ends it well or badly."""

    async def show(chat: Script) -> None:
        await chat.start(EVENT_STREAM, status)
        await chat.write_each(events(chat), chat.pace.token_delay)
        await then(chat)

    return show


def _read(body: bytes) -> Chunk:
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return cast("Chunk", fields) if isinstance(fields, dict) else {}
