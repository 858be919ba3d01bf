"""An event loop whose clock moves on at once where everybody waits for it: limits of time are tested without the time.

As long as anything is under way the clock is the machine's own. Once the loop would sleep until a timer, the clock is
put forward to that timer. What goes on outside the loop is not seen, but for its threads and anyio's worker processes:
use it where client and server are in this process. A test asks for it with `pytest.mark.quick`.
"""

import asyncio
import selectors
from collections.abc import Callable
from typing import Any, Final

import anyio
import anyio.to_process

_LINGER: Final = 0.02
"""Seconds of the real clock for bytes that are on their way from one socket of this process to another."""

_LOOK: Final = 0.02
"""Seconds of the real clock between two looks at threads and processes that are at work."""


class _Selector(selectors.DefaultSelector):
    """Waits for events, and for timers no longer than it takes to see that there are no events.

    Attributes:
        ahead: Seconds by which the clock is put forward.
        in_executor: How many threads of the loop are at work.
        workers: The threads and the worker processes of anyio.
    """

    def __init__(self) -> None:
        super().__init__()
        self.ahead = 0.0
        self.in_executor = 0
        self.workers: tuple[anyio.CapacityLimiter, ...] = ()

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Wait for the first of events and timers; where the timer would be first, have it now."""
        if timeout is None or timeout <= 0:
            return super().select(timeout)
        if self.in_executor or any(limiter.borrowed_tokens for limiter in self.workers):
            return super().select(min(timeout, _LOOK))
        found = super().select(min(timeout, _LINGER))
        if not found:
            self.ahead += max(0.0, timeout - _LINGER)
        return found


class QuickLoop(asyncio.SelectorEventLoop):
    """An event loop with such a clock."""

    def __init__(self) -> None:
        self._waiting = _Selector()
        super().__init__(self._waiting)

    def time(self) -> float:
        """The time, for timers and for all that ask."""
        return super().time() + self._waiting.ahead

    def run_forever(self) -> None:
        """Run, and see first what anyio's workers are."""
        if not self._waiting.workers:
            self.create_task(self._meet_workers())
        super().run_forever()

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> asyncio.Future[Any]:  # noqa: ANN401 as the loop's own
        """Run it in a thread, and let no time pass meanwhile but the machine's own."""
        running = super().run_in_executor(executor, func, *args)
        self._waiting.in_executor += 1
        running.add_done_callback(self._leave_executor)
        return running

    def _leave_executor(self, _: object) -> None:
        self._waiting.in_executor -= 1

    async def _meet_workers(self) -> None:
        self._waiting.workers = (
            anyio.to_thread.current_default_thread_limiter(),
            anyio.to_process.current_default_process_limiter(),
        )


QUICK: Final = {"loop_factory": QuickLoop}
"""For `anyio.run` and `anyio_backend`."""
