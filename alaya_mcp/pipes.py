"""Stdin and stdout on asyncio's own pipes: no thread, and no task, between a line and the server.

The SDK's transport hands every read, write and flush to a thread, which costs more than the rest of a call
(docs/performance.md). This one takes its place wherever asyncio can wait for both ends.
"""

import asyncio
import io
import os
from collections import deque
from collections.abc import Callable
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Final, Self

import anyio
import mcp_types as types
from mcp.shared.message import SessionMessage

from alaya_mcp.descriptors import Descriptors

_MOST_LINES: Final = 64
"""Lines that wait for the server when reading pauses."""
_LAST_WORDS_SECONDS: Final = 1.0
"""What is written last may wait so long for a host that has closed stdin but does not read."""


class Pipes:
    """This process's stdin and stdout as the two streams that the SDK serves on, for as long as it is entered.

    Args:
        descriptors: Where they are.
        unread: What has been read of stdin already.
    """

    def __init__(self, descriptors: Descriptors, unread: bytes = b"") -> None:
        self._descriptors = descriptors
        self.input = Input()
        self.input.data_received(unread)
        self.output = Output(on_lost=self.input.end)
        self._owned = AsyncExitStack()

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        await loop.connect_write_pipe(lambda: self.output, io.FileIO(self._descriptors.stdout, "wb"))
        self._owned.push_async_callback(self.output.finish)
        await loop.connect_read_pipe(lambda: self.input, io.FileIO(self._descriptors.stdin, "rb"))
        self._owned.push_async_callback(self.input.aclose)
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc_val: BaseException | None, exc_tb: TracebackType | None
    ) -> None:
        await self._owned.aclose()


class Input(asyncio.Protocol):
    """Messages from the host, one a line: the SDK's read stream."""

    def __init__(self) -> None:
        self._transport: asyncio.ReadTransport | None = None
        self._partial: list[bytes] = []
        self._lines: deque[bytes] = deque()
        self._has_ended = False
        self._has_news = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        assert isinstance(transport, asyncio.ReadTransport)  # noqa: S101 connect_read_pipe makes one
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Take what has arrived."""
        first, *others = data.split(b"\n")
        self._partial.append(first)
        for piece in others:
            self._lines.append(b"".join(self._partial))
            self._partial = [piece]
        if self._transport and len(self._lines) > _MOST_LINES:
            self._transport.pause_reading()
        self._has_news.set()

    def connection_lost(self, exc: Exception | None) -> None:
        """The host has closed stdin, or the server has."""
        del exc
        if self._transport:
            os.set_blocking(self._transport.get_extra_info("pipe").fileno(), True)
        if last := b"".join(self._partial):
            self._lines.append(last)
        self.end()

    def end(self) -> None:
        """Nothing more comes; what has come is still given."""
        self._has_ended = True
        self._has_news.set()

    async def receive(self) -> SessionMessage | Exception:
        """The next message, or the error of a line that is none.

        Raises:
            anyio.EndOfStream: there is no more.
        """
        while not self._lines:
            if self._has_ended:
                raise anyio.EndOfStream
            self._has_news.clear()
            await self._has_news.wait()
        line = self._lines.popleft()
        if self._transport and not self._lines and not self._has_ended:
            self._transport.resume_reading()
        return decoded(line)

    async def aclose(self) -> None:
        """Read no more."""
        if self._transport:
            self._transport.close()


def decoded(line: bytes) -> SessionMessage | Exception:
    """The message in a line, or the decoder's error; bytes that are no UTF-8 are replaced, as the SDK does it."""
    try:
        return SessionMessage(types.jsonrpc_message_adapter.validate_json(line.decode(errors="replace"), by_name=False))
    except ValueError as failure:
        return failure


class Output(asyncio.BaseProtocol):
    """Messages to the host, one a line: what the SDK's write stream ends in.

    Args:
        on_lost: Called when the host has closed its end.
    """

    def __init__(self, on_lost: Callable[[], None]) -> None:
        self._on_lost = on_lost
        self._transport: asyncio.WriteTransport | None = None
        self._can_write = asyncio.Event()
        self._is_lost = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        assert isinstance(transport, asyncio.WriteTransport)  # noqa: S101 connect_write_pipe makes one
        self._transport = transport
        self._can_write.set()

    def pause_writing(self) -> None:
        """As much waits as may wait."""
        self._can_write.clear()

    def resume_writing(self) -> None:
        """The host has read on."""
        self._can_write.set()

    def connection_lost(self, exc: Exception | None) -> None:
        """The host reads no more, or everything is written."""
        del exc
        if self._transport:
            os.set_blocking(self._transport.get_extra_info("pipe").fileno(), True)
        self._is_lost.set()
        self._can_write.set()
        self._on_lost()

    async def send(self, item: SessionMessage, /) -> None:
        """Write one message, and wait while the host is far behind.

        Raises:
            anyio.BrokenResourceError: the host has closed its end.
        """
        if self._transport is None or self._transport.is_closing():
            raise anyio.BrokenResourceError
        line = item.message.model_dump_json(by_alias=True, exclude_unset=True)
        self._transport.write(line.encode() + b"\n")
        if not self._can_write.is_set():
            await self._can_write.wait()

    async def aclose(self) -> None:
        """Write no more; what is still to be written is."""
        if self._transport:
            self._transport.close()

    async def finish(self) -> None:
        """Write what is left, for as long as the host can be expected to read it."""
        await self.aclose()
        if self._transport:
            with anyio.move_on_after(_LAST_WORDS_SECONDS, shield=True) as patience:
                await self._is_lost.wait()
            if patience.cancelled_caught:
                self._transport.abort()
