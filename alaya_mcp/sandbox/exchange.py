"""One request and its answer: written as an application writes it, or broken off as a network does."""

import asyncio
import json
import socket
import struct
import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass

import anyio
import anyio.lowlevel
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

CONNECTIONS = "sandbox.connections"
JSON = {"content-type": "application/json"}
HTML = {"content-type": "text/html"}
EVENT_STREAM = {"content-type": "text/event-stream; charset=utf-8"}
DONE = b"data: [DONE]\n\n"


def no_linger(platform: str = sys.platform) -> bytes:
    """Return the socket option that makes a close a reset: struct linger { on, seconds }, two shorts on Windows."""
    return struct.pack("hh" if platform == "win32" else "ii", 1, 0)


def encode(value: object) -> bytes:
    """Write JSON as engines do: compact, and not escaped; a lone surrogate becomes a question mark."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")


def event(value: object) -> bytes:
    """Write one event of a stream."""
    return b"data: " + encode(value) + b"\n\n"


def json_response(body: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return a response with a JSON body."""
    return Response(encode(body), status, {**JSON, **(headers or {})})


def envelope(code: object, reason: str, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return a failure in the control plane's envelope (API documentation)."""
    return json_response({"code": code, "msg": reason}, status, headers)


NOT_FOUND = json_response({"detail": "Not Found"}, 404)


@dataclass(eq=False)
class Exchange:
    """One request and the means to answer it. A body is sent chunked unless it is sent by `answer`."""

    request: Request
    send: Send

    async def run(self, work: Callable[[], Awaitable[None]]) -> None:
        """Read the request, then run `work`, and cancel it when the client closes the connection.

        Engines abort a generation at once when the client leaves (seen on vLLM 0.32.0). Only `receive` notices that
        between two tokens: a server may write into a closed connection without an error.
        """
        await self.request.body()
        async with anyio.create_task_group() as group:

            async def watch() -> None:
                while (await self.request.receive())["type"] != "http.disconnect":
                    pass
                group.cancel_scope.cancel()

            group.start_soon(watch)
            await work()
            group.cancel_scope.cancel()

    async def answer(self, response: Response) -> None:
        """Send a whole answer with its length."""
        await response(self.request.scope, self.request.receive, self.send)

    async def start(self, headers: Mapping[str, str], status: int = 200) -> None:
        """Send the head of an answer."""
        raw = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
        await self.send({"type": "http.response.start", "status": status, "headers": raw})

    async def write(self, data: bytes) -> None:
        """Send a piece of the body; waits while the client does not read."""
        await self.send({"type": "http.response.body", "body": data, "more_body": True})
        # The server waits only when its buffer is full, and a departure is noticed only when others may run.
        await anyio.lowlevel.checkpoint()

    async def write_each(self, pieces: Iterable[bytes], delay: float = 0) -> None:
        """Send pieces of the body, each after `delay` seconds."""
        for piece in pieces:
            await anyio.sleep(delay)
            await self.write(piece)

    async def end(self) -> None:
        """End the body properly."""
        await self.send({"type": "http.response.body", "body": b""})

    async def hang(self) -> None:
        """Do nothing until the client leaves."""
        await anyio.sleep_forever()

    async def close(self, last: bytes = b"") -> None:
        """Close the connection wherever it is in an answer, after some bytes that need not be HTTP."""
        self._transport.write(last)
        self._transport.close()
        await self.hang()

    async def reset(self) -> None:
        """Reset the connection (RST). What was sent just before may be lost on the way."""
        connection: socket.socket = self._transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, no_linger())
        self._transport.abort()
        await self.hang()

    @property
    def _transport(self) -> asyncio.Transport:
        # Two connections of one port never have the same client address at the same time.
        scope = self.request.scope
        return next(each.transport for each in scope[CONNECTIONS] if each.client == scope["client"])


@dataclass(frozen=True)
class Plane:
    """An ASGI application; `respond` returns the response to send, or None for an exchange that it has answered."""

    respond: Callable[[Exchange], Awaitable[Response | None]]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or nothing to a client that left before it had asked."""
        exchange = Exchange(Request(scope, receive), send)
        with suppress(ClientDisconnect):
            if (response := await self.respond(exchange)) is not None:
                await exchange.answer(response)
