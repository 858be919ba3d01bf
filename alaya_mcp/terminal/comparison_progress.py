"""The progress of a comparison: a bar on a terminal, else a line now and then."""

from collections.abc import Callable
from datetime import timedelta
from typing import Final

import anyio
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from alaya_mcp.clock import now
from alaya_mcp.comparison.run import Tally

_REFRESH_SECONDS: Final = 0.25
_LINE_SECONDS: Final = 10.0
_SOON: Final = 1.0
"""Seconds after which a rate means something."""


def progress_words(tally: Tally, seconds: float) -> str:
    """Return how far a run is after a number of seconds."""
    asked = tally.answered + tally.failed
    words = [f"{tally.before + tally.answered} of {tally.total} answered"]
    words += [f"{tally.failed} failed"] if tally.failed else []
    if seconds >= _SOON and asked:
        rate = asked / seconds
        left = timedelta(seconds=round((tally.total - tally.before - asked) / rate))
        words += [f"{rate:.1f}/s", f"{tally.tokens / seconds:.0f} tokens/s"]
        words += [f"{left} left"]
    return ", ".join(words)


async def show_progress(tally: Tally, beside: Console, look: Callable[[], None]) -> None:
    """Show a run's progress until this is cancelled.

    Args:
        tally: Its progress.
        beside: Where it is shown.
        look: Called each time, several times a second.
    """
    shown = _Bar(beside, tally) if beside.is_terminal and not beside.is_dumb_terminal else _Lines(beside)
    with shown:
        while True:
            await anyio.sleep(_REFRESH_SECONDS)
            look()
            shown.show(tally, now() - tally.began)


class _Bar:
    """A bar in one line, which is wiped at the end."""

    def __init__(self, console: Console, tally: Tally) -> None:
        columns = BarColumn(bar_width=20), TextColumn("{task.description}", markup=False)
        self._progress = Progress(*columns, console=console, auto_refresh=False, transient=True)
        self._task = self._progress.add_task("", total=tally.total, completed=tally.before)

    def __enter__(self) -> None:
        self._progress.start()

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def show(self, tally: Tally, seconds: float) -> None:
        done = tally.before + tally.answered + tally.failed
        self._progress.update(self._task, completed=done, description=progress_words(tally, seconds))
        self._progress.refresh()


class _Lines:
    """A line each ten seconds."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._last = 0.0

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        pass

    def show(self, tally: Tally, seconds: float) -> None:
        if seconds - self._last >= _LINE_SECONDS:
            self._last = seconds
            self._console.print(progress_words(tally, seconds), markup=False, emoji=False)
