"""The difference between two texts of a configuration file, with everything masked that may be a secret. Pure."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from difflib import unified_diff
from pathlib import PurePosixPath, PureWindowsPath
from typing import Final

from alaya_mcp.hosts.documents import elements, members
from alaya_mcp.hosts.entries import KEY_VARIABLES, OUR_VARIABLES
from alaya_mcp.hosts.json_text import JsonPath, Tree
from alaya_mcp.hosts.references import is_reference

MASK: Final = "…"
CHANGED: Final = "… (changed)"

_CONTEXT: Final = 3
_WIDEST: Final = 2_000
"""Characters of the longest line shown. A whole file may be one line."""
_SHORTEST: Final = 4
"""Characters of the shortest secret that is masked inside a text; shorter ones would match ordinary words."""
_TRANSPORTS: Final = frozenset({"stdio", "http", "sse"})
_ARGUMENTS: Final = frozenset({"-m", "--sandbox", "alaya_mcp", "alayanew-mcp", "alaya-mcp"})
_SHOWN_VARIABLES: Final = OUR_VARIABLES - {*KEY_VARIABLES}
_WORD: Final = re.compile(r"[\w.+/\\-]+")
_HUNK: Final = re.compile(r"@@ -(\d+)(,\d+)? \+(\d+)(,\d+)? @@")


def difference(before: str, after: str, own: JsonPath, *, label: str) -> str:
    """Return a unified diff of two texts, each valid JSON or blank; empty if they are the same.

    Common beginnings and ends are not compared, since files grow large. Of a file on one long line only our entry, at
    `own`, and the inputs are shown, one value per line.
    """
    old, new = _lines(before), _lines(after)
    shorter = min(len(old), len(new))
    head = next((at for at in range(shorter) if old[at] != new[at]), shorter)
    tail = next((at for at in range(shorter - head) if old[-1 - at] != new[-1 - at]), shorter - head)
    first, last = max(0, head - _CONTEXT), max(0, tail - _CONTEXT)
    shown_old, values = _masked_lines(before, old, first, len(old) - last, own, {})
    shown_new, _ = _masked_lines(after, new, first, len(new) - last, own, values)
    if any(len(line) > _WIDEST for line in (*shown_old, *shown_new)):
        own_old, own_new = _laid_out(before, own), _laid_out(after, own)
        if (own_old, own_new) != (before, after):
            return difference(own_old, own_new, own, label=label)
    lines = unified_diff(
        shown_old, shown_new, label if old else "new file", label if new else "deleted file", n=_CONTEXT, lineterm=""
    )
    return "\n".join(
        _HUNK.sub(lambda found: _moved(found, first), line, count=1) if line[:2] == "@@" else line for line in lines
    )


def masked_entry(entry: Mapping[str, object]) -> dict[str, object]:
    """Return an entry with every string masked that may be a secret."""
    return members(_masked((), entry))


def hidden_values(*entries: object) -> list[str]:
    """Return the values of entries that may be secrets, the longest first: one may be part of another."""
    hidden = {
        str(value) for entry in entries for path, value in _scalars((), entry) if not _is_shown_in_entry(path, value)
    }
    return sorted(hidden, key=len, reverse=True)


def masked_words(text: str, secrets: Iterable[str]) -> str:
    """Return a text with secrets masked, as they are or as JSON writes them; very short ones stay."""
    for secret in secrets:
        if len(secret) >= _SHORTEST:
            for form in (secret, json.dumps(secret)[1:-1], json.dumps(json.dumps(secret)[1:-1])[1:-1]):
                text = text.replace(form, MASK)
    return text


def shown_command(command: str) -> str:
    """Return the part of an entry's command that cannot hold a secret; may be empty."""
    if _is_plain_command(command):
        return command
    first, _, rest = command.strip().partition(" ")
    return f"{first} {MASK}" if rest and _is_plain_command(first) else ""


def printable(text: str) -> str:
    """Return a text without control characters other than newlines and tabs."""
    lines = text.replace("\r\n", "\n")
    return "".join(mark if mark.isprintable() or mark in "\n\t" else "\N{REPLACEMENT CHARACTER}" for mark in lines)


