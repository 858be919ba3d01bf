"""Stdin and stdout by a thread for each, where the event loop cannot wait for them: on Windows, and for files.

The SDK's transport would do, but it ends lines with CRLF on Windows, takes a lone CR for the end of a line, takes a
request whose id is invalid for a notification, and waits at the end for a host that does not read.
"""

import asyncio
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from typing import Final

from alaya_mcp.serving.stdio.pipes import Input, Output, Pipes
from alaya_mcp.serving.stdio.stdout_guard import Descriptors

_CHUNK: Final = 2**18
_MOST_WRITTEN: Final = 2**15
"""Bytes of one write: Windows refuses large ones to a console."""


class BlockingPipes(Pipes):
    """This process's stdin and stdout as the SDK's two streams; a context manager.

    Args:
        descriptors: Theirs; blocking.
    """

    def __init__(self, descriptors: Descriptors) -> None:
        super().__init__(descriptors)
        self.input = BlockingInput(descriptors.stdin)
        self.output = BlockingOutput(descriptors.stdout, on_lost=self.input.end)


class BlockingInput(Input):
    """Messages from the host, read by a thread that reads on when its last piece was taken.

    Args:
        descriptor: To read from; blocking.
    """

    def __init__(self, descriptor: int) -> None:
        super().__init__(descriptor)
        self._is_wanted = threading.Event()
        self._loop = asyncio.get_running_loop()
        # Not waited for at the end: nothing ends a read that waits.
        self._thread = threading.Thread(target=self._follow, name="stdin", daemon=True)

    def _start_reading(self) -> None:
        if self._thread.ident is None:
            self._thread.start()
        self._is_wanted.set()

    def _stop_reading(self) -> None:
        self._is_wanted.clear()

    def _follow(self) -> None:
        data = b"some"
        while data:
            self._is_wanted.wait()
            self._is_wanted.clear()
            try:
                data = os.read(self._descriptor, _CHUNK)
            except OSError:
                data = b""
            with suppress(RuntimeError):  # the loop is closed
                self._loop.call_soon_threadsafe(self._take_piece, data)

    def _take_piece(self, data: bytes) -> None:
        self._take_read(data)
        if self._is_reading:
            self._is_wanted.set()


class BlockingOutput(Output):
    """Messages to the host, written by a thread.

    Args:
        descriptor: To write to; blocking.
        on_lost: Called when the host has closed its end.
    """

    def __init__(self, descriptor: int, on_lost: Callable[[], None]) -> None:
        super().__init__(descriptor, b"", on_lost)
        self._work: SimpleQueue[bytes] = SimpleQueue()
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._follow, name="stdout", daemon=True)

    def flush(self) -> None:
        """Hand what is unsent to the thread."""
        if self._unsent and not self._is_waiting:
            self._is_waiting = True
            if self._thread.ident is None:
                self._thread.start()
            self._work.put(bytes(self._unsent))

    def _follow(self) -> None:
        while True:
            line, has_left = memoryview(self._work.get()), False
            try:
                while line:
                    line = line[os.write(self._descriptor, line[:_MOST_WRITTEN]) :]
            except OSError:
                has_left = True
            with suppress(RuntimeError):  # the loop is closed
                self._loop.call_soon_threadsafe(self._written, has_left)

    def _written(self, has_left: bool) -> None:  # noqa: FBT001 as `call_soon_threadsafe` passes it
        self._is_waiting = False
        self._unsent = memoryview(b"")
        if has_left:
            self._is_lost = True
            self._on_lost()
        self._has_sent.set()

    def _stop_waiting(self) -> None:
        self._is_waiting = False
