"""What is shown: an answer as it comes, one line about what is being waited for, facts, warnings and errors."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.control import Control
from rich.segment import ControlType, Segment, Segments

from alaya_mcp.errors import AlayaError
from alaya_mcp.terminal.error_steps import error_lines

_TABLE: Final[dict[int, int | None]] = {
    **{code: 0x2400 + code for code in range(0x20)},  # Unicode's pictures of the control characters
    0x7F: 0x2421,
    **dict.fromkeys(range(0x80, 0xA0), 0xFFFD),
    **dict.fromkeys(
        (*range(0x202A, 0x202F), *range(0x2066, 0x206A)), 0xFFFD
    ),  # they turn the direction of what follows
    ord("\t"): ord("\t"),
    ord("\n"): ord("\n"),
    ord("\r"): None,
}


def without_controls(text: str) -> str:
    """`text` with nothing in it that a terminal obeys, but tabs and line ends."""
    return text.translate(_TABLE)


class Aside(Console):
    """A console beside the answers: when nobody reads it any more, the answers go on."""

    def on_broken_pipe(self) -> None:
        """Say no more."""
        self.quiet = True


class Screen:
    """Two consoles, which are one and the same where a person sits at the terminal.

    Args:
        answers: Takes the answers' text and nothing else.
        aside: Takes everything else.

    Attributes:
        is_read: Whether somebody still reads it; a pipe's reader may have seen enough.
    """

    def __init__(self, answers: Console, aside: Console) -> None:
        self._answers = answers
        self._aside = aside
        self._status = ""
        self._within_line = False
        self.is_read = True

    def write(self, text: str) -> None:
        """Show a piece of an answer, exactly where the last one ended."""
        self._wipe_status()
        if shown := without_controls(text):
            # As a segment: rich would put spaces for the tabs of a string.
            with self._reader():
                self._answers.print(Segments([Segment(shown)]), end="", soft_wrap=True)
            self._within_line = not shown.endswith("\n")

    def record(self, line: str) -> None:
        """Print a line for programs among the answers, exactly as it is."""
        with self._reader():
            self._answers.out(line)

    def status(self, words: str) -> None:
        """Show what is being waited for, in place of what was; where lines cannot be wiped, below it."""
        if self._within_line or words == self._status:
            return
        shown = without_controls(words)
        if self._can_wipe:
            self._wipe_status()
            room = max(self._aside.width - 1, 1)
            self._aside.out(shown if cell_len(shown) <= room else set_cell_size(shown, room), style="dim", end="")
        else:
            with self._reader():
                self._aside.print(shown, style="dim", markup=False, emoji=False)
        self._status = words

    def end(self) -> None:
        """End the answer's last line, and wipe the status."""
        self._wipe_status()
        if self._within_line:
            with self._reader():
                self._answers.out("")
            self._within_line = False

    def say(self, text: str, style: str = "") -> None:
        """Show lines of our own."""
        self.end()
        with self._reader():
            self._aside.print(without_controls(text), style=style or None, markup=False, emoji=False)

    def fact(self, text: str) -> None:
        """Show a line about an answer."""
        self.say(text, "dim")

    def warn(self, text: str) -> None:
        """Show a doubt."""
        self.say(text, "yellow")

    def fail(self, error: AlayaError) -> None:
        """Show what happened and what to do."""
        self.say(error_lines(error), "red")

    @contextmanager
    def _reader(self) -> Generator[None]:
        """Take note where nobody reads: rich then lets what follows go nowhere, and would end the program."""
        try:
            yield
        except SystemExit:
            self.is_read = False

    @property
    def _can_wipe(self) -> bool:
        return self._aside.is_terminal and not self._aside.is_dumb_terminal

    def _wipe_status(self) -> None:
        if self._status and self._can_wipe:
            self._aside.control(Control(ControlType.CARRIAGE_RETURN, (ControlType.ERASE_IN_LINE, 2)))
        self._status = ""
