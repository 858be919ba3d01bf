"""Changes to JSON as text: one member is set or removed, and every other character stays as it was. Pure.

The text given is valid JSON, without comments.
"""

import json
import re
from dataclasses import dataclass
from typing import Final

JsonPath = tuple[str | int, ...]
"""Members' names and elements' indices, from the root."""

BLANK: Final = "{}\n"

_TOKEN: Final = re.compile(r'(?P<string>"[^"\\]*(?:\\.[^"\\]*)*")|(?P<mark>[{}\[\]:,])|(?P<other>[^\s{}\[\]:,"]+)')
_EMPTY: Final = re.compile(r"\s*(?:\{\s*\}|\[\s*\])\s*")
_FIRST_INDENT: Final = re.compile(r'\s*\{[ \t]*\r?\n([ \t]+)"')


@dataclass(frozen=True, slots=True)
class Node:
    """One value.

    Attributes:
        path: Where it is.
        start: Where the member or element begins: at its name, or at the value itself.
        value: Where the value begins.
        end: Behind the value's last character.
    """

    path: JsonPath
    start: int
    value: int
    end: int


@dataclass(slots=True)
class _Open:
    """A container that has begun."""

    path: JsonPath
    start: int
    value: int
    is_object: bool
    count: int = 0
    name: str | None = None
    name_at: int = 0

    def next_place(self, at: int) -> tuple[JsonPath, int]:
        """The path and the start of a value that begins here."""
        if self.is_object:
            return (*self.path, self.name or ""), self.name_at
        self.count += 1
        return (*self.path, self.count - 1), at


def nodes(text: str) -> list[Node]:
    """Every value, in the order of the text: a container before what is in it."""
    found: list[Node] = []
    stack: list[_Open] = []
    for token in _TOKEN.finditer(text):
        mark, at = token[0], token.start()
        inside = stack[-1] if stack else None
        if mark == ",":
            if inside:
                inside.name = None
        elif mark in "}]":
            done = stack.pop()
            found.append(Node(done.path, done.start, done.value, token.end()))
        elif token.lastgroup == "string" and inside and inside.is_object and inside.name is None:
            inside.name, inside.name_at = json.loads(mark), at
        elif mark != ":":
            path, start = inside.next_place(at) if inside else ((), at)
            if mark in "{[":
                stack.append(_Open(path, start, at, mark == "{"))
            else:
                found.append(Node(path, start, at, token.end()))
    return sorted(found, key=lambda node: node.value)


def with_member(text: str, path: JsonPath, value: object) -> str:
    """The text with a member set. Objects on the way that are not there are made."""
    text = text if text.strip() else BLANK
    found = nodes(text)
    if there := _last(found, path):
        dumped = _dumped(text, value, _indentation(text, there.start))
        return text[: there.value] + dumped + text[there.end :]
    parent = _last(found, path[:-1])
    if parent is None:
        return with_member(text, path[:-1], {path[-1]: value})
    return _inserted(text, found, parent, value, name=str(path[-1]))


def with_element(text: str, path: JsonPath, value: object) -> str:
    """The text with one more element at the end of an array, which is made where it is not there."""
    text = text if text.strip() else BLANK
    found = nodes(text)
    parent = _last(found, path)
    return _inserted(text, found, parent, value) if parent else with_member(text, path, [value])


def without(text: str, path: JsonPath) -> str:
    """The text without a member or an element; as it is where there is none."""
    while there := _last(found := nodes(text), path):  # a name may be there more than once
        parent = _last(found, path[:-1])
        if parent is None:
            break
        siblings = _children(found, parent)
        index = siblings.index(there)
        if len(siblings) == 1:
            text = text[: parent.value + 1] + text[parent.end - 1 :]
        elif index == 0:
            text = text[: there.start] + text[siblings[1].start :]
        else:
            text = text[: siblings[index - 1].end] + text[there.end :]
        if isinstance(path[-1], int):
            break
    return text


def _last(found: list[Node], path: JsonPath) -> Node | None:
    """The value at a path: of members with one name the last, which is the one that counts."""
    if not path:
        return found[0]
    parent = _last(found, path[:-1])
    inside = [node for node in found if node.path == path and parent and parent.value < node.value < parent.end]
    return inside[-1] if inside else None


def _children(found: list[Node], parent: Node) -> list[Node]:
    depth = len(parent.path) + 1
    return [node for node in found if len(node.path) == depth and parent.value < node.value < parent.end]


def _inserted(text: str, found: list[Node], parent: Node, value: object, *, name: str | None = None) -> str:
    siblings = _children(found, parent)
    newline = _newline(text)
    indent = _indent(text)
    if siblings:
        gap = text[parent.value + 1 : siblings[0].start]
        margin = _indentation(text, siblings[0].start)
        dumped = _named(text, name) + _dumped(text, value, margin)
        between = f",{newline}{margin}" if "\n" in gap else ", "
        return text[: siblings[-1].end] + between + dumped + text[siblings[-1].end :]
    margin = _indentation(text, parent.start)
    dumped = _named(text, name) + _dumped(text, value, margin + (indent or ""))
    if indent is not None:
        dumped = f"{newline}{margin}{indent}{dumped}{newline}{margin}"
    return text[: parent.value + 1] + dumped + text[parent.end - 1 :]


def _named(text: str, name: str | None) -> str:
    return "" if name is None else f"{_json(name)}{_colon(text)}"


def _dumped(text: str, value: object, margin: str) -> str:
    indent = _indent(text)
    separators = (", " if indent is None else ",", _colon(text))
    return _json(value, indent, separators).replace("\n", f"{_newline(text)}{margin}")


def _json(value: object, indent: str | None = None, separators: tuple[str, str] | None = None) -> str:
    plain = json.dumps(value, ensure_ascii=False, indent=indent, separators=separators)
    if plain.isascii() or not re.search("[\ud800-\udfff]", plain):
        return plain
    return json.dumps(value, indent=indent, separators=separators)  # a half of a pair has no UTF-8


def _newline(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


def _colon(text: str) -> str:
    return ":" if '":' in text and '": ' not in text else ": "


def _indent(text: str) -> str | None:
    """What one level is indented by; None where everything is on one line."""
    if first := _FIRST_INDENT.match(text):
        return first[1]
    return None if "\n" not in text.strip() and not _EMPTY.fullmatch(text) else "  "


def _indentation(text: str, at: int) -> str:
    """The white space that the line of this character begins with."""
    line = text[text.rfind("\n", 0, at) + 1 : at]
    return line[: len(line) - len(line.lstrip(" \t"))]
