"""Decode server-sent events from bytes in chunks of any size.

The WHATWG format as engines and proxies send it: UTF-8, any line ending, a byte order mark, comments, a last event
without its blank line, indented fields, missing blank lines, and bare JSON without `data:` are accepted. An event's
data is parsed here too: objects, the end marker, and unreadable parts.
"""

import json
import re
from typing import Any, Final, Literal, cast

from alaya_mcp.printable import encodable

EVENT_CAP: Final = 16 * 2**20
"""Bytes of one event."""

DONE: Final = "[DONE]"
_DONE: Final = DONE.encode()

_BOM: Final = b"\xef\xbb\xbf"
_FIELDS: Final = (b"data:", b"event:", b"id:", b"retry:", b":")
_BARE_JSON: Final = (b"{", b"}", b"[", b"]", b'"')
"""First bytes of JSON lines; no field name starts with them."""
_FIELD_NAME: Final = re.compile(rb"(?!error)[a-z0-9_.-]*")
"""Unknown fields, which the format says to ignore."""
_REPEATED_PREFIX: Final = re.compile(rb"(?:data:\s*)+")
_SNIFF: Final = 4096

_USUAL: Final = re.compile(rb"(?:data: (?!data:)[^\r\n]*\n\n)+")
"""Nearly every chunk of an engine: complete events of one line each."""
_DATA: Final = len(b"data: ")

BodyKind = Literal["json", "events", "other"]


class ErrorData(str):
    """The data of an event named `error`."""

    __slots__ = ()


class EventTooLarge(Exception):
    """One event is over the cap; `events` are the complete ones before it."""

    def __init__(self, events: list[str] | None = None) -> None:
        super().__init__("an event over the cap")
        self.events = events or []


def body_kind(start: bytes) -> BodyKind | None:
    """Return the kind of a body from its first bytes, None while it is undecided.

    The declared content type is ignored: gateways get it wrong in both directions.
    """
    text = start.removeprefix(_BOM).lstrip()
    if not text or _BOM.startswith(start):
        return None if len(start) < _SNIFF else "other"
    if text[:1] in {b"{", b"["}:
        return "json"
    start_of_field = text[:6].lower()
    if start_of_field.startswith(_FIELDS):
        return "events"
    return None if any(field.startswith(start_of_field) for field in _FIELDS) else "other"


class EventSplitter:
    """Collects bytes and returns the data of each complete event."""

    def __init__(self, cap: int = EVENT_CAP) -> None:
        self._cap = cap
        self._at_start = True
        self._after_cr = False
        self._line: list[bytes] = []
        self._data: list[bytes] = []
        self._is_error = self._has_choices = False
        self._size = 0

    def feed(self, chunk: bytes) -> list[str]:
        """Return the events that `chunk` completes.

        Raises:
            EventTooLarge: an event over the cap.
        """
        if not chunk:
            return []
        if self._at_start and not self._size and chunk.startswith(_FIELDS[0]):
            self._at_start = False  # no byte order mark
        if self._is_between_events and len(chunk) <= self._cap and _USUAL.fullmatch(chunk):
            return [event[_DATA:].decode("utf-8", "replace") for event in chunk[:-2].split(b"\n\n")]
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
        """Return the rest at the end of the stream: an event without its blank line."""
        events: list[str] = []
        self._end_line(events)
        self._end_event(events)
        return events

    def salvage(self) -> list[str]:
        """Return the rest of a stream that was cut off: the complete lines of an unfinished event."""
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
        if line.startswith(b"data:"):
            self._take(line[6:] if line[5:6] == b" " else line[5:], events)
        elif not (field := line.strip()):
            self._end_event(events)
        elif field.startswith(_BARE_JSON):
            self._take(line, events)
            if _is_whole(self._data):
                self._end_event(events)
        else:
            self._end_field(line, events)

    def _end_field(self, line: bytes, events: list[str]) -> None:
        """Handle an unusually written field or comment, or a line that is neither."""
        name, _, value = line.partition(b":")
        name = name.strip().removeprefix(_BOM).lower()
        if name == b"data":
            self._take(value.removeprefix(b" "), events)
        elif not _FIELD_NAME.fullmatch(name) or value.lstrip().startswith(b"{"):
            self._take(line, events)  # counted as unreadable when the data is parsed
        else:
            is_error = name == b"event" and value.strip().lower() == b"error"
            if is_error and self._has_choices:  # the data before it is not an error
                self._end_event(events)
                self._size = len(line)
            self._is_error |= is_error
            self._size -= len(line)

    def _take(self, piece: bytes, events: list[str]) -> None:
        """Add a line to the event's data, or begin another event: within JSON, `{` does not follow `}`."""
        text = piece.strip()
        if prefix := _REPEATED_PREFIX.match(text):  # some gateways repeat it
            piece = text = text[prefix.end() :]
        if self._data and (text == _DONE or (text.startswith(b"{") and self._data[-1].rstrip().endswith(b"}"))):
            self._end_event(events)
            self._size = len(piece)
        self._data.append(piece)
        self._has_choices |= b'"choices"' in piece

    def _end_event(self, events: list[str]) -> None:
        if self._data:
            data = b"\n".join(self._data).decode("utf-8", "replace")
            events.append(ErrorData(data) if self._is_error else data)
            self._data.clear()
        self._is_error = self._has_choices = False
        self._size = 0


