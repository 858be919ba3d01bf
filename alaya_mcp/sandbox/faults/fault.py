"""What a fault is, and what its handlers work with."""

import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

from pydantic import JsonValue  # noqa: TC002 - of a local variable
from starlette.responses import Response

from alaya_mcp.sandbox.answers import Answer
from alaya_mcp.sandbox.chat_request import StreamOptions
from alaya_mcp.sandbox.deployments import Deployment
from alaya_mcp.sandbox.exchange import EVENT_STREAM, Exchange, json_response
from alaya_mcp.sandbox.stats import CountedChat
from alaya_mcp.sandbox.wire import Fields, Wire

Chunk: TypeAlias = dict[str, Any]
_E = TypeVar("_E", bound=Exchange)

TOKENS = ("one", " two", " three")
"""The short answer that faults begin, break off or rewrite."""
Pace: TypeAlias = tuple[float, float]
"""Seconds before each token, and seconds that a slow fault waits."""


class Script(Exchange):
    """A chat that shows a fault, and the answer in its place; of the request only what that depends on is read."""

    def __init__(
        self, exchange: Exchange, body: bytes, deployment: Deployment, *, sglang: bool, pace: Pace, counted: CountedChat
    ) -> None:
        super().__init__(exchange.request, exchange.send)
        fields: JsonValue = None
        with suppress(ValueError, RecursionError):
            fields = json.loads(body)
        asked = fields if isinstance(fields, dict) else {}
        model, options = asked.get("model"), asked.get("stream_options")
        self.model = model if isinstance(model, str) and model not in ("", *deployment.aliases) else deployment.model
        self.served = deployment.names
        self.usage = isinstance(options, dict) and bool(options.get("include_usage"))
        self.token_delay, self.slow_seconds = pace
        self.counted = counted
        self._wire = Wire(model=self.model, prompt_tokens=9, sglang=sglang)

    async def finish(self) -> None:
        """End the body properly, and count the chat as finished."""
        self.counted.finished = True
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
        """Return the data of the events of the whole stream, without [DONE]."""
        return [json.loads(each.removeprefix(b"data: ")) for each in self.events()[:-1]]


@dataclass(slots=True)
class Memory:
    """What a running sandbox remembers of one deployment: its keys, the present one last, and its look-ups."""

    keys: list[str]
    looks: int = 0
    key_refused: bool = False

    def look(self) -> int:
        """Count a look-up, which replaces a key that was refused, and return how many there have been."""
        if self.key_refused:
            self.keys.append(f"{self.keys[0]}-{len(self.keys)}")
        self.looks, self.key_refused = self.looks + 1, False
        return self.looks


@dataclass(frozen=True, slots=True)
class Page:
    """A page of the list as asked for (1 is the first), and how many pages were asked for before."""

    rows: list[Fields]
    number: int
    size: int
    before: int

    @property
    def shown(self) -> list[Fields]:
        """Return the rows of this page."""
        return self.rows[(self.number - 1) * self.size : self.number * self.size]

    def data(self, **changes: object) -> Fields:
        """Return the page as the control plane shows it, with changes; the count is a string."""
        return {"count": str(len(self.rows)), "rows": self.shown} | changes


Pieces: TypeAlias = Callable[[_E], Iterable[bytes]]
Show: TypeAlias = Callable[[_E], Awaitable[None]]
Report: TypeAlias = Callable[[Fields, int, int], Fields]
"""Returns what the control plane reports of a deployment, given the fields of a good detail or row of the list, how
often the detail was looked up (0 for a row), and a port on which nothing listens."""
Accepts: TypeAlias = Callable[[Memory, str, bool], bool]
"""Decides whether an engine takes a key, given whether it comes with a chat."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault. The handlers that it names are where it shows; the others do what is right.

    `once` is whether each deployment, or each path of the control plane, shows it for its first request alone.
    """

    name: str  # for `--fault` and for the deployment fault-NAME
    summary: str  # one line for `alayanew-mcp sandbox --faults`
    chat: Show[Script] | None = None  # answers a chat in place of the engine
    control: Show[Exchange] | None = None  # answers for a deployment's detail or, with `--fault`, for any path
    report: Report = lambda fields, _looks, _port: fields
    page: Callable[[Page], Fields | Response | None] = Page.data  # the `data` of a page of the list, or a response
    models: Callable[[list[object]], object] = lambda cards: {"object": "list", "data": cards}  # of /v1/models
    accepts: Accepts = lambda memory, key, _chatting: key == memory.keys[-1]
    once: bool = False
    refuses: bool = False  # no chat counts as started
    sglang: bool = False  # only SGLang has it; vLLM shows the others


def reply(response: Response) -> Show[Exchange]:
    """Return the handler that always gives one answer."""
    return lambda exchange: exchange.answer(response)


def send(
    pieces: Pieces[_E], headers: Mapping[str, str], then: Show[_E] = Exchange.end, status: int = 200, delay: float = 0
) -> Show[_E]:
    """Return the handler that sends a body piece by piece, each after `delay` seconds, and then ends it well or not."""

    async def show(exchange: _E) -> None:
        await exchange.start(headers, status)
        await exchange.write_each(pieces(exchange), delay)
        await then(exchange)

    return show


def stream(events: Pieces[Script], then: Show[Script] = Script.finish, status: int = 200) -> Show[Script]:
    """Return the handler that sends an event stream at the pace of the sandbox, and then ends it well or not."""
    return lambda chat: send(events, EVENT_STREAM, then, status, chat.token_delay)(chat)


def streamed(
    name: str, summary: str, events: Pieces[Script], then: Show[Script] = Script.finish, *, sglang: bool = False
) -> Fault:
    """Return a fault that is an event stream."""
    return Fault(name, summary, chat=stream(events, then), sglang=sglang)
