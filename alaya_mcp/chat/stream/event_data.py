"""What the data of one event, or a line of JSON, holds: objects, the end, and what cannot be read. Pure."""

import json
import re
from typing import Any, Final, cast

from alaya_mcp.chat.stream.events import DONE, ErrorData
from alaya_mcp.printable import encodable

Part = dict[str, Any] | str | None
"""An object, `DONE`, or None for a stretch that cannot be read."""

_SPACE: Final = re.compile(r"\s*")
_JSON: Final = json.JSONDecoder(strict=False)
"""Strings may hold raw tabs and the like, as some gateways send them."""
_MOST_UNREADABLE: Final = 64
"""Stretches of one event that cannot be read, before the rest of it is given up."""
_CHUNK_KEYS: Final = frozenset({"choices", "error"})


def parts_of(data: str) -> list[Part]:
    """What an event's data holds: objects, `DONE`, and None for each stretch that cannot be read.

    It is several of them where what parts events is missing.
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
    """Whether it is a chunk of an answer, or an error in place of one."""
    return isinstance(part, dict) and bool(_CHUNK_KEYS & part.keys())


def _error_among(parts: list[Part], text: str) -> dict[str, Any]:
    """An event called `error` is one, whatever its data look like."""
    part = next((part for part in parts if part and isinstance(part, dict)), None)
    if part is None:
        return {"error": encodable(text)}
    return part if part.get("error") else {"error": part}


def _scanned(text: str) -> list[Part]:
    """As `parts_of`, value by value; what cannot be read ends with its line."""
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
    """One object, or several chunks in a list; None for anything else."""
    if isinstance(value, dict):
        return [cast("dict[str, Any]", value)]
    rows = cast("list[Any]", value) if isinstance(value, list) else []
    return list(rows) if rows and all(is_chunk(row) for row in rows) else [None]
