"""The lines of an answers file: which are there, which count, and where they begin."""

from collections.abc import Iterator
from sys import intern
from typing import BinaryIO, Final, NamedTuple

from pydantic import ValidationError

from alaya_mcp.comparison.answer import flaw
from alaya_mcp.comparison.answer_line import AnswerLine
from alaya_mcp.comparison.unusable import Unusable

Key = tuple[str, int, str]
_MARK: Final = b"\xef\xbb\xbf"
_BEGINNING: Final = (b'{"id":', b'"number":')
"""Of a line, as this program writes it."""


class Entry(NamedTuple):
    """One line of an answers file.

    Attributes:
        offset: The byte that it begins at.
        line: Its number, from 1.
        number: Its prompt's.
        request: The digest of what was sent.
        failed: Whether it has no answer, or one that was cut off.
        is_base: Whether it is the base model's.
    """

    offset: int
    line: int
    number: int
    request: str
    failed: bool
    is_base: bool


class Torn(NamedTuple):
    """A last line that was not written to its end.

    Attributes:
        offset: The byte that it begins at.
        is_whole: Whether only its line end is missing.
    """

    offset: int
    is_whole: bool


class AnswerIndex:
    """The lines that count: the last for each key.

    Attributes:
        entries: By key.
        asked: The last line about each prompt, by its id: of all its lines the request is the same.
        torn: The last line, if it has no end.
        size: Bytes of the lines with their ends, before `torn`.
    """

    def __init__(self) -> None:
        self.entries: dict[Key, Entry] = {}
        self.asked: dict[str, Entry] = {}
        self.torn: Torn | None = None
        self.size = 0

    def add(self, answer: AnswerLine, offset: int, line: int) -> None:
        """Let a line count, in place of an earlier one of its key."""
        key = intern(answer.id), answer.repeat, intern(answer.model)
        entry = Entry(offset, line, answer.number, answer.request, flaw(answer) is not None, answer.kind == "base")
        self.entries.pop(key, None)
        self.entries[key] = self.asked[key[0]] = entry


def index_of(file: BinaryIO, name: str, start: int = 0) -> AnswerIndex:
    """Return the index of an answers file from a byte on that begins a line.

    Raises:
        Unusable: a line is not an answer, except for a last one that is torn; names it.
        OSError: it cannot be read.
    """
    index = AnswerIndex()
    file.seek(start)
    offset, number = start, 0
    while line := file.readline():
        number += 1
        answer = answer_of_line(line, is_first=offset == 0)
        if not line.endswith(b"\n"):
            if answer is None and not (index.entries or _begins_as_one(line)):
                raise Unusable(_not_one(name, number))
            index.torn = Torn(offset, is_whole=answer is not None)
        elif answer is None and line.strip():
            raise Unusable(_not_one(name, number))
        if answer is not None:
            index.add(answer, offset, number)
        offset += len(line)
        index.size = offset if index.torn is None else index.size
    return index


def is_one(file: BinaryIO) -> bool:
    """Return whether the first line with text is, or begins as, that of an answers file; an empty file is one too."""
    file.seek(0)
    while (line := file.readline(_LONGEST)) and not line.strip():
        pass
    return not line or answer_of_line(line, is_first=True) is not None or _begins_as_one(line)


def answers_in(file: BinaryIO, start: int = 0) -> Iterator[AnswerLine]:
    """Yield the answers from a byte on that begins a line."""
    file.seek(start)
    for line in file:
        if answer := answer_of_line(line):
            yield answer


def answer_at(file: BinaryIO, offset: int) -> AnswerLine:
    """Return the answer whose line begins at a byte."""
    file.seek(offset)
    return AnswerLine.model_validate_json(file.readline().removeprefix(_MARK))


def answer_of_line(line: bytes, *, is_first: bool = False) -> AnswerLine | None:
    """Return a line as an answer; None if it is none."""
    try:
        return AnswerLine.model_validate_json(line.removeprefix(_MARK) if is_first else line)
    except ValidationError:
        return None


def _begins_as_one(line: bytes) -> bool:
    first, second = _BEGINNING
    try:
        AnswerLine.model_validate_json(line)
    except ValidationError as invalid:
        is_json = invalid.errors(include_url=False, include_input=False)[0]["type"] != "json_invalid"
        return not is_json and line.startswith(first) and (second in line or len(line) < _SHORT)
    return True


_LONGEST: Final = 2**27
"""Bytes of a line: of anything else no more is read."""
_SHORT: Final = 300
"""Bytes of a beginning that may end within the id."""


def _not_one(name: str, number: int) -> str:
    if number == 1:
        return f"{name} is not an answers file (line 1), so it is left as it is. Name another file with --out."
    return f"{name} line {number} is not an answer. Remove the line, or start over with --fresh."
