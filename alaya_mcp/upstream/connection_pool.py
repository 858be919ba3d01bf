"""A transport for httpx2 over this project's connections, which cost a third of its own transport's time.

It connects directly; through proxies, and where llhttp is not installed, httpx2's own transport is used.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator
from typing import Final

import anyio
import httpx2

from alaya_mcp.upstream.http_connection import Connection

_PORTS: Final = {"http": 80, "https": 443}
_HAPPY_EYEBALLS_SECONDS: Final = 0.25
"""RFC 8305's recommendation."""

_Origin = tuple[str, str, int]


class ConnectionPool(httpx2.AsyncBaseTransport):
    """Sends requests over connections that it keeps.

    The timeouts `connect` and `write` of a request are kept; the reader of a response limits that.

    Args:
        tls: For https.
        keepalive: Seconds for which idle connections are kept.
        most_idle: How many are.
    """

    def __init__(self, tls: ssl.SSLContext | None, keepalive: float, most_idle: int) -> None:
        self._tls = tls
        self._keepalive = keepalive
        self._most_idle = most_idle
        self._idle: list[tuple[_Origin, Connection]] = []

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send one request, once, and return its response, the body unread.

        Raises:
            httpx2.ConnectError, httpx2.ConnectTimeout: nothing was sent.
            httpx2.TransportError: as `Connection.exchange`.
        """
        timeout = request.extensions.get("timeout", {})
        message = _message(request)
        origin = request.url.scheme, request.url.raw_host.decode(), request.url.port or _PORTS[request.url.scheme]
        connection = self._kept(origin) or await self._connect(*origin, timeout.get("connect"))
        try:
            await connection.exchange(message, timeout.get("write"))
        except BaseException:
            connection.abort()
            raise
        return httpx2.Response(
            connection.status,
            headers=connection.headers,
            stream=_Body(self, origin, connection),
            extensions={"network_stream": connection},
        )

    async def aclose(self) -> None:
        """Close the idle connections."""
        for _, connection in self._idle:
            connection.abort()
        self._idle.clear()

    def keep(self, origin: _Origin, connection: Connection) -> None:
        """Keep a connection whose exchange has ended, if it can be used again."""
        if connection.finish():
            self._idle.append((origin, connection))
            if len(self._idle) > self._most_idle:
                self._idle.pop(0)[1].abort()

    def _kept(self, origin: _Origin) -> Connection | None:
        """Return the idle connection to an origin that was used last."""
        oldest = asyncio.get_running_loop().time() - self._keepalive
        for at in range(len(self._idle) - 1, -1, -1):
            its_origin, connection = self._idle[at]
            if its_origin != origin:
                continue
            del self._idle[at]
            if connection.idle_since > oldest and connection.is_open:
                return connection
            connection.abort()
        return None

    async def _connect(self, scheme: str, host: str, port: int, seconds: float | None) -> Connection:
        tls = self._tls if scheme == "https" else None
        try:
            with anyio.fail_after(seconds):
                _, connection = await asyncio.get_running_loop().create_connection(
                    Connection,
                    host.strip("[]"),
                    port,
                    ssl=tls,
                    server_hostname=host.strip("[]") if tls else None,
                    happy_eyeballs_delay=_HAPPY_EYEBALLS_SECONDS,
                )
        except TimeoutError as error:
            raise httpx2.ConnectTimeout("no connection in time") from error
        except OSError as error:
            is_handshake = tls and isinstance(error, ConnectionResetError) and error.errno is None  # asyncio's own
            raise httpx2.ConnectError("no connection") from (ssl.SSLEOFError() if is_handshake else error)
        return connection


class _Body(httpx2.AsyncByteStream):
    """The body of a response; closing it before its end closes the connection."""

    def __init__(self, pool: ConnectionPool, origin: _Origin, connection: Connection) -> None:
        self._pool, self._origin, self._connection = pool, origin, connection
        self._is_closed = False

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._connection.body()

    async def aclose(self) -> None:
        if not self._is_closed:
            self._is_closed = True
            self._pool.keep(self._origin, self._connection)


def _message(request: httpx2.Request) -> bytes:
    """Return a request as it is sent.

    Raises:
        httpx2.LocalProtocolError: a line break in its head would begin another line.
    """
    lines = [b"%b %b HTTP/1.1" % (request.method.encode(), request.url.raw_path)]
    lines += [b"%b: %b" % header for header in request.headers.raw]
    head = b"\r\n".join(lines)
    if head.count(b"\n") >= len(lines) or head.count(b"\r") >= len(lines) or b"\0" in head:
        raise httpx2.LocalProtocolError("a line break in a header")
    return b"%b\r\n\r\n%b" % (head, request.content)
