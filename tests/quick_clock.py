"""A clock that moves on at once where everybody waits for it, so that limits of time are tested without the time.

As long as anything is under way the clock is the machine's own. Once the event loop would sleep until a timer, the
clock is put forward to that timer. What goes on outside the loop is not seen, but for its threads: use it where client
and server are in this process.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from selectors import BaseSelector, SelectorKey
from typing import Any

import anyio
import pytest

_LINGER = 0.005
"""Seconds of the real clock for bytes that are on their way from one socket of this process to another."""

_LOOK = 0.05
"""Seconds of the real clock between two looks at threads that are at work."""


class _Clock:
    """The loop's clock and its sleep.

    Attributes:
        ahead: Seconds by which the clock is put forward.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, selector: BaseSelector) -> None:
        self.ahead = 0.0
        self._time, self._select = loop.time, selector.select
        self._run_in_executor = loop.run_in_executor
        self._threads = anyio.to_thread.current_default_thread_limiter()
        self._in_executor = 0

    def time(self) -> float:
        """The time, for the loop and for all that ask it."""
        return self._time() + self.ahead

    def select(self, timeout: float | None = None) -> list[tuple[SelectorKey, int]]:
        """Wait for the first of events and timers; where the timer would be first, have it now."""
        if timeout is None or timeout <= 0:
            return self._select(timeout)
        if self._in_executor or self._threads.borrowed_tokens:
            return self._select(min(timeout, _LOOK))
        found = self._select(min(timeout, _LINGER))
        if not found:
            self.ahead += max(0.0, timeout - _LINGER)
        return found

    def run_in_executor(self, executor: Any, function: Callable[..., Any], *arguments: Any) -> asyncio.Future[Any]:  # noqa: ANN401 as the loop's own
        """Run it in a thread, and let no time pass meanwhile but the machine's own."""
        running = self._run_in_executor(executor, function, *arguments)
        self._in_executor += 1
        running.add_done_callback(self._leave_executor)
        return running

    def _leave_executor(self, _: object) -> None:
        self._in_executor -= 1


@asynccontextmanager
async def quick_clock() -> AsyncGenerator[None]:
    """Let the running event loop have such a clock."""
    loop = asyncio.get_running_loop()
    selector: BaseSelector = loop._selector  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType, reportUnknownVariableType]
    clock = _Clock(loop, selector)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "time", clock.time)
        patch.setattr(loop, "run_in_executor", clock.run_in_executor)
        patch.setattr(selector, "select", clock.select)
        yield
