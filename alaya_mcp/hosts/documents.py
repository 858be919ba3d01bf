"""A host's configuration file as it was read. Reading never raises: a file that cannot be used says why."""

import codecs
import json
import re
import stat
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal, NoReturn, cast

from alaya_mcp.hosts.json_comments import blanked

BOM: Final = b"\xef\xbb\xbf"

_BYTES: Final = 64 * 2**20
"""The largest file that is read. Claude Code's file also holds its history."""
_TOML_PLACE: Final = re.compile(r"line \d+, column \d+|end of document")


@dataclass(frozen=True, slots=True)
class Document:
    """One file as it was read.

    Attributes:
        path: Where it is, or would be.
        state: `commented`: JSON that parses without its comments and trailing commas.
        data: The parsed object; empty if the file is missing or broken.
        text: Its text, without a byte order mark.
        content: Its bytes; None if it is missing or was not read.
        mode: Its permission bits; None if it is missing.
        problem: What is wrong with a broken one, as a clause that quotes none of it.
    """

    path: Path
    state: Literal["missing", "parsed", "commented", "broken"]
    data: Mapping[str, object] = field(default_factory=dict[str, object], repr=False)
    text: str = field(default="", repr=False)
    content: bytes | None = field(default=None, repr=False)
    mode: int | None = None
    problem: str = ""

    @property
    def has_mark(self) -> bool:
        """Whether the file begins with a byte order mark, which JSON forbids (RFC 8259, 8.1)."""
        return (self.content or b"").startswith(BOM)


def read_document(path: Path) -> Document:
    """Return the file as it is now: TOML by its name, else JSON."""
    mode, content, text = None, None, ""

    def broken(problem: str) -> Document:
        return Document(path, "broken", text=text, content=content, mode=mode, problem=problem)

    try:
        status = path.stat()
        mode = stat.S_IMODE(status.st_mode)
        if not stat.S_ISREG(status.st_mode):
            return broken("is not a file")
        if status.st_size > _BYTES:
            return broken(f"is larger than {_BYTES // 2**20} MiB")
        content = path.read_bytes()
        text = content.removeprefix(BOM).decode()
    except FileNotFoundError:
        return Document(path, "missing")
    except UnicodeDecodeError:
        is_utf16 = (content or b"").startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        utf16 = "is UTF-16, which no host reads: save it as UTF-8 without a byte order mark"
        return broken(utf16 if is_utf16 else "is not UTF-8")
    except (OSError, RuntimeError, ValueError) as error:  # a loop of links, a name that cannot be one
        return broken(f"cannot be read: {reason(error)}")
    try:
        return Document(path, "parsed", parsed(path, text), text, content, mode)
    except ValueError as error:
        why = _why(error)
    try:
        return Document(path, "commented", parsed(path, blanked(text)), text, content, mode)
    except ValueError:
        return broken(why)


def is_toml(path: Path) -> bool:
    """Return whether a file, or the one that it is a backup of, is TOML."""
    return ".toml" in path.suffixes


def reason(error: Exception) -> str:
    """Return the system's words for an error, or else its type."""
    return getattr(error, "strerror", None) or type(error).__name__


def members(value: object) -> dict[str, object]:
    """Return the members of an object; none for any other value."""
    return cast("dict[str, object]", value) if isinstance(value, dict) else {}


def elements(value: object) -> list[object]:
    """Return the elements of an array; none for any other value."""
    return cast("list[object]", value) if isinstance(value, list) else []


def parsed(path: Path, text: str) -> dict[str, object]:
    """Return the object in a file's text; an empty one for a blank text.

    Raises:
        ValueError: it is not valid in the file's format.
    """
    if not text.strip():
        return {}
    try:
        value = tomllib.loads(text) if is_toml(path) else json.loads(text, parse_constant=_no_constant)
    except RecursionError:
        raise ValueError("is nested too deeply") from None
    if not isinstance(value, dict):
        raise ValueError("does not hold a JSON object")  # noqa: TRY004 handled with the parse errors
    return cast("dict[str, object]", value)


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"holds {name}, which JSON does not have")


def _why(error: ValueError) -> str:
    if isinstance(error, tomllib.TOMLDecodeError):
        place = _TOML_PLACE.search(str(error))
        return f"is not valid TOML{f': at {place[0]}' if place else ''}"
    if isinstance(error, json.JSONDecodeError):
        what = error.msg[:1].lower() + error.msg[1:]
        return f"is not valid JSON: {what} at line {error.lineno}, column {error.colno}"
    text = str(error)
    return text if text.startswith(("holds", "does not", "is ")) else "is not valid JSON"
