"""Parting `<think>` text from the reply, for engines that run without a reasoning parser. Pure."""

from typing import Final, Literal

_OPEN: Final = "<think>"
_CLOSE: Final = "</think>"


def _held_back(text: str, tag: str) -> int:
    """How many characters at the end of `text` may be the beginning of `tag`."""
    return next((n for n in range(min(len(tag) - 1, len(text)), 0, -1) if tag.startswith(text[-n:])), 0)


class ThinkSplitter:
    """Takes content piece by piece and gives out (thinking, reply) pieces.

    Only a tag at the very beginning counts: later in a reply it is text about tags.
    """

    def __init__(self) -> None:
        self._state: Literal["start", "thinking", "after", "reply"] = "start"
        self._held = ""

    def feed(self, piece: str) -> tuple[str, str]:
        """What of the text so far is certain by now."""
        if self._state == "reply":
            return "", piece
        text = self._held + piece
        self._held = ""
        thinking = ""
        if self._state == "start":
            head = text.lstrip()
            if head.startswith(_OPEN):
                self._state, text = "thinking", head.removeprefix(_OPEN)
            elif _OPEN.startswith(head):
                self._held = text
                return "", ""
            else:
                self._state = "reply"
                return "", text
        if self._state == "thinking":
            thinking, closed, rest = text.partition(_CLOSE)
            if not closed:
                held = _held_back(text, _CLOSE)
                self._held = text[len(text) - held :]
                return text[: len(text) - held], ""
            self._state, text = "after", rest
        text = text.lstrip()
        if text:
            self._state = "reply"
        return thinking, text

    def finish(self) -> tuple[str, str]:
        """What was held back when the text ended."""
        held, self._held = self._held, ""
        return (held, "") if self._state == "thinking" else ("", held)
