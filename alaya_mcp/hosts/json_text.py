"""Edits of JSON as text: one member is set or removed, every other character stays, comments too. Pure.

The text given is valid JSON, with or without comments and trailing commas, or blank.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, cast

from alaya_mcp.hosts.json_comments import BLOCK, blanked, without_comments

JsonPath = tuple[str | int, ...]
"""Names of members and indices of elements, from the root."""

BLANK: Final = "{}\n"

_SPACE: Final = re.compile(r"[ \t\r\n]*")
_DECODER: Final = json.JSONDecoder()
_EMPTY: Final = re.compile(r"\s*(?:\{\s*\}|\[\s*\])\s*")
_BETWEEN: Final = re.compile(rf"(?:[ \t\r\n]|//[^\r\n]*+|{BLOCK})*+")
_REST_OF_LINE: Final = re.compile(rf"[ \t]*+,?+(?:[ \t]*+{BLOCK})*+[ \t]*+(?://[^\r\n]*+)?+(?=\r?\n)")
"""What belongs to the value before it: its comma, and comments on its line."""
_LINE_START: Final = re.compile(r"\r?\n[ \t]*\Z")
_FIRST_INDENT: Final = re.compile(r'\s*\{[ \t]*\r?\n([ \t]+)"')


@dataclass(frozen=True, slots=True)
class Node:
    """One value.

    Attributes:
        path: From the root.
        start: Offset of the member's name, or of the element.
        value: Offset of the value itself.
        end: Offset after the value.
    """

    path: JsonPath
    start: int
    value: int
    end: int


class Tree:
    """The positions of the values in a text. Only requested containers are parsed: a file may be very large."""

    def __init__(self, text: str) -> None:
        self.plain = blanked(text)
        self._children: dict[int, list[Node]] = {}
        start = _after_space(self.plain, 0)
        self.root = Node((), start, start, len(self.plain.rstrip()))

    @property
    def looked_into(self) -> int:
        """How many containers were parsed member by member; the others were skipped as a whole."""
        return len(self._children)

    def children(self, parent: Node) -> list[Node]:
        """Return the members or elements of a value, in order; none of a scalar."""
        if parent.value not in self._children:
            self._children[parent.value] = list(self._found(parent))
        return self._children[parent.value]

    def find(self, path: JsonPath) -> Node | None:
        """Return the value at a path; of members with the same name the last one, as parsers do."""
        node = self.root
        for depth in range(len(path)):
            inside = [child for child in self.children(node) if child.path == path[: depth + 1]]
            if not inside:
                return None
            node = inside[-1]
        return node

    def _found(self, parent: Node) -> Iterator[Node]:
        text, is_object = self.plain, self.plain[parent.value] == "{"
        if not (is_object or text[parent.value] == "["):
            return
        at, index = _after_space(text, parent.value + 1), 0
        while text[at] not in "}]":
            start, step = at, cast("str | int", index)
            if is_object:
                step, at = _DECODER.raw_decode(text, at)
                at = _after_space(text, _after_space(text, at) + 1)  # behind the colon
            _, end = _DECODER.raw_decode(text, at)
            yield Node((*parent.path, step), start, at, end)
            at, index = _after_space(text, end), index + 1
            if text[at] == ",":
                at = _after_space(text, at + 1)


def with_value(text: str, path: JsonPath, value: object, present: object) -> str:
    """Return the text with the value at a path changed into another one, where they differ.

    Args:
        text: The whole text.
        path: Where it is.
        value: The value wanted.
        present: The value there now; None if there is none.
    """
    if not (isinstance(value, dict) and isinstance(present, dict)):
        return text if value == present else with_member(text, path, cast("object", value))
    wanted, there = cast("dict[str, object]", value), cast("dict[str, object]", present)
    for name in there.keys() - wanted.keys():
        text = without(text, (*path, name))
    for name, part in wanted.items():
        text = with_value(text, (*path, name), part, there.get(name))
    return text


def with_member(text: str, path: JsonPath, value: object) -> str:
    """Return the text with a member set; missing objects on the path are added."""
    text = text if text.strip() else BLANK
    tree = Tree(text)
    if there := tree.find(path):
        dumped = _dumped(text, value, _indentation(text, there.start))
        return text[: there.value] + dumped + text[there.end :]
    parent = tree.find(path[:-1])
    if parent is None:
        return with_member(text, path[:-1], {path[-1]: value})
    return _inserted(text, tree, parent, value, name=str(path[-1]))


def with_element(text: str, path: JsonPath, value: object) -> str:
    """Return the text with one more element at the end of an array, which is added if missing."""
    text = text if text.strip() else BLANK
    tree = Tree(text)
    parent = tree.find(path)
    return _inserted(text, tree, parent, value) if parent else with_member(text, path, [value])


def without(text: str, path: JsonPath) -> str:
    """Return the text without a member or an element; unchanged if there is none."""
    while text.strip() and (there := (tree := Tree(text)).find(path)):  # the name may occur more than once
        parent = tree.find(path[:-1])
        if parent is None:
            break
        text = _removed(text, tree, parent, there)
        if isinstance(path[-1], int):
            break
    return text


def without_empty(text: str, name: str) -> str:
    """Return the text without a member of the root that is an empty object or array; unchanged otherwise."""
    if not text.strip():
        return text
    tree = Tree(text)
    found = [node for node in tree.children(tree.root) if node.path == (name,)]
    # A second member of the same name would take its place. One that holds a comment is not empty.
    is_empty = len(found) == 1 and _EMPTY.fullmatch(text, found[0].value, found[0].end)
    return without(text, (name,)) if is_empty else text


def _after_space(text: str, at: int) -> int:
    space = _SPACE.match(text, at)
    return space.end() if space else at


def _inserted(text: str, tree: Tree, parent: Node, value: object, *, name: str | None = None) -> str:
    siblings, newline, indent = tree.children(parent), _newline(text), _indent(text)
    prefix = "" if name is None else f"{_json(name)}{_colon(text)}"
    if not siblings:
        margin = _indentation(text, parent.start)
        dumped = prefix + _dumped(text, value, margin + (indent or ""))
        comments = text[parent.value + 1 : parent.end - 1].rstrip()
        if indent is not None or comments:
            dumped = f"{comments}{newline}{margin}{indent or ''}{dumped}{newline}{margin}"
        return text[: parent.value + 1] + dumped + text[parent.end - 1 :]
    last = siblings[-1].end
    margin = _indentation(text, siblings[0].start)
    dumped = prefix + _dumped(text, value, margin)
    if "\n" not in text[parent.value + 1 : siblings[0].start]:
        return f"{text[:last]}, {dumped}{text[last:]}"
    line, comma = _REST_OF_LINE.match(text, last), _comma_after(text, last)
    at, is_trailing = max(line.end() if line else last, -1 if comma is None else comma + 1), comma is not None
    between = text[last:at] if is_trailing else f",{text[last:at]}"
    return f"{text[:last]}{between}{newline}{margin}{dumped}{',' * is_trailing}{text[at:]}"


def _removed(text: str, tree: Tree, parent: Node, there: Node) -> str:
    """Return the text without a value of its parent: the inverse of adding it."""
    siblings = tree.children(parent)
    index = siblings.index(there)
    comma = _comma_after(text, there.end)
    end = there.end if comma is None else comma + 1
    line = _REST_OF_LINE.match(text, there.end)
    has_own_line = line or there is siblings[-1]
    newline = _LINE_START.search(text[parent.value : there.start]) if has_own_line else None
    if newline:
        start, end = parent.value + newline.start(), max(end, line.end() if line else end)
    else:
        start = there.start
        end = end if there is siblings[-1] else _after_space(text, end)
    kept = text[:start]
    if index and there is siblings[-1] and comma is None:  # the one before is the last one now
        before = siblings[index - 1].end
        its = before if (found := _comma_after(text, before)) is None else found
        kept = text[:before] + text[before:its] + text[its + 1 : start]
        kept = kept if newline else kept.rstrip(" ")
    inside = kept[parent.value + 1 :] + text[end : parent.end - 1]
    if len(siblings) == 1 and not inside.strip():
        return text[: parent.value + 1] + text[parent.end - 1 :]
    return kept + text[end:]


def _comma_after(text: str, at: int) -> int | None:
    """Return the offset of the comma that follows a value, behind comments too; None if none does."""
    between = _BETWEEN.match(text, at)
    after = between.end() if between else at
    return after if text[after : after + 1] == "," else None


def _dumped(text: str, value: object, margin: str) -> str:
    indent = _indent(text)
    separators = (", " if indent is None else ",", _colon(text))
    return _json(value, indent, separators).replace("\n", f"{_newline(text)}{margin}")


def _json(value: object, indent: str | None = None, separators: tuple[str, str] | None = None) -> str:
    plain = json.dumps(value, ensure_ascii=False, indent=indent, separators=separators)
    if plain.isascii() or not re.search("[\ud800-\udfff]", plain):
        return plain
    return json.dumps(value, indent=indent, separators=separators)  # half of a surrogate pair has no UTF-8


def _newline(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


def _colon(text: str) -> str:
    return ":" if '":' in text and '": ' not in text else ": "


def _indent(text: str) -> str | None:
    """Return the indentation of one level; None if everything is on one line."""
    if first := _FIRST_INDENT.match(without_comments(text)):
        return first[1]
    return None if "\n" not in text.strip() and not _EMPTY.fullmatch(text) else "  "


def _indentation(text: str, at: int) -> str:
    """Return the white space at the start of the line that contains this offset."""
    line = text[text.rfind("\n", 0, at) + 1 : at]
    return line[: len(line) - len(line.lstrip(" \t"))]
