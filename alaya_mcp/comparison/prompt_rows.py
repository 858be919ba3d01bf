"""The rows of a prompts file in each of its formats: lines of text, JSON Lines, CSV. Pure: from lines to rows."""

import csv
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any, Final, Literal, NamedTuple, NoReturn, cast

from alaya_mcp.comparison.prompt import FIELDS
from alaya_mcp.suggestions import did_you_mean

Format = Literal["text", "jsonl", "csv"]
LONGEST: Final = 32 * 2**20
"""Characters of one line, or of one row of a CSV file; a message with images as data is the longest."""
_BY_EXTENSION: Final[dict[str, Format]] = {
    **dict.fromkeys((".txt", ".text", ".md"), "text"),
    **dict.fromkeys((".jsonl", ".ndjson"), "jsonl"),
    **dict.fromkeys((".csv", ".tsv"), "csv"),
}
_DELIMITERS: Final = ",;\t"
_JSON: Final = re.compile(r"""\s*(\[\s*([\["{\]]|$)|\{\s*(["}]|$))""")
"""Begins an array of what prompts may be, or an object; a prompt such as `[urgent] Help.` is text."""


class Row(NamedTuple):
    """One row.

    Attributes:
        line: The line that it begins at, from 1.
        fields: By column; or why it cannot be read.
    """

    line: int
    fields: dict[str, Any] | str


def format_of(extension: str, first: str) -> Format:
    """Return the format by a file's extension, else by its first line that is not blank.

    Raises:
        ValueError: it is JSON, but not JSON Lines; says so after the file's name.
    """
    if known := _BY_EXTENSION.get(extension.lower()):
        return known
    if extension.lower() == ".json":
        raise ValueError("is not JSON Lines by its extension. Write one object a line, and name the file .jsonl")
    if _JSON.match(first):
        if isinstance(_object(first), str):
            raise ValueError("begins as JSON, but is not JSON Lines, which has one object a line")
        return "jsonl"
    return "csv" if {"prompt", "messages"} & {*_header(first)[0]} else "text"


def rows_of(lines: Iterable[str], how: Format) -> Iterator[Row]:
    """Yield the rows that are not blank, unreadable ones too.

    Args:
        lines: With their ends, which are any of the three.
        how: The format.
    """
    match how:
        case "text":
            yield from (Row(number, {"prompt": text}) for number, text in _numbered(lines) if text.strip())
        case "jsonl":
            yield from (Row(number, _object(text)) for number, text in _numbered(lines) if text.strip())
        case "csv":
            yield from _table(lines)


def _numbered(lines: Iterable[str]) -> Iterator[tuple[int, str]]:
    return ((number, line.rstrip("\r\n")) for number, line in enumerate(lines, 1))


def _object(text: str) -> dict[str, Any] | str:
    try:
        value = json.loads(text, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        return f"not valid JSON: {error.msg} at character {error.pos + 1}"
    except ValueError as error:
        return f"not valid JSON: {error}"
    except RecursionError:
        return "not usable JSON: nested too deeply"
    if not isinstance(value, dict):
        return "not a JSON object; a line is one, with prompt or messages"
    return cast("dict[str, Any]", value)


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} in it")


def _table(lines: Iterable[str]) -> Iterator[Row]:
    """Yield the rows under the header of a CSV file; after one with a broken quote the rest cannot be told apart."""
    csv.field_size_limit(LONGEST)
    given = iter(lines)
    above, first = 0, ""
    while not first.strip():
        above, first = above + 1, next(given, "")
        if not first:
            return
    names, delimiter = _header(first)
    if wrong := _wrong_header(names, first):
        yield Row(above, wrong)
        return
    reader = csv.reader(given, delimiter=delimiter, strict=True)
    while True:
        line = above + reader.line_num + 1
        try:
            cells = next(reader, None)
        except csv.Error as error:
            yield Row(line, f"not valid CSV: {error}; a quote within a quoted value is doubled")
            return
        if cells is None:
            return
        if any(cell.strip() for cell in cells):
            yield Row(line, _fields(names, cells))


def _header(first: str) -> tuple[list[str], str]:
    """Return the names of the columns, and the delimiter between which most of them are."""
    found: list[tuple[bool, int, list[str], str]] = []
    for delimiter in _DELIMITERS:
        try:
            cells = next(csv.reader([first], delimiter=delimiter, strict=True), list[str]())
        except csv.Error:
            continue
        names = [_name(cell) for cell in cells]
        found.append((bool({"prompt", "messages"} & {*names}), len(names), names, delimiter))
    if not found:
        return [], ","
    _, _, names, delimiter = max(found, key=lambda each: each[:2])
    return names, delimiter


def _name(cell: str) -> str:
    name = cell.strip()
    return name.casefold() if name.casefold() in FIELDS else name


def _wrong_header(names: list[str], first: str) -> str | None:
    named = [name for name in names if name]
    if twice := next((name for name in named if named.count(name) > 1), None):
        return f"two columns are named {twice}"
    if {"prompt", "messages"} & {*named}:
        return None
    near = next(filter(None, (did_you_mean(name, ("prompt", "messages")) for name in named)), "")
    shown = ", ".join(named) or first.strip()
    return f"the header has no column prompt or messages; it has {shown[:200]}{'.' if near else ''}{near}"


def _fields(names: list[str], cells: list[str]) -> dict[str, Any] | str:
    if any(cells[len(names) :]):
        return f"{len(cells)} values under {len(names)} columns"
    if any(cell for name, cell in zip(names, cells, strict=False) if not name):
        return "a value under a column without a name"
    fields: dict[str, Any] = {name: cell for name, cell in zip(names, cells, strict=False) if name}
    if messages := fields.get("messages"):
        try:
            fields["messages"] = json.loads(messages, parse_constant=_no_constant)
        except (ValueError, RecursionError) as error:
            return f"messages is not valid JSON: {error}"
    return fields
