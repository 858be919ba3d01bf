"""One HTTP/1.1 connection: TCP and TLS by asyncio, responses parsed by llhttp, one exchange at a time."""

import asyncio
import select
from collections.abc import AsyncIterator
from typing import Any, Final, cast

import anyio
import httptools
import httpx2

_OVERHEAD_CAP: Final = 2**17
"""Bytes of a response that bring nothing of its body: headers, trailers, what is written around chunks."""
_PIECE: Final = 2**16
"""Bytes of a request that are written at once, and that wait to be sent."""
_UNREAD_CAP: Final = 2**16
"""Bytes of a body that wait for their reader; above it, none are read from the socket."""
_INTERIM: Final = range(100, 200)


class Connection(asyncio.Protocol):
    """An open connection. Its errors are those of httpx2, each with the system's error as its cause.

    Attributes:
        status: Of the current response.
        headers: Of the current response, as sent.
        idle_since: When its last exchange ended, on the event loop's clock.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpResponseParser(self)
        # As h11 reads responses: a bare LF ends a line, chunks win over a length, spaces may follow a chunk size.
        self._parser.set_dangerous_leniencies(
            lenient_headers=True,
            lenient_chunked_length=True,
            lenient_optional_cr_before_lf=True,
            lenient_spaces_after_chunk_size=True,
        )
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._is_busy = self._is_full = self._is_large = self._may_be_kept = False
        self.idle_since = 0.0
        self._begin()

    def _begin(self) -> None:
        self.status, self.headers = 0, list[tuple[bytes, bytes]]()
        self._has_head = self._is_complete = self._ends_with_connection = False
        self._overhead = self._unread_size = 0
        self._unread: list[bytes] = []
        self._error: httpx2.TransportError | None = None
        self._cause: Exception | None = None

    async def exchange(self, request: bytes, write_seconds: float | None) -> None:
        """Send a request and wait for the head of its response.

        Raises:
            httpx2.TransportError: the connection ended, the response breaks the rules of HTTP, or the request could not
                be written in `write_seconds`.
        """
        self._begin()
        self._is_busy = True
        self._is_large = len(request) > _PIECE
        if self._transport is None:
            raise httpx2.ReadError("the connection was closed")
        if self._is_large:
            await self._write(request, write_seconds)
        else:
            self._transport.write(request)
        while not self._has_head:
            await self._wait()

    async def _write(self, request: bytes, seconds: float | None) -> None:
        """Write a large request, but no more of it than is read, and no more once it is answered."""
        with anyio.move_on_after(seconds) as timer:
            for at in range(0, len(request), _PIECE):
                if self._transport:
                    self._transport.write(request[at : at + _PIECE])
                while self._is_full and not self._has_head:
                    await self._wait()
                if self._has_head or self._error:
                    return
        if timer.cancelled_caught:
            raise httpx2.WriteTimeout("the request was not read")

    async def body(self) -> AsyncIterator[bytes]:
        """Yield the body of the current response as it arrives.

        Raises:
            httpx2.TransportError: it is incomplete.
        """
        while True:
            if self._unread:
                chunk = self._unread[0] if len(self._unread) == 1 else b"".join(self._unread)
                self._unread.clear()
                if self._unread_size > _UNREAD_CAP and self._transport:
                    self._transport.resume_reading()
                self._unread_size = 0
                yield chunk
            elif self._is_complete:
                return
            else:
                await self._wait()

    def finish(self) -> bool:
        """End the current exchange, and return whether the connection can be used again; if not, it is closed."""
        self._is_busy = False
        self.idle_since = self._loop.time()
        is_paused = self._unread_size > _UNREAD_CAP
        # A large request may have been answered while it is sent; over TLS asyncio does not tell what is still unsent.
        if is_paused or self._is_large or not (self._is_complete and self._may_be_kept):
            self.abort()
        return self._transport is not None

    def abort(self) -> None:
        """Close it at once."""
        if self._transport:
            self._transport.abort()
            self._transport = None

    @property
    def is_closed(self) -> bool:
        """Whether it is known to be closed."""
        return self._transport is None

    @property
    def is_open(self) -> bool:
        """Whether an idle connection is still open: the server has neither closed it nor sent anything."""
        if self._transport is None or self._transport.is_closing():
            return False
        socket = self._transport.get_extra_info("socket")  # none while TLS is being closed
        return socket is not None and socket.fileno() >= 0 and not is_readable(socket.fileno())

    def get_extra_info(self, name: str) -> Any:  # noqa: ANN401 the interface of httpx2's network streams
        """Return what asyncio's transport tells, such as `ssl_object`."""
        return self._transport and self._transport.get_extra_info(name)

    async def _wait(self) -> None:
        """Wait until something has happened."""
        if self._error:
            raise self._error from self._cause
        self._waiter = self._loop.create_future()
        await self._waiter

    def _wake(self) -> None:
        if self._waiter and not self._waiter.done():
            self._waiter.set_result(None)

    def _fail(self, error: httpx2.TransportError, cause: Exception | None) -> None:
        self._error, self._cause = error, cause
        self.abort()
        self._wake()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by asyncio once TCP, and TLS, are established."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by its class
        self._transport.set_write_buffer_limits(_PIECE)

    def data_received(self, data: bytes) -> None:
        """Called by asyncio with what has come."""
        if not self._is_busy or self._is_complete:  # nothing was asked for
            self._may_be_kept = False
            if not self._is_busy:
                self.abort()
            return
        self._overhead += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._may_be_kept = False
            if not self._is_complete:
                self._fail(httpx2.RemoteProtocolError("not a response by the rules of HTTP/1.1"), error)
        if self._overhead > _OVERHEAD_CAP and not self._is_complete:
            self._fail(httpx2.RemoteProtocolError("headers without end"), None)
        self._wake()

    def eof_received(self) -> None:
        """Called by asyncio at the end of what the server sends; what is still being sent to it does not matter."""
        self._end(None)

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by asyncio at the end, with the system's error if there was one."""
        self._transport = None
        self._end(exc)

    def _end(self, exc: Exception | None) -> None:
        self._is_full = self._may_be_kept = False
        self._is_complete |= self._ends_with_connection and exc is None
        if not self._is_busy:
            self.abort()
        elif not self._is_complete and not self._error:
            self._fail(httpx2.ReadError("the connection was closed"), exc)
        self._wake()

    def pause_writing(self) -> None:
        """Called by asyncio when more waits to be sent than it wants to keep."""
        self._is_full = True

    def resume_writing(self) -> None:
        """Called by asyncio when that has been sent."""
        self._is_full = False
        self._wake()

    def on_message_begin(self) -> None:
        """Called by the parser at a status line."""
        if self._is_complete:
            raise httpx2.RemoteProtocolError("a second response")  # ends the parsing

    def on_header(self, name: bytes, value: bytes) -> None:
        """Called by the parser with a header, or with a trailer."""
        if not self._has_head:
            if name.lower() == b"transfer-encoding" and value.lower() != b"chunked":
                raise httpx2.RemoteProtocolError("a transfer coding that was not asked for")  # ends the parsing
            self.headers.append((name, value.rstrip(b" \t")))

    def on_headers_complete(self) -> None:
        """Called by the parser at the end of the headers."""
        self.status = self._parser.get_status_code()
        if self.status in _INTERIM:
            self.headers.clear()
            return
        if not self.status:
            raise httpx2.RemoteProtocolError("no status")  # ends the parsing
        names = {name.lower() for name, _ in self.headers}
        self._ends_with_connection = names.isdisjoint({b"content-length", b"transfer-encoding"})  # RFC 9112, 6.3
        self._has_head = True

    def on_body(self, data: bytes) -> None:
        """Called by the parser with a piece of the body."""
        self._overhead = 0
        self._unread.append(data)
        was_below = self._unread_size <= _UNREAD_CAP
        self._unread_size += len(data)
        if was_below and self._unread_size > _UNREAD_CAP and self._transport:
            self._transport.pause_reading()

    def on_message_complete(self) -> None:
        """Called by the parser at the end of a response."""
        if self._has_head:
            self._is_complete = True
            self._may_be_kept = self._parser.should_keep_alive()


def is_readable(descriptor: int) -> bool:
    """Return whether there is something to read, the end of the stream included."""
    if hasattr(select, "poll"):
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        return bool(poll.poll(0))
    return bool(select.select([descriptor], [], [], 0)[0])  # Windows, where it takes any descriptor
