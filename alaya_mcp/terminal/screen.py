"""What is shown: an answer as it arrives, one line of progress, facts, warnings and errors."""

import re
import sys
from collections.abc import Generator
from contextlib import contextmanager, suppress
from typing import Final

from rich.cells import cell_len, set_cell_size
from rich.console import Console, RenderableType
from rich.control import Control
from rich.segment import ControlType, Segment, Segments

from alaya_mcp.errors import AlayaError
from alaya_mcp.terminal.error_steps import DOCTOR, error_lines

_TABLE: Final[dict[int, int | None]] = {
    **{code: 0x2400 + code for code in range(0x20)},  # Unicode's pictures of the control characters
    0x7F: 0x2421,
    **dict.fromkeys(range(0x80, 0xA0), 0xFFFD),
    **dict.fromkeys((*range(0x202A, 0x202F), *range(0x2066, 0x206A)), 0xFFFD),  # they change the direction of text
    ord("\t"): ord("\t"),
    ord("\n"): ord("\n"),
    ord("\r"): None,
}
_ELAPSED: Final = re.compile(r", \d+ s\b")
"""The part of a progress note that changes with the clock; details follow it."""


def without_controls(text: str) -> str:
    """Return `text` without control characters, except tabs and line ends."""
    return text.translate(_TABLE)


class Aside(Console):
    """A console for everything but answers; when its reader is gone, the answers go on."""

    def on_broken_pipe(self) -> None:
        """Print nothing more."""
        self.quiet = True


def open_aside() -> Aside:
    """Return a console on stderr, which there may not be."""
    is_terminal = sys.stderr is not None and sys.stderr.isatty()
    return Aside(stderr=True, highlight=False, soft_wrap=not is_terminal)


class Screen:
    """Two consoles; on a terminal they are the same.

    Args:
        answers: Receives the answers' text and nothing else.
        aside: Receives everything else.

    Attributes:
        is_read: Whether the reader is still there: `| head` ends early.
        doctor: The step for errors that the doctor can examine.
    """

    def __init__(self, answers: Console, aside: Console) -> None:
        self._answers = answers
        self._aside = aside
        self._status = ""
        self._within_line = False
        self.is_read = True
        self.doctor = DOCTOR

    def write(self, text: str) -> None:
        """Show a piece of an answer right after the last one."""
        self._wipe_status()
        if shown := without_controls(text):
            # A segment keeps tabs; rich replaces those of a string with spaces.
            with self._reader():
                self._answers.print(Segments([Segment(shown)]), end="", soft_wrap=True)
            self._within_line = not shown.endswith("\n")

    def record(self, line: str) -> None:
        """Print a line for programs, unchanged."""
        with self._reader():
            self._answers.out(line)
            self._answers.file.flush()

    def status(self, words: str) -> None:
        """Show progress in place of the last one; if lines cannot be wiped, one line per change of state."""
        state = words if self._can_wipe else _ELAPSED.split(words)[0]
        if self._within_line or state == self._status:
            return
        shown = without_controls(words)
        if self._can_wipe:
            self._wipe_status()
            room = max(self._aside.width - 1, 1)
            self._aside.out(shown if cell_len(shown) <= room else set_cell_size(shown, room), style="dim", end="")
        else:
            with self._reader():
                self._aside.print(shown, style="dim", markup=False, emoji=False)
        self._status = state

    def show(self, block: RenderableType) -> None:
        """Print a table, or other lines of a result."""
        self.end()
        with self._reader():
            self._answers.print(block)
            self._answers.file.flush()

    def end(self) -> None:
        """End the answer's last line and wipe the progress."""
        self._wipe_status()
        if self._within_line:
            with self._reader():
                self._answers.out("")
            self._within_line = False

    def say(self, text: str, style: str = "") -> None:
        """Show lines that are not part of an answer."""
        self.end()
        with self._reader():
            self._aside.print(without_controls(text), style=style or None, markup=False, emoji=False)

    def fact(self, text: str) -> None:
        """Show a line about an answer."""
        self.say(text, "dim")

    def warn(self, text: str) -> None:
        """Show a warning."""
        self.say(text, "yellow")

    def fail(self, error: AlayaError) -> None:
        """Show an error and its next step."""
        self.say(error_lines(error, doctor=self.doctor), "red")

    @contextmanager
    def _reader(self) -> Generator[None]:
        """Record a closed pipe, which makes rich raise SystemExit, or a full disk; later output is dropped."""
        try:
            yield
        except SystemExit:
            self.is_read = False
        except OSError as error:
            if self.is_read:
                self.is_read = False
                with suppress(OSError):
                    self._aside.print(f"The output cannot be written: {error.strerror}.", style="red", markup=False)

    @property
    def _can_wipe(self) -> bool:
        return self._aside.is_terminal and not self._aside.is_dumb_terminal

    def _wipe_status(self) -> None:
        if self._status and self._can_wipe:
            self._aside.control(Control(ControlType.CARRIAGE_RETURN, (ControlType.ERASE_IN_LINE, 2)))
        self._status = ""