def _is_whole(lines: list[bytes]) -> bool:
    """Return whether one bare line is a complete event."""
    if len(lines) != 1 or not (text := lines[0].strip()).endswith((b"}", _DONE)):
        return False
    try:
        return text == _DONE or isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False


Part = dict[str, Any] | str | None
"""An object, `DONE`, or None for an unreadable part."""

_SPACE: Final = re.compile(r"\s*")
_JSON: Final = json.JSONDecoder(strict=False)
"""Strings may hold raw control characters, as some gateways send them."""
_MOST_UNREADABLE: Final = 64
"""Unreadable parts of one event, after which the rest is skipped."""
_CHUNK_KEYS: Final = frozenset({"choices", "error"})


def parts_of(data: str) -> list[Part]:
    """Return the parts of an event's data: objects, `DONE`, and None for each unreadable part.

    There are several if separators between events are missing.
    """
    text = data.strip()
    if not text or text == DONE:
        return [DONE] if text else []
    try:
        parts = _objects_in(_JSON.decode(text))
    except (ValueError, RecursionError):
        parts = _scanned(text)
    return [_error_among(parts, text)] if isinstance(data, ErrorData) else parts


def is_chunk(part: Part) -> bool:
    """Return whether a part is a chunk of an answer, or an error instead of one."""
    return isinstance(part, dict) and bool(_CHUNK_KEYS & part.keys())


def _error_among(parts: list[Part], text: str) -> dict[str, Any]:
    """Return the error in an event named `error`, whatever its data."""
    part = next((part for part in parts if part and isinstance(part, dict)), None)
    if part is None:
        return {"error": encodable(text)}
    return part if part.get("error") else {"error": part}


def _scanned(text: str) -> list[Part]:
    """Return the parts, parsed value by value; an unreadable part ends with its line."""
    parts: list[Part] = []
    at = unreadable = 0
    while space := _SPACE.match(text, at):
        at = space.end()
        if at == len(text):
            break
        found: list[Part] = [None]
        if text.startswith(DONE, at):
            found[0], at = DONE, at + len(DONE)
        else:
            try:
                value, at = _JSON.raw_decode(text, at)
                found = _objects_in(value)
            except (ValueError, RecursionError):
                unreadable += 1
                line_end = text.find("\n", at) if unreadable < _MOST_UNREADABLE else -1
                at = len(text) if line_end < 0 else line_end
        if found != [None] or parts[-1:] != [None]:
            parts += found
    return parts


def _objects_in(value: Any) -> list[Part]:  # noqa: ANN401 any JSON value may come
    """Return one object, or several chunks in a list; None for anything else."""
    if isinstance(value, dict):
        return [cast("dict[str, Any]", value)]
    rows = cast("list[Any]", value) if isinstance(value, list) else []
    return list(rows) if rows and all(is_chunk(row) for row in rows) else [None]
