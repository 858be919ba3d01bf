"""A file of prompts: checked as a whole first, then read a prompt at a time, as often as needed."""

import os
import shutil
import stat
import tempfile
from collections.abc import Generator, Iterable, Iterator
from hashlib import blake2b
from io import TextIOWrapper
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final, Protocol, Self

from alaya_mcp.comparison.encoding import encoding_of, start_of
from alaya_mcp.comparison.prompt import Prompt, prompt_of
from alaya_mcp.comparison.prompt_rows import LONGEST, Format, format_of, rows_of
from alaya_mcp.comparison.unusable import Unusable, at_line, unreadable
from alaya_mcp.printable import printable, shortened

_MOST_PROBLEMS: Final = 20


class Prompts(Protocol):
    """Prompts, which can be read more than once."""

    count: int
    """How many there are."""
    note: str | None
    """What people must know of how they were read, None if nothing."""

    def __iter__(self) -> Iterator[Prompt]:
        """Read them."""
        ...


class GivenPrompts:
    """Prompts of a command line.

    Raises:
        Unusable: one is blank.
    """

    def __init__(self, texts: Iterable[str]) -> None:
        self.note: str | None = None
        self._prompts = [_given(text, number) for number, text in enumerate(texts, 1)]
        self.count = len(self._prompts)

    def __iter__(self) -> Iterator[Prompt]:
        return iter(self._prompts)


def _given(text: str, number: int) -> Prompt:
    try:
        return prompt_of({"prompt": text}, number, number)
    except ValueError as problem:
        raise Unusable(f"PROMPT {number}: {problem}.") from None


class PromptsFile:
    """A file of prompts; a context manager that closes it.

    Args:
        path: The file; what cannot be read twice, as a pipe, is copied to a temporary file.
        standard_input: Read in place of the file `-`.

    Attributes:
        count: How many prompts it has.
        note: A line as it was read, if the encoding may be another one.

    Raises:
        Unusable: it cannot be read, or has lines that are not prompts; names each, up to a limit.
    """

    def __init__(self, path: Path, standard_input: BinaryIO | None = None) -> None:
        is_input = standard_input is not None and str(path) == "-"
        self._name = "stdin" if is_input else str(path)
        try:
            self._file = _twice(standard_input) if is_input and standard_input else _opened(path)
        except OSError as error:
            raise unreadable(self._name, error) from None
        try:
            self._seen = self._state()
            self._encoding = encoding_of(self._file, self._name)
            self._format: Format = self._format_by("" if is_input else path.suffix)
            self.count = self._checked()
            self.note: str | None = self._doubt()
        except OSError as error:
            self._file.close()
            raise unreadable(self._name, error) from None
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        self._file.close()

    def __iter__(self) -> Iterator[Prompt]:
        """Read the prompts.

        Raises:
            Unusable: the file was changed since it was checked, or cannot be read any more.
        """
        try:
            if self._state() != self._seen:
                raise Unusable(f"{self._name} was changed while it was read.")
            for number, row in enumerate(rows_of(self._lines(), self._format), 1):
                if isinstance(row.fields, str):
                    raise Unusable(at_line(self._name, row.line, row.fields))
                yield prompt_of(row.fields, number, row.line)
        except OSError as error:
            raise unreadable(self._name, error) from None
        except ValueError:
            raise Unusable(f"{self._name} was changed while it was read.") from None

    def _checked(self) -> int:
        """Return how many prompts there are, each of which can be sent."""
        problems: list[str] = []
        seen: dict[bytes, int] = {}
        number = 0
        for row in rows_of(self._lines(), self._format):
            number += 1
            problem = _problem(row.fields, number, row.line, seen)
            if problem:
                problems.append(at_line(self._name, row.line, problem))
            if len(problems) == _MOST_PROBLEMS:
                problems.append(f"{self._name}: not read any further.")
                break
        if problems:
            raise Unusable(*problems)
        if not number:
            raise Unusable(f"{self._name} has no prompts.")
        return number

    def _lines(self) -> Generator[str]:
        """Yield the lines with their ends."""
        start_of(self._file, self._encoding)
        text = TextIOWrapper(self._file, self._encoding, newline="")
        try:
            number = 0
            while line := text.readline(LONGEST + 1):
                number += 1
                if "\0" in line:
                    raise Unusable(f"{self._name} line {number}: a NUL byte, which text files do not have.")
                if len(line) > LONGEST:
                    raise Unusable(f"{self._name} line {number}: longer than {LONGEST // 2**20} Mi characters.")
                yield line
        finally:
            text.detach()

    def _format_by(self, extension: str) -> Format:
        lines = self._lines()
        first = next((line for line in lines if line.strip()), "")
        lines.close()
        try:
            return format_of(extension, first)
        except ValueError as problem:
            raise Unusable(f"{self._name} {problem}.") from None

    def _doubt(self) -> str | None:
        if self._encoding != "gb18030":
            return None
        lines = self._lines()
        number, line = next((number, line) for number, line in enumerate(lines, 1) if not line.isascii())
        lines.close()
        return f"{self._name} is read as GB18030 (line {number}: {shortened(printable(line))})."

    def _state(self) -> tuple[int, int]:
        state = os.fstat(self._file.fileno())
        return state.st_size, state.st_mtime_ns


def _problem(fields: dict[str, object] | str, number: int, line: int, seen: dict[bytes, int]) -> str | None:
    """Return what is wrong with a row; `seen` has the lines of the ids before it."""
    if isinstance(fields, str):
        return fields
    try:
        prompt = prompt_of(fields, number, line)
    except ValueError as problem:
        return str(problem)
    key = blake2b(prompt.id.encode(), digest_size=12).digest()
    if key in seen:
        return f"its id {prompt.id} is that of line {seen[key]} too"
    seen[key] = line
    return None


def _opened(path: Path) -> BinaryIO:
    file = path.open("rb")
    if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        return file
    with file:
        return _twice(file)


def _twice(file: BinaryIO) -> BinaryIO:
    """Return a copy of what can be read once, in a temporary file."""
    copy = tempfile.TemporaryFile()  # noqa: SIM115 the caller closes it
    shutil.copyfileobj(file, copy)
    copy.flush()
    return copy
