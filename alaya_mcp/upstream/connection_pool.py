"""A transport for httpx2 over this project's connections, which cost a third of its own transport's time.

It connects directly; through proxies, and where llhttp is not installed, httpx2's own transport is used.
"""

import asyncio
import errno
import socket
import ssl
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

import anyio
import httpx2
from aiohappyeyeballs import start_connection  # pyright: ignore[reportUnknownVariableType] # of a bare tuple

from alaya_mcp.origins import is_public
from alaya_mcp.upstream.http_connection import Connection

_PORTS: Final = {"http": 80, "https": 443}
_HAPPY_EYEBALLS_SECONDS: Final = 0.25
"""RFC 8305's recommendation."""

_Origin = tuple[str, str, int]
_Address = tuple[int, int, int, str, tuple[Any, ...]]
"""As `getaddrinfo` returns it."""


class ConnectionPool(httpx2.AsyncBaseTransport):
    """Sends requests over connections that it keeps.

    The timeouts `connect` and `write` of a request are kept; the reader of a response limits that. The extension
    `connected` is called when there is a connection.

    Args:
        tls: For https.
        keepalive: Seconds for which idle connections are kept.
        most_idle: How many are.
        private_hosts: If given, hosts that are not among these are connected to at public addresses only.
    """

    tells_connected = True

    def __init__(
        self,
        tls: ssl.SSLContext | None,
        keepalive: float,
        most_idle: int,
        private_hosts: frozenset[str] | None = None,
    ) -> None:
        self._tls = tls
        self._keepalive = keepalive
        self._most_idle = most_idle
        self._private_hosts = private_hosts
        self._idle: list[tuple[_Origin, Connection]] = []
        self._is_closed = False

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
        if told := request.extensions.get("connected"):
            told()
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
        """Close the idle connections, and the others when their responses end."""
        self._is_closed = True
        for _, connection in self._idle:
            connection.abort()
        self._idle.clear()

    def keep(self, origin: _Origin, connection: Connection) -> None:
        """Keep a connection whose exchange has ended, if it can be used again."""
        if not connection.finish():
            return
        if self._is_closed:
            connection.abort()
            return
        self._idle.append((origin, connection))
        self._close_expired()
        if len(self._idle) > self._most_idle:
            self._idle.pop(0)[1].abort()

    def _kept(self, origin: _Origin) -> Connection | None:
        """Return the idle connection to an origin that was used last."""
        self._close_expired()
        for at in range(len(self._idle) - 1, -1, -1):
            if self._idle[at][0] == origin:
                connection = self._idle.pop(at)[1]
                if connection.is_open:
                    return connection
                connection.abort()
        return None

    def _close_expired(self) -> None:
        """Forget connections that are closed, and close those that were idle for too long."""
        oldest = asyncio.get_running_loop().time() - self._keepalive
        for _, connection in self._idle:
            if connection.idle_since <= oldest:
                connection.abort()
        self._idle = [kept for kept in self._idle if not kept[1].is_closed]

    async def _connect(self, scheme: str, host: str, port: int, seconds: float | None) -> Connection:
        host = host.strip("[]")
        tls = self._tls if scheme == "https" else None
        try:
            with anyio.fail_after(seconds):
                addresses = await _addresses(host, port)
                if self._private_hosts is not None and host not in self._private_hosts:
                    addresses = public(addresses)
                open_socket = await start_connection(addresses, happy_eyeballs_delay=_HAPPY_EYEBALLS_SECONDS)
                _, connection = await asyncio.get_running_loop().create_connection(
                    Connection, sock=open_socket, ssl=tls, server_hostname=host if tls else None
                )
        except TimeoutError as error:
            raise httpx2.ConnectTimeout("no connection in time") from error
        except UnicodeError:  # a name that cannot be one, such as a..b
            raise httpx2.ConnectError("no connection") from socket.gaierror(socket.EAI_NONAME, "not a host name")
        except OSError as error:
            is_handshake = tls and isinstance(error, ConnectionResetError) and error.errno is None  # asyncio's own
            raise httpx2.ConnectError("no connection") from (ssl.SSLEOFError() if is_handshake else error)
        return connection


async def _addresses(host: str, port: int) -> Sequence[_Address]:
    """Return the addresses of a host; for an address, without the thread that looks names up."""
    try:
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except socket.gaierror:
        return await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)


def public(addresses: Sequence[_Address]) -> Sequence[_Address]:
    """Return the addresses that are public; what is checked here is what is connected to.

    Raises:
        PermissionError: there is none.
    """
    if allowed := [address for address in addresses if is_public(address[4][0])]:
        return allowed
    raise PermissionError(errno.EACCES, "no public address")


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