def _masked_lines(
    text: str, lines: list[str], first: int, end: int, own: JsonPath, before: Mapping[JsonPath, object]
) -> tuple[list[str], dict[JsonPath, object]]:
    """Return lines `first` to `end` of a text with possible secrets masked, and its strings and numbers by path.

    A mask says whether the value differs from before.
    """
    start = done = sum(len(line) + 1 for line in lines[:first])
    stop = start + sum(len(line) + 1 for line in lines[first:end])
    values: dict[JsonPath, object] = {}
    pieces: list[str] = []
    for node in Tree(text).nodes(start, stop) if start < stop else ():
        if not start <= node.value < stop or text[node.value] not in '"-0123456789':
            continue
        value = values[node.path] = json.loads(text[node.value : node.end])
        if not _is_shown(node.path, value, own):
            is_changed = node.path in before and before[node.path] != value
            pieces += [text[done : node.value], f'"{CHANGED if is_changed else MASK}"']
            done = node.end
    shown = _lines("".join(pieces) + text[done:stop])
    return [printable(line.removesuffix("\r")) for line in shown], values


def _lines(text: str) -> list[str]:
    return text.removesuffix("\n").split("\n") if text.strip() else []


def _laid_out(text: str, own: JsonPath) -> str:
    """Return only our entry and the inputs of a text, one value per line."""
    data = members(json.loads(text)) if text.strip() else {}
    whole: dict[str, object] = {"inputs": data["inputs"]} if "inputs" in data else {}
    servers, name = own
    if isinstance(servers, str) and name in (there := members(data.get(servers))):
        whole[servers] = {name: there[str(name)]}
    return json.dumps(whole, indent=2, ensure_ascii=False)


def _scalars(path: JsonPath, value: object) -> Iterator[tuple[JsonPath, object]]:
    """Yield the strings and numbers in a value, each with its path."""
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        yield path, value
    for step, part in [*members(value).items(), *enumerate(elements(value))]:
        yield from _scalars((*path, step), part)


def _masked(path: JsonPath, value: object) -> object:
    if inside := members(value):
        return {name: _masked((*path, name), part) for name, part in inside.items()}
    if parts := elements(value):
        return [_masked((*path, index), part) for index, part in enumerate(parts)]
    return value if all(_is_shown_in_entry(*scalar) for scalar in _scalars(path, value)) else MASK


def _is_shown(path: JsonPath, value: object, own: JsonPath) -> bool:
    """Return whether a string or a number of a file may be shown."""
    if path[: len(own)] == own:
        return _is_shown_in_entry(path[len(own) :], value)
    if isinstance(value, str):
        return path[:1] == ("inputs",) and path[2:] in {("type",), ("id",), ("description",)}
    return "env" not in path


def _is_shown_in_entry(path: JsonPath, value: object) -> bool:
    """Return whether a string or a number of our entry may be shown, by its path and its form."""
    if not isinstance(value, str):
        return path[:1] != ("env",) or path[1:] in {(name,) for name in _SHOWN_VARIABLES}
    match path:
        case ("type",):
            return value in _TRANSPORTS
        case ("command",):
            return _is_plain_command(value)
        case ("args", int()):
            return value in _ARGUMENTS
        case ("env", str() as name):
            # A URL may hold a password, or a query.
            return is_reference(value) or (name in _SHOWN_VARIABLES and not {*value} & {"@", "?"})
        case _:
            return False


def _is_plain_command(command: str) -> bool:
    """Return whether a command is one word or an absolute path, not a command line or an assignment."""
    if "=" in command:
        return False
    is_path = PurePosixPath(command).is_absolute() or PureWindowsPath(command).is_absolute()
    return _WORD.fullmatch(command) is not None or (is_path and " -" not in command)


def _moved(hunk: re.Match[str], lines: int) -> str:
    """Return a hunk's header with its line numbers moved down."""
    start, count, new_start, new_count = hunk.groups(default="")
    return f"@@ -{int(start) + lines}{count} +{int(new_start) + lines}{new_count} @@"
