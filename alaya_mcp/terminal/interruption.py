"""Ctrl-C, which ends what is under way and not the program."""

import asyncio
import signal
from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType

import anyio


class Interruption:
    """What Ctrl-C ends: the block that is under way, if one is."""

    def __init__(self) -> None:
        self._scope: anyio.CancelScope | None = None

    @contextmanager
    def block(self) -> Generator[anyio.CancelScope]:
        """Work that can be interrupted, the innermost block first; the scope tells afterwards whether it was."""
        with anyio.CancelScope() as scope:
            around, self._scope = self._scope, scope
            try:
                yield scope
            finally:
                self._scope = around

    def interrupt(self) -> None:
        """End the block."""
        if self._scope is not None:
            self._scope.cancel()

    @contextmanager
    def on_sigint(self) -> Generator[None]:
        """Take SIGINT for as long as the block runs, on Windows too, where event loops take no signals."""
        loop = asyncio.get_running_loop()

        def handle(_number: int, _frame: FrameType | None) -> None:
            loop.call_soon_threadsafe(self.interrupt)

        before = signal.signal(signal.SIGINT, handle)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)
