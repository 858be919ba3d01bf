"""Server-sent events from bytes, however they are cut. Pure.

The WHATWG format as engines and proxies really send it: always UTF-8, any line ending, a byte order mark,
comments, and a last event without its blank line are all taken.
"""

import re
from typing import Final, Literal

EVENT_CAP: Final = 16 * 2**20
"""Bytes of one event."""

DONE: Final = "[DONE]"

_BOM: Final = b"\xef\xbb\xbf"
_FIELDS: Final = (b"data:", b"event:", b"id:", b"retry:", b":")
_SNIFF: Final = 4096

_ONE_EVENT: Final = re.compile(rb"data: ([^\r\n]*)\n\n")
"""What nearly every chunk of an engine is: one event, whole."""

BodyKind = Literal["json", "events", "other"]


class EventTooLarge(Exception):
    """One event is over the cap; `events` are those that were whole before it."""

    def __init__(self, events: list[str] | None = None) -> None:
        super().__init__("an event over the cap")
        self.events = events or []


def body_kind(start: bytes) -> BodyKind | None:
    """What a body is by its first bytes, None while that cannot be said yet.

    The declared content type is not asked: gateways get it wrong in both directions.
    """
    text = start.removeprefix(_BOM).lstrip()
    if not text or _BOM.startswith(start):
        return None if len(start) < _SNIFF else "other"
    if text[:1] in {b"{", b"["}:
        return "json"
    if text.startswith(_FIELDS):
        return "events"
    return None if any(field.startswith(text) for field in _FIELDS) else "other"


class EventSplitter:
    """Collects bytes and gives out the data of each event once it is whole."""

    def __init__(self, cap: int = EVENT_CAP) -> None:
        self._cap = cap
        self._at_start = True
        self._after_cr = False
        self._line: list[bytes] = []
        self._data: list[bytes] = []
        self._size = 0

    def feed(self, chunk: bytes) -> list[str]:
        """The events that `chunk` completes.

        Raises:
            EventTooLarge: an event over the cap.
        """
        if not chunk:
            return []
        if self._is_between_events and len(chunk) <= self._cap and (event := _ONE_EVENT.fullmatch(chunk)):
            return [event[1].decode("utf-8", "replace")]
        if self._after_cr and chunk.startswith(b"\n"):
            chunk = chunk[1:]
            self._after_cr = False
            if not chunk:
                return []
        self._after_cr = chunk.endswith(b"\r")
        if b"\r" in chunk:
            chunk = chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        events: list[str] = []
        first, *rest = chunk.split(b"\n")
        self._keep(first, events)
        for piece in rest:
            self._end_line(events)
            self._keep(piece, events)
        return events

    @property
    def _is_between_events(self) -> bool:
        return not (self._size or self._line or self._data or self._after_cr or self._at_start)

    def finish(self) -> list[str]:
        """What is left when the stream ends: an event whose blank line never came."""
        events: list[str] = []
        self._end_line(events)
        self._end_event(events)
        return events

    def salvage(self) -> list[str]:
        """What is left when the stream is cut: the whole lines of an event whose blank line never came."""
        events: list[str] = []
        self._line.clear()
        self._end_event(events)
        return events

    def _keep(self, piece: bytes, events: list[str]) -> None:
        self._size += len(piece)
        if self._size > self._cap:
            raise EventTooLarge(events)
        if piece:
            self._line.append(piece)

    def _end_line(self, events: list[str]) -> None:
        line = self._line[0] if len(self._line) == 1 else b"".join(self._line)
        self._line.clear()
        if self._at_start:
            line = line.removeprefix(_BOM)
            self._at_start = False
        if not line:
            self._end_event(events)
        elif line.startswith(b"data:"):
            self._data.append(line[6:] if line[5:6] == b" " else line[5:])
        elif line == b"data":
            self._data.append(b"")
        else:  # a comment, or a field that says nothing here
            self._size -= len(line)

    def _end_event(self, events: list[str]) -> None:
        if self._data:
            events.append(b"\n".join(self._data).decode("utf-8", "replace"))
            self._data.clear()
        self._size = 0
