"""Edits of TOML as text: one table is set or removed, comments and layout stay. Pure.

The text given is valid TOML, or blank.
"""

from collections.abc import Mapping, MutableMapping
from typing import Any, Final, cast

import tomlkit
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import InlineTable, Table


class CannotEdit(ValueError):
    """The library cannot make the edit in this text; the text says so as a clause."""

    def __init__(self) -> None:
        super().__init__("has its servers in a form that cannot be edited")


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
    try:
        document = tomlkit.parse(text)
        key, name = path
        if key not in document:
            document.append(key, tomlkit.table(is_super_table=True))
        servers = cast("MutableMapping[str, Any]", document[key])
        if isinstance(present, Mapping):
            _change(servers[name], value, cast("Mapping[str, object]", present))
        else:
            servers[name] = _inline(value) if _has_no_headers(document, key) else _table(value)
        return _written(text, document)
    except _FAILURES:
        raise CannotEdit from None


def without_table(text: str, path: tuple[str, str]) -> str:
    """Return the text without the table at a path, and without what held it, if that is empty then.

    Raises:
        CannotEdit: the text has it in a form that the library cannot edit.
    """
    key, name = path
    try:
        document = tomlkit.parse(text)
        servers = cast("MutableMapping[str, Any]", document[key])
        del servers[name]
        if not servers and not (isinstance(servers, Table) and not servers.is_super_table()):  # one with a header stays
            del document[key]
        return _written(text, document)
    except _FAILURES:
        raise CannotEdit from None


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
    is_of_windows = "\r\n" in before and before.count("\n") == before.count("\r\n")
    return text.replace("\r\n", "\n").replace("\n", "\r\n") if is_of_windows else text
