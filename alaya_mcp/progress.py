"""Progress notes of one call: a status at intervals, then the reply's text as it arrives."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final, Literal, Protocol, TypeVar

import anyio

from alaya_mcp.clock import now

Phase = Literal["queued", "waiting", "thinking", "writing"]

STATUS_SECONDS: Final = 4.0
"""Between status notes; less than the promised 5 s, since timers fire late."""

_T = TypeVar("_T")


class Notify(Protocol):
    """Sends one note: elapsed seconds, its words, and the phase."""

    def __call__(self, progress: float, message: str, phase: Phase) -> Awaitable[None]:
        """Send it; `progress` always increases."""
        ...


class Notes(Protocol):
    """Receives the progress of a call."""

    def status(self, phase: Phase, words: str, detail: str = "") -> None:
        """Report what is being done."""
        ...

    def think(self, pieces: int = 1) -> None:
        """Report that the model is thinking, and so many pieces more."""
        ...

    def write(self, text: str) -> None:
        """Report text of the reply."""
        ...


class NoNotes:
    """Drops the progress of a call that nobody follows."""

    def status(self, phase: Phase, words: str, detail: str = "") -> None:
        """Drop it."""

    def think(self, pieces: int = 1) -> None:
        """Drop it."""

    def write(self, text: str) -> None:
        """Drop it."""


class ProgressNotes:
    """Reports a call's progress to its host.

    Until the first text, the status is repeated at intervals. From then on each note is exactly the text since the
    last one, so that the notes of phase "writing", joined, are the reply.
    """

    def __init__(self, notify: Notify, interval: float, words: str = "looking up the deployment") -> None:
        self._notify = notify
        self._interval = interval
        self._started = now()
        self._phase: Phase = "waiting"
        self._words, self._detail = words, ""
        self._unsent: list[str] = []
        self._thoughts = 0
        self._last_progress = -1.0
        self._wake = asyncio.Event()
        self._finished = asyncio.Event()
        self._begin: Callable[[], None] | None = None

    def status(self, phase: Phase, words: str, detail: str = "") -> None:
        """Report this now and at intervals until the status changes: "words, 12 s, detail"."""
        if self._phase != "writing" and (phase, words, detail) != (self._phase, self._words, self._detail):
            self._phase, self._words, self._detail = phase, words, detail
            self._wake_up()

    def think(self, pieces: int = 1) -> None:
        """Report that the model is thinking; at intervals, how much: "words, 12 s, about 340 tokens"."""
        self._thoughts += pieces
        self.status("thinking", "the model is thinking")

    def write(self, text: str) -> None:
        """Add text of the reply."""
        if text:
            self._unsent.append(text)
            if self._phase != "writing" or len(self._unsent) == 1:
                self._phase = "writing"
                self._wake_up()

    async def during(self, work: Callable[[], Awaitable[_T]]) -> _T:
        """Run `work` while reporting its progress; unsent text is sent before this returns.

        Raises:
            Exception: what `work` raised, unchanged.
        """
        await self._send(self._words, "waiting")
        loop = asyncio.get_running_loop()
        reporting: asyncio.Task[None] | None = None
        # Most reads end before there is anything to report, so the reporting task starts when there is.
        clock = loop.call_later(STATUS_SECONDS, self._wake_up)

        def begin() -> None:
            nonlocal reporting
            clock.cancel()  # from now on the task watches the time
            reporting = loop.create_task(self._tell())

        self._begin = begin
        try:
            outcome = await work()
        except BaseException as error:
            # Asked to finish, not cancelled: a note that is being sent would be lost, or sent twice.
            if reporting and isinstance(error, asyncio.CancelledError):
                reporting.cancel()
            with suppress(Exception):  # the work's own error matters
                await self._finish(reporting)
            raise
        finally:
            clock.cancel()
            self._begin = None
        await self._finish(reporting)
        if self._unsent:
            await self._send_text()
        return outcome

    async def _finish(self, reporting: "asyncio.Task[None] | None") -> None:
        self._finished.set()
        self._wake.set()
        if reporting:
            await reporting

    def _wake_up(self) -> None:
        self._wake.set()
        if self._begin:
            self._begin()
            self._begin = None

    async def _tell(self) -> None:
        while not self._finished.is_set():
            if self._is_writing():
                if self._unsent:
                    await self._send_text()
                    with anyio.move_on_after(self._interval):
                        await self._finished.wait()
                else:
                    await self._woken()
                continue
            with anyio.move_on_after(STATUS_SECONDS) as timer:
                await self._woken()
            if not self._is_writing() and not self._finished.is_set():
                by_the_clock = timer.cancelled_caught or self._elapsed() >= STATUS_SECONDS
                elapsed = f"{self._elapsed():.0f} s" if by_the_clock or self._detail else ""
                detail = self._detail
                if self._phase == "thinking" and by_the_clock:
                    detail = f"about {self._thoughts} tokens"  # engines send one in each piece
                await self._send(", ".join(filter(None, (self._words, elapsed, detail))), self._phase)

    def _is_writing(self) -> bool:
        return self._phase == "writing"

    async def _woken(self) -> None:
        await self._wake.wait()
        self._wake.clear()

    async def _send_text(self) -> None:
        text = "".join(self._unsent)
        self._unsent.clear()
        await self._send(text, "writing")

    async def _send(self, message: str, phase: Phase) -> None:
        progress = max(self._elapsed(), self._last_progress + 0.001)
        self._last_progress = progress
        await self._notify(round(progress, 3), message, phase)

    def _elapsed(self) -> float:
        return now() - self._started
