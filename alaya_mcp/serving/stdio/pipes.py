"""Stdin and stdout on the event loop, without a thread or task between a line and the server.

The SDK's transport runs every read, write and flush in a thread, which costs more than the rest of a call
(docs/performance.md). This one replaces it; where the event loop cannot wait for both ends, see blocking.py.
"""

import asyncio
import os
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

import anyio
from mcp.shared.message import SessionMessage

from alaya_mcp.serving.stdio.stdout_guard import Descriptors
from alaya_mcp.serving.stdio.unreadable import decoded

_CHUNK: Final = 2**18
_MOST_LINES: Final = 64
"""Lines that wait for the server when reading pauses."""
_LAST_WORDS_SECONDS: Final = 1.0
"""How long the last output may wait for a host that has closed stdin but does not read."""


class Pipes:
    """This process's stdin and stdout as the SDK's two streams; a context manager.

    Args:
        descriptors: Theirs; closed at the end.
        unread: Bytes already read from stdin.
        unsent: Bytes to write first.
    """

    def __init__(self, descriptors: Descriptors, unread: bytes = b"", unsent: bytes = b"") -> None:
        self._descriptors = descriptors
        self.input = Input(descriptors.stdin, unread)
        self.output = Output(descriptors.stdout, unsent, on_lost=self.input.end)

    async def __aenter__(self) -> Self:
        self._descriptors.restore_when_killed()
        self.output.flush()
        self.input.resume()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc_val: BaseException | None, exc_tb: TracebackType | None
    ) -> None:
        await self.input.aclose()
        await self.output.finish()
        self._descriptors.close()


class Input:
    """Messages from the host, one per line: the SDK's read stream.

    Args:
        descriptor: To read from; non-blocking.
        unread: Bytes already read from it.
    """

    def __init__(self, descriptor: int, unread: bytes = b"") -> None:
        self._descriptor = descriptor
        self._partial: list[bytes] = []
        self._lines: deque[bytes] = deque()
        self._is_reading = False
        self._has_ended = False
        self._has_news = asyncio.Event()
        self._take(unread)

    def resume(self) -> None:
        """Resume reading."""
        if not (self._is_reading or self._has_ended):
            self._is_reading = True
            self._start_reading()

    def end(self) -> None:
        """End the input; messages already read are still returned."""
        self._pause()
        if last := b"".join(self._partial):
            self._partial.clear()
            self._lines.append(last)
        self._has_ended = True
        self._has_news.set()

    async def receive(self) -> SessionMessage | Exception:
        """Return the next message, or the error of an invalid line.

        Raises:
            anyio.EndOfStream: the input has ended.
        """
        while not self._lines:
            if self._has_ended:
                raise anyio.EndOfStream
            self.resume()
            self._has_news.clear()
            await self._has_news.wait()
        line = self._lines.popleft()
        if self._lines:  # let the calls that earlier lines started count before all are taken
            await asyncio.sleep(0)
        return decoded(line.decode(errors="replace"))  # as the SDK does it

    async def aclose(self) -> None:
        """Stop reading."""
        self._pause()
        self._has_ended = True

    def _pause(self) -> None:
        if self._is_reading:
            self._is_reading = False
            self._stop_reading()

    def _start_reading(self) -> None:
        asyncio.get_running_loop().add_reader(self._descriptor, self._read)

    def _stop_reading(self) -> None:
        asyncio.get_running_loop().remove_reader(self._descriptor)

    def _read(self) -> None:
        try:
            data = os.read(self._descriptor, _CHUNK)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data = b""
        self._take_read(data)

    def _take_read(self, data: bytes) -> None:
        if data:
            self._take(data)
        else:
            self.end()

    def _take(self, data: bytes) -> None:
        first, *others = data.split(b"\n")
        self._partial.append(first)
        for piece in others:
            self._lines.append(b"".join(self._partial))
            self._partial = [piece]
        if len(self._lines) > _MOST_LINES:
            self._pause()
        if self._lines:
            self._has_news.set()


class Output:
    """Messages to the host, one per line: the end of the SDK's write stream.

    At most one message is being written; other senders wait, and a cancelled one sends nothing.

    Args:
        descriptor: To write to; non-blocking.
        unsent: Bytes to write first.
        on_lost: Called when the host has closed its end.
    """

    def __init__(self, descriptor: int, unsent: bytes, on_lost: Callable[[], None]) -> None:
        self._descriptor = descriptor
        self._unsent = memoryview(unsent)
        self._on_lost = on_lost
        self._is_lost = False
        self._is_waiting = False
        self._has_sent = asyncio.Event()
        self._turn = asyncio.Lock()

    async def send(self, item: SessionMessage, /) -> None:
        """Write one message, once those before it are written.

        Raises:
            anyio.BrokenResourceError: the host has closed its end.
        """
        line = item.message.model_dump_json(by_alias=True, exclude_unset=True).encode() + b"\n"
        async with self._turn:
            await self._all_sent()
            if self._is_lost:
                raise anyio.BrokenResourceError
            self._unsent = memoryview(line)
            self.flush()
            await self._all_sent()

    async def aclose(self) -> None:
        """Do nothing: the message being written is completed."""

    async def finish(self) -> None:
        """Write the rest, within `_LAST_WORDS_SECONDS`."""
        with anyio.move_on_after(_LAST_WORDS_SECONDS, shield=True):
            await self._all_sent()
        self._stop_waiting()

    def flush(self) -> None:
        """Write as much as the pipe accepts, and the rest when it accepts more."""
        try:
            while self._unsent:
                self._unsent = self._unsent[os.write(self._descriptor, self._unsent) :]
        except (BlockingIOError, InterruptedError):
            if not self._is_waiting:
                self._is_waiting = True
                asyncio.get_running_loop().add_writer(self._descriptor, self.flush)
            return
        except OSError:
            self._unsent = memoryview(b"")
            self._is_lost = True
            self._on_lost()
        self._stop_waiting()
        self._has_sent.set()

    async def _all_sent(self) -> None:
        while self._unsent:
            self._has_sent.clear()
            await self._has_sent.wait()

    def _stop_waiting(self) -> None:
        if self._is_waiting:
            self._is_waiting = False
            asyncio.get_running_loop().remove_writer(self._descriptor)
