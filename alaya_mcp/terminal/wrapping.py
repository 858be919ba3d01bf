"""Wrap text that arrives in pieces at the width of a terminal. No I/O."""

from typing import Final

from rich.cells import cell_len

_WIDE: Final = 2
"""Cells of a Chinese character; a line may break between any two."""


class WordWrap:
    """Breaks lines between words; a word longer than a line stays whole.

    Args:
        width: Cells of a line; None leaves the text as it is.
    """

    def __init__(self, width: int | None) -> None:
        self._width = width
        self._column = 0
        self._spaces = ""
        self._word = ""

    def feed(self, piece: str) -> str:
        """Return the text that can be shown now: the last word may be incomplete."""
        if self._width is None:
            return piece
        return "".join(map(self._take, piece))

    def finish(self) -> str:
        """Return the last word, and reset."""
        shown = self._flush()
        self._column = 0
        return shown

    def _take(self, char: str) -> str:
        if char == "\n":
            shown, self._column = self._flush() + char, 0
            return shown
        if char == " ":
            shown = self._flush() if self._word else ""
            self._spaces += char
            return shown
        shown = self._flush() if self._word and cell_len(char) == _WIDE else ""
        self._word += char
        return shown + (self._flush() if cell_len(char) == _WIDE else "")

    def _flush(self) -> str:
        """Return the spaces and the word held back, on a new line if they do not fit."""
        spaces, word, self._spaces, self._word = self._spaces, self._word, "", ""
        size = len(spaces) + cell_len(word)
        if self._width is not None and self._column and word and self._column + size > self._width:
            self._column = cell_len(word)
            return f"\n{word}"
        self._column += size
        return spaces + word
