"""Serve on stdin and stdout, with two corrections to the SDK.

- Some hosts send `server/discover` and then `initialize` on one pipe; the SDK takes the first as a choice of its era
  and refuses the second. Here discover is answered without choosing an era.
- The SDK does not reply to a line that cannot be decoded; here it is answered, or ends a question, if it has an id
  (unreadable.py).

The assumptions about the SDK are tested in tests/test_stdio_relay.py.
"""

import logging
from collections import deque
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, Protocol, Self, cast

import anyio
import mcp_types as types
from mcp.server.lowlevel import Server
from mcp.shared.message import SessionMessage
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic_core import from_json

from alaya_mcp.serving.stdio.backpressure import Outgoing, Sink
from alaya_mcp.serving.stdio.opening import Handover
from alaya_mcp.serving.stdio.pipes import Pipes
from alaya_mcp.serving.stdio.recording import Recording
from alaya_mcp.serving.stdio.stdout_guard import Descriptors, can_be_waited_for
from alaya_mcp.serving.stdio.unreadable import Questions, unreadable

_log = logging.getLogger(__name__)


async def serve_stdio(
    server: Server[Any], recording: Recording, platform: str, handover: Handover | None = None
) -> None:
    """Serve until stdin ends, from the start or from an opening's handover; `platform` is `sys.platform`."""
    if handover and handover.has_answered:
        _log.info("the first answers were given before the server was loaded; it takes over")
    async with _standard_streams(platform, handover) as (incoming, sink), recording:
        questions = Questions(Unrepeated(sink, handover.given if handover else {}, recording))
        outgoing = Outgoing(questions)
        relayed = Relayed(incoming, outgoing, Relay(server), questions, recording)
        await server.run(relayed, outgoing, server.create_initialization_options())


@asynccontextmanager
async def _standard_streams(platform: str, handover: Handover | None) -> AsyncGenerator[tuple["Source", Sink]]:
    """Yield stdin and stdout as messages: on the event loop if it can wait for them, else by threads."""
    if handover:
        begun = Pipes(handover.descriptors, handover.unread, handover.unsent)
    elif can_be_waited_for(platform):
        begun = Pipes(Descriptors())
    else:
        from alaya_mcp.serving.stdio.blocking import BlockingPipes  # noqa: PLC0415 seldom needed

        begun = BlockingPipes(Descriptors(is_waited_for=False))
    async with begun as pipes:
        yield pipes.input, pipes.output


class Source(Protocol):
    """Where messages come from."""

    async def receive(self) -> SessionMessage | Exception:
        """Return the next message."""
        ...

    async def aclose(self) -> None:
        """Stop reading."""
        ...


class Unrepeated:
    """A sink that records the first answers, and drops those that the host already has.

    Args:
        sink: Receives everything else.
        given: The results that the host has, as JSON, by request id.
        recording: Records the first answers.
    """

    def __init__(self, sink: Sink, given: Mapping[int | str, str], recording: Recording) -> None:
        self._sink = sink
        self._given = dict(given)
        self._recording = recording

    async def send(self, item: SessionMessage, /) -> None:
        """Write one message, unless the host has it."""
        message = item.message
        if isinstance(message, types.JSONRPCResponse):
            self._recording.answered(message.id, message.result)
        if isinstance(message, types.JSONRPCResponse | types.JSONRPCError) and message.id in self._given:
            given = from_json(self._given.pop(message.id))
            if isinstance(message, types.JSONRPCError) or message.result != given:
                _log.error("the server's answer differs from the one sent while it was loading")
            return
        await self._sink.send(item)

    async def aclose(self) -> None:
        """Stop writing."""
        await self._sink.aclose()


class Relayed:
    """A source of the messages that the relay leaves to the SDK.

    Nothing is read from a host while it does not read its answers.
    """

    def __init__(
        self, source: Source, outgoing: Outgoing, relay: "Relay", questions: Questions, recording: Recording
    ) -> None:
        self._source = source
        self._outgoing = outgoing
        self._relay = relay
        self._questions = questions
        self._recording = recording
        self._ready: deque[SessionMessage] = deque()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc_val: BaseException | None, exc_tb: TracebackType | None
    ) -> None:
        await self.aclose()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> SessionMessage | Exception:
        try:
            return await self.receive()
        except anyio.EndOfStream:
            raise StopAsyncIteration from None

    async def receive(self) -> SessionMessage | Exception:
        """Return the next message for the SDK.

        Raises:
            anyio.EndOfStream: the input has ended.
        """
        while True:
            await self._outgoing.drained()
            item = self._ready.popleft() if self._ready else await self._source.receive()
            if isinstance(item, Exception):
                await self._handle(item)
                continue
            self._questions.note(item)
            self._recording.asked(item.message)
            reply = self._relay.reply_to(item)
            if reply is None:
                return item
            await self._outgoing.send(SessionMessage(reply))

    async def _handle(self, failure: Exception) -> None:
        """Answer a line that could not be decoded, or end the question that it answers."""
        found = unreadable(failure, self._questions.open)
        if not (found.refusals or found.endings):
            _log.warning("a line on stdin was not a JSON-RPC message and had no id")
        for refusal in found.refusals:
            await self._outgoing.send(SessionMessage(refusal))
        self._ready.extend(found.endings)

    async def aclose(self) -> None:
        """Stop reading."""
        await self._source.aclose()


class Relay:
    """Decides which messages are answered before they reach the SDK. No I/O."""

    def __init__(self, server: Server[Any]) -> None:
        self._server = server
        self._era_is_open = True

    def reply_to(self, item: SessionMessage) -> types.JSONRPCResponse | None:
        """Return the answer to a message that is kept from the SDK, None for other messages."""
        if not self._era_is_open or not isinstance(item.message, types.JSONRPCRequest):
            return None
        version = _discovers(item.message)
        if version is None:
            self._era_is_open = False
            return None
        return types.JSONRPCResponse(jsonrpc="2.0", id=item.message.id, result=self._discovery(version))

    def _discovery(self, version: str) -> dict[str, Any]:
        """Return the result that the SDK's own handler would send."""
        server = self._server
        body = types.DiscoverResult(
            supported_versions=list(MODERN_PROTOCOL_VERSIONS),
            capabilities=server.get_capabilities(protocol_version=version),
            instructions=server.instructions,
        )
        hint = server.cache_hints["server/discover"]
        result = body.model_dump(by_alias=True, mode="json", exclude_none=True)
        return {
            **result,
            "ttlMs": hint.ttl_ms,
            "cacheScope": hint.scope,
            "resultType": "complete",
            "_meta": {types.SERVER_INFO_META_KEY: server.server_info_stamp},
        }


def _discovers(request: types.JSONRPCRequest) -> str | None:
    """Return the protocol version of a well-formed `server/discover`, None for any other request."""
    meta = (request.params or {}).get("_meta")
    if request.method != "server/discover" or not isinstance(meta, dict):
        return None
    fields = cast("dict[str, Any]", meta)
    version = fields.get(types.PROTOCOL_VERSION_META_KEY)
    well_formed = version in MODERN_PROTOCOL_VERSIONS and isinstance(
        fields.get(types.CLIENT_CAPABILITIES_META_KEY), dict
    )
    return version if well_formed else None
