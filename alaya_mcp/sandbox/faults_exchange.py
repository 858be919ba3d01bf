"""What can be done to a client below the level of proper answers: bytes at will, silence, and broken connections."""

from __future__ import annotations

import socket
import struct
import sys
from typing import TYPE_CHECKING, NoReturn

import anyio
import anyio.lowlevel

from alaya_mcp.sandbox.presence import while_client_waits

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable, Mapping

    from starlette.requests import Request
    from starlette.types import Scope, Send

CONNECTIONS = "sandbox.connections"
JSON = "application/json"
EVENT_STREAM = "text/event-stream; charset=utf-8"
HTML = "text/html"
TEXT = "text/plain; charset=utf-8"

# struct linger { on, seconds }: zero seconds make a close a reset.
_LINGER_NOT = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)


class Exchange:
    """One request whose client is treated badly.

    Everything here ends when the client leaves or the sandbox closes, because `run` watches for that. A body is sent
    chunked unless it is sent by `answer`.
    """

    def __init__(self, request: Request, send: Send) -> None:
        self._request = request
        self._send = send

    async def run(self, show: Callable[[Exchange], Awaitable[None]]) -> None:
        """Read the request, then show a fault for as long as the client is there."""
        await self._request.body()
        await while_client_waits(self._request.receive, lambda: show(self))

    async def start(self, content_type: str, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        """Send the head of an answer."""
        fields = {"content-type": content_type, **(headers or {})}
        raw = [(name.encode(), value.encode("latin-1")) for name, value in fields.items()]
        await self._send({"type": "http.response.start", "status": status, "headers": raw})

    async def write(self, data: bytes) -> None:
        """Send a piece of the body; waits while the client does not read."""
        await self._send({"type": "http.response.body", "body": data, "more_body": True})
        # The server waits only when its buffer is full, and a departure is noticed only when others may run.
        await anyio.lowlevel.checkpoint()

    async def end(self) -> None:
        """End the body properly."""
        await self._send({"type": "http.response.body", "body": b""})

    async def answer(
        self, body: bytes, content_type: str, status: int = 200, headers: Mapping[str, str] | None = None
    ) -> None:
        """Send a whole answer with its length."""
        await self.start(content_type, status, {"content-length": str(len(body)), **(headers or {})})
        await self._send({"type": "http.response.body", "body": body})

    async def hang(self) -> NoReturn:
        """Do nothing until the client leaves."""
        await anyio.sleep_forever()
        raise AssertionError("sleeping for ever has ended")

    async def answer_raw(self, data: bytes) -> NoReturn:
        """Send bytes that are no answer of HTTP, and close."""
        transport = _transport(self._request.scope)
        transport.write(data)
        transport.close()
        await self.hang()

    async def close(self) -> NoReturn:
        """Close the connection wherever it is in an answer: the client reads what was sent, then EOF."""
        _transport(self._request.scope).close()
        await self.hang()

    async def reset(self) -> NoReturn:
        """Reset the connection (RST). What was sent just before may be lost on the way."""
        transport = _transport(self._request.scope)
        connection: socket.socket = transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
        transport.abort()
        await self.hang()


def _transport(scope: Scope) -> asyncio.Transport:
    # Two connections of one port never have the same client address at the same time.
    return next(each.transport for each in scope[CONNECTIONS] if each.client == scope["client"])
