"""The difference between two texts of a configuration file, fit to be shown: secrets and what is not ours are masked.

Pure.
"""

import json
import re
from collections.abc import Iterable
from difflib import unified_diff
from typing import Final

from alaya_mcp.hosts.entries import KEY_VARIABLES
from alaya_mcp.hosts.json_text import JsonPath, nodes

MASK: Final = "…"
CHANGED: Final = "… (changed)"

_CONTEXT: Final = 3
_REFERENCE: Final = re.compile(r"\$\{[^{}]*\}")
_PLAIN_ARGUMENT: Final = re.compile(r"--?[a-z][a-z-]*|[^=]*alaya(?:new|siki)?[-_]mcp[^=]*", re.IGNORECASE)
_HUNK: Final = re.compile(r"@@ -(\d+)(,\d+)? \+(\d+)(,\d+)? @@")


def difference(before: str, after: str, own: JsonPath, *, label: str) -> str:
    """A unified diff, empty where nothing changes.

    Args:
        before: The text as it is; valid JSON, or blank.
        after: The text as it will be.
        own: Where our entry is.
        label: The file's name.
    """
    old = _strings(before)
    shown_before = _masked(before, own, {}).splitlines()
    shown_after = _masked(after, own, old).splitlines()
    return "\n".join(_unified(shown_before, shown_after, label, is_new=not before.strip()))


def masked_words(text: str, secrets: Iterable[str]) -> str:
    """A text without given secrets, as they are or as JSON writes them."""
    for secret in secrets:
        for form in {secret, json.dumps(secret)[1:-1], json.dumps(json.dumps(secret)[1:-1])[1:-1]} - {""}:
            text = text.replace(form, MASK)
    return text


def printable(text: str) -> str:
    """A text that does nothing to a terminal but fill lines."""
    lines = text.replace("\r\n", "\n")
    return "".join(mark if mark.isprintable() or mark in "\n\t" else "\N{REPLACEMENT CHARACTER}" for mark in lines)


def _strings(text: str) -> dict[JsonPath, str]:
    found = nodes(text) if text.strip() else []
    return {node.path: json.loads(text[node.value : node.end]) for node in found if text[node.value] == '"'}


def _masked(text: str, own: JsonPath, before: dict[JsonPath, str]) -> str:
    """The text with strings that are not to be shown replaced; one that differs from before says so."""
    pieces: list[str] = []
    done = 0
    for node in nodes(text) if text.strip() else []:
        if text[node.value] != '"':
            continue
        value: str = json.loads(text[node.value : node.end])
        if _is_shown(node.path, value, own):
            continue
        is_changed = node.path in before and before[node.path] != value
        pieces += [text[done : node.value], f'"{CHANGED if is_changed else MASK}"']
        done = node.end
    return printable("".join(pieces) + text[done:])


def _is_shown(path: JsonPath, value: str, own: JsonPath) -> bool:
    if path[:1] == ("inputs",):
        return path[2:] in {("type",), ("id",), ("description",)}
    if path[: len(own)] != own:
        return False
    match path[len(own) :]:
        case ("type",) | ("command",):
            return True
        case ("args", int()):
            return _PLAIN_ARGUMENT.fullmatch(value) is not None
        case ("env", str() as name):
            is_setting = name.startswith("ALAYA_") and name not in KEY_VARIABLES and "@" not in value
            return is_setting or _REFERENCE.fullmatch(value) is not None
        case _:
            return False


def _unified(before: list[str], after: list[str], label: str, *, is_new: bool) -> list[str]:
    """The lines of a unified diff. What both begin or end with is not compared: files grow large."""
    shorter = min(len(before), len(after))
    head = next((at for at in range(shorter) if before[at] != after[at]), shorter)
    tail = next((at for at in range(shorter - head) if before[-1 - at] != after[-1 - at]), shorter - head)
    first = max(0, head - _CONTEXT)
    last = max(0, tail - _CONTEXT)
    lines = unified_diff(
        before[first : len(before) - last],
        after[first : len(after) - last],
        "new file" if is_new else label,
        label,
        n=_CONTEXT,
        lineterm="",
    )
    return [
        _HUNK.sub(lambda found: _moved(found, first), line, count=1) if line[:2] == "@@" else line for line in lines
    ]


def _moved(hunk: re.Match[str], lines: int) -> str:
    """A hunk's head, for a file in which that many lines stand before the ones that were compared."""
    start, count, new_start, new_count = hunk.groups(default="")
    return f"@@ -{int(start) + lines}{count} +{int(new_start) + lines}{new_count} @@"
