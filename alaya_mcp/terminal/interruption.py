"""Ctrl-C, which cancels the current work and not the program."""

import asyncio
import signal
from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType

import anyio


class Interruption:
    """Cancels the current block, if there is one."""

    def __init__(self) -> None:
        self._scope: anyio.CancelScope | None = None

    @contextmanager
    def block(self) -> Generator[anyio.CancelScope]:
        """Make the body cancellable, the innermost block first; `scope.cancelled_caught` says if it was."""
        with anyio.CancelScope() as scope:
            around, self._scope = self._scope, scope
            try:
                yield scope
            finally:
                self._scope = around

    def interrupt(self) -> None:
        """Cancel the current block."""
        if self._scope is not None:
            self._scope.cancel()

    @contextmanager
    def on_sigint(self) -> Generator[None]:
        """Handle SIGINT in the body; works on Windows, whose event loops handle no signals."""
        loop = asyncio.get_running_loop()

        def handle(_number: int, _frame: FrameType | None) -> None:
            loop.call_soon_threadsafe(self.interrupt)

        before = signal.signal(signal.SIGINT, handle)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)
