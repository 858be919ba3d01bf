"""Edits of TOML as text: one table is set or removed, comments and layout stay. Pure.

The text given is valid TOML, or blank.
"""

import re
import tomllib
from collections.abc import Mapping, MutableMapping
from typing import Any, Final, cast

import tomlkit
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import InlineTable, Table


class CannotEdit(ValueError):
    """The library cannot make the edit in this text."""


_FAILURES: Final = (TOMLKitError, LookupError, TypeError, AttributeError, ValueError)
"""What the library raises for tables that it does not know how to join."""


def with_table(text: str, path: tuple[str, str], value: Mapping[str, object], present: object) -> str:
    """Return the text with the table at a path changed into another one, where they differ.

    Args:
        text: The whole text.
        path: The table that holds it, and its name.
        value: The members wanted.
        present: The members there now; None if there are none.

    Raises:
        CannotEdit: the text has it in a form that the library cannot edit.
    """
    key, name = path
    try:
        document = tomlkit.parse(text)
        if present is None and not (key in document and _has_no_headers(document, key)):
            after = _appended(text, path, value)
        else:
            servers = cast("MutableMapping[str, Any]", document[key])
            if isinstance(present, Mapping):
                _change(servers[name], value, cast("Mapping[str, object]", present))
            else:
                servers[name] = _inline(value) if _has_no_headers(document, key) else _table(value)
            after = _written(text, document)
        tomllib.loads(after)
    except _FAILURES:
        raise CannotEdit from None
    return _in_order(text, after)


def without_table(text: str, path: tuple[str, str]) -> str:
    """Return the text without the table at a path, and without what held it, if that is empty then and has no header.

    Raises:
        CannotEdit: the text has it in a form that the library cannot edit.
    """
    key, name = path
    try:
        document = tomlkit.parse(text)
        servers = cast("MutableMapping[str, Any]", document[key])
        block = _block(text, path, tomllib.loads(text)[key][name])
        if text.endswith(block):  # as it was added
            end = _newline(text)
            before = text.removesuffix(block)
            return before.removesuffix(end) if before.endswith(end * 2) else before
        del servers[name]
        if not servers and not re.search(rf"(?m)^[ \t]*\[[ \t]*{key}[ \t]*\]", text):
            del document[key]
        after = _written(text, document)
    except _FAILURES:
        raise CannotEdit from None
    return _in_order(text, after)


def _appended(text: str, path: tuple[str, str], value: Mapping[str, object]) -> str:
    """Return the text with a table at its end, where nothing that is there can be moved by it."""
    gap = "" if not text.strip() else _newline(text) * (1 if text.endswith("\n") else 2)
    return text + gap + _block(text, path, value)


def _block(text: str, path: tuple[str, str], value: Mapping[str, object]) -> str:
    key, name = path
    document, servers = tomlkit.document(), tomlkit.table(is_super_table=True)
    servers.append(name, _table(value))
    document.append(key, servers)
    return tomlkit.dumps(document).replace("\n", _newline(text))


def _in_order(before: str, after: str) -> str:
    """Return the text after an edit.

    Raises:
        CannotEdit: a line of the text before is at another place, perhaps in another table.
    """
    lines = before.splitlines()
    known, left = set(lines), iter(lines)
    if not all(line in left for line in after.splitlines() if line.strip() and line in known):
        raise CannotEdit
    return after


def _newline(text: str) -> str:
    return "\r\n" if "\r\n" in text and text.count("\n") == text.count("\r\n") else "\n"


def _change(table: MutableMapping[str, Any], wanted: Mapping[str, object], present: Mapping[str, object]) -> None:
    for name in present.keys() - wanted.keys():
        del table[name]
    for name, value in wanted.items():
        there = present.get(name)
        if isinstance(value, Mapping) and isinstance(there, Mapping):
            _change(table[name], cast("Mapping[str, object]", value), cast("Mapping[str, object]", there))
        elif value != there:
            table[name] = _table(cast("Mapping[str, object]", value)) if isinstance(value, Mapping) else value


def _table(members: Mapping[str, object]) -> Table:
    table = tomlkit.table()
    for name, value in members.items():
        table.add(name, _table(cast("Mapping[str, object]", value)) if isinstance(value, Mapping) else value)
    return table


def _inline(members: Mapping[str, object]) -> InlineTable:
    table = tomlkit.inline_table()
    for name, value in members.items():
        table.add(name, _inline(cast("Mapping[str, object]", value)) if isinstance(value, Mapping) else value)
    return table


def _has_no_headers(document: tomlkit.TOMLDocument, key: str) -> bool:
    """Return whether a table is written in braces, or by dotted keys: none of its own can have a header then."""
    is_dotted = any(found.is_dotted() for found, _ in document.body if found is not None and found.key == key)
    return is_dotted or isinstance(document[key], InlineTable)


def _written(before: str, document: tomlkit.TOMLDocument) -> str:
    """Return the document as text, with the line ends that the text before had."""
    text = tomlkit.dumps(document)
    return text.replace("\r\n", "\n").replace("\n", "\r\n") if _newline(before) == "\r\n" else text
