"""How much of a long reply a result shows, where it is cut, and the progress notes meanwhile.

Hosts cut results at about 25,000 tokens (docs/decisions/large-replies.md). Sizes are bytes of UTF-8: a Latin character
is one and about a quarter of a token, a Chinese one is three and about one token, so one cap fits both.
"""

import unicodedata
from typing import Final

from alaya_mcp.progress import Notes

_ZONE: Final = 1_000
"""Bytes before the cap that are searched for a boundary, and held back until it is known."""
_BOUNDARIES: Final = (("\n\n",), ("\n",), ("。", "！", "？", ". ", "! ", "? "), ("，", "；", ", ", "; ", " "))  # noqa: RUF001 Chinese punctuation
_JOINER: Final = "\u200d"
_CLUSTER: Final = 32
"""Code points by which a cut is moved at most, to keep a grapheme cluster whole."""


def size_of(text: str) -> int:
    """Return the number of bytes in UTF-8."""
    return len(text) if text.isascii() else len(text.encode())


def cut(text: str, room: int) -> str:
    """Return the start of `text` that fits `room` bytes, up to the last paragraph, line, sentence or word end."""
    if size_of(text) <= room:
        return text
    start = text.encode()[:room].decode("utf-8", "ignore")
    zone = start.encode()[-min(_ZONE, room // 2) :].decode("utf-8", "ignore") if room > 1 else ""
    for marks in _BOUNDARIES:
        if end := max((zone.rfind(mark) + len(mark) for mark in marks if mark in zone), default=0):
            return start[: len(start) - len(zone) + end]
    return start[: _whole(text, len(start))]


def _whole(text: str, end: int) -> int:
    """Return the last position at or before `end` that splits no grapheme cluster."""
    for back in range(min(_CLUSTER, end)):
        at = end - back
        if not (_continues(text[at]) or text[at - 1] == _JOINER):
            return at
    return end


def _continues(char: str) -> bool:
    return char == _JOINER or unicodedata.combining(char) > 0 or "\ufe00" <= char <= "\ufe0f"


class ReplyWindow:
    """Decides while a reply arrives how much of it is shown.

    The text of its notes, joined, is the shown content: notes never run ahead of the result.

    Args:
        cap: Bytes that are shown at most.
        notes: Receives the progress notes.

    Attributes:
        is_full: Whether the reply is larger than the cap.
    """

    def __init__(self, cap: int, notes: Notes) -> None:
        self._cap = cap
        self._notes = notes
        self._size = 0
        self._shown: list[str] = []
        self._shown_size = 0
        self._held: list[str] = []
        self.is_full = False

    @property
    def shown(self) -> str:
        """The text shown so far."""
        return "".join(self._shown)

    def take(self, text: str) -> None:
        """Add text of the reply."""
        if certain := self._certain(text):
            self._notes.write(certain)

    def _certain(self, text: str) -> str:
        """Return the text that is now certain to be shown."""
        if self.is_full:
            return ""
        self._size += size_of(text)
        if self._size <= self._cap - _ZONE:
            return self._show(text)
        self._held.append(text)
        if self._size <= self._cap:
            return ""
        self.is_full = True
        return self._show(cut(self._release(), self._cap - self._shown_size))

    def finish(self) -> None:
        """Show the text held back: no more is waited for."""
        self._notes.write(self._show(self._release()))

    def _release(self) -> str:
        held = "".join(self._held)
        self._held.clear()
        return held

    def _show(self, text: str) -> str:
        if text:
            self._shown.append(text)
            self._shown_size += size_of(text)
        return text
