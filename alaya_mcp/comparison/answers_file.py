"""The answers of a comparison on disk: a line each, appended as they come; a later run goes on where one stopped."""

import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final, Literal, Self, cast

from alaya_mcp.comparison.answer_index import AnswerIndex, Entry, Key, Torn, answer_at, answers_in, index_of, is_one
from alaya_mcp.comparison.answer_line import AnswerLine
from alaya_mcp.comparison.file_lock import Taken, lock
from alaya_mcp.comparison.unusable import Unusable, unreadable, why

State = Literal["new", "failed", "answered"]
"""Of a question: not asked before, asked and failed or cut off, answered."""
_COPY: Final = 2**20


class Unwritable(Exception):
    """An answer could not be written; those before it are whole. The text says why."""


class AnswersFile:
    """An answers file, which no other program writes meanwhile; a context manager that closes it.

    A file that it made and wrote nothing to is removed.

    Args:
        path: The file, which need not be there; None for a temporary one.
        fresh: Whether to start over. The old answers are copied beside the file before the first new one is written.

    Attributes:
        name: Of the file.
        backup: The copy of the old answers, once there is one.

    Raises:
        Unusable: it is locked, cannot be written, or is not an answers file.
    """

    def __init__(self, path: Path | None, *, fresh: bool = False) -> None:
        self.name = "the temporary file" if path is None else str(path)
        self.backup: Path | None = None
        self._path = path
        try:
            self._file, self._is_made = _opened(path)
        except OSError as error:
            raise Unusable(f"{self.name} cannot be written: {why(error)}.") from None
        try:
            self._begin(fresh=fresh)
        except OSError as error:
            self._file.close()
            raise unreadable(self.name, error) from None
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        is_to_go = self._is_made and not self._end and self.is_in_place
        if is_to_go and sys.platform != "win32":  # while it is locked, so that no other run has begun
            self._remove()
        self._file.close()
        if is_to_go and sys.platform == "win32":  # where a file that anybody has open cannot be removed
            self._remove()

    def _begin(self, *, fresh: bool) -> None:
        if not stat.S_ISREG(os.fstat(self._file.fileno()).st_mode):
            raise Unusable(f"{self.name} is not a file that can be read again. Name another with --out.")
        try:
            lock(self._file)
        except Taken:
            raise Unusable(f"{self.name} is being written by another run. Wait for its end, or name another.") from None
        if not self.is_in_place:
            raise Unusable(f"{self.name} was removed by another run just now. Run the command again.")
        with _reading(self._file) as file:
            if not is_one(file):
                raise Unusable(f"{self.name} is not an answers file, so it is left as it is. Name another with --out.")
            self._index = AnswerIndex() if fresh else index_of(file, self.name)
        self._is_outdated = fresh and os.fstat(self._file.fileno()).st_size > 0
        self._end = self._first_new = self._index.size

    def state_of(self, key: Key, request: str) -> State:
        """Return whether a question has its answer, has failed, or has not been asked before this run.

        Raises:
            Unusable: a line about that prompt answers another question.
        """
        asked = self._index.asked.get(key[0])
        if asked and asked.request != request:
            raise Unusable(
                f"{self.name} line {asked.line}: prompt {key[0]} was asked otherwise then: the prompt, an option or "
                "the deployment has changed. Start over with --fresh, or name another file with --out."
            )
        entry = self._index.entries.get(key)
        if entry is None:
            return "new"
        return "failed" if entry.failed else "answered"

    @property
    def has_failures(self) -> bool:
        """Whether there are questions that have failed before this run."""
        return any(entry.failed for entry in self._index.entries.values())

    def append(self, answer: AnswerLine) -> None:
        """Write an answer as the next line.

        Raises:
            Unwritable: it could not be written; the file ends with the line before it.
        """
        line = answer.encoded()
        try:
            if self._is_outdated:
                self._start_over()
            if torn := self._index.torn:
                self._mend(torn)
            self._write(line)
        except OSError as error:
            raise Unwritable(f"{self.name} cannot be written: {why(error)}.") from None
        self._index.entries.pop(answer.key, None)

    @property
    def is_in_place(self) -> bool:
        """Whether its path still leads to it; nobody keeps it from being moved or deleted."""
        try:
            return self._path is None or os.path.samestat(self._path.stat(), os.fstat(self._file.fileno()))
        except OSError:
            return False

    def current(self) -> Iterator[AnswerLine]:
        """Yield each answer that counts, in the order in which they came."""
        with _reading(self._file) as file:
            for entry in [] if self._is_outdated else sorted(self._index.entries.values()):
                yield answer_at(file, entry.offset)
            yield from answers_in(file, self._first_new) if self._has_new else ()

    def ordered(self, models: Sequence[str] = ()) -> Iterator[AnswerLine]:
        """Yield each answer that counts, by its prompt's number, the base model's first, then as `models` has them."""
        if self._is_outdated:
            return
        ranks = {model: rank for rank, model in enumerate(models)}

        def place(answer: tuple[Key, Entry]) -> tuple[int, int, bool, int, str]:
            (_, repeat, model), entry = answer
            return entry.number, repeat, not entry.is_base, ranks.get(model, len(ranks)), model

        with _reading(self._file) as file:
            answers = list(self._index.entries.items())
            if self._has_new:
                answers += index_of(file, self.name, self._first_new).entries.items()
            for _, entry in sorted(answers, key=place):
                yield answer_at(file, entry.offset)

    def keep(self) -> None:
        """Copy the old answers, if there are any, beside the file.

        Raises:
            OSError: they could not be copied.
        """
        if self._is_outdated:
            self.backup = _copied(self._file, cast("Path", self._path))

    @property
    def _has_new(self) -> bool:
        return self._end > self._first_new

    def _remove(self) -> None:
        with suppress(OSError):
            cast("Path", self._path).unlink()

    def _start_over(self) -> None:
        """Copy the old answers beside the file, and empty it."""
        self.keep()
        os.ftruncate(self._file.fileno(), 0)
        self._is_outdated = False

    def _mend(self, torn: Torn) -> None:
        """End a last line that was not written to its end, or cut it off."""
        if torn.is_whole:
            self._end = self._first_new = os.fstat(self._file.fileno()).st_size
            self._write(b"\n")
            self._first_new = self._end
        else:
            os.ftruncate(self._file.fileno(), torn.offset)
        self._index.torn = None

    def _write(self, content: bytes) -> None:
        """Write at the end; after a failure the file is as it was."""
        descriptor = self._file.fileno()
        try:
            os.lseek(descriptor, self._end, os.SEEK_SET)
            left = memoryview(content)
            while left:
                left = left[os.write(descriptor, left) :]
        except BaseException:
            os.ftruncate(descriptor, self._end)
            raise
        self._end += len(content)


def _opened(path: Path | None) -> tuple[BinaryIO, bool]:
    """Return the file, and whether it was made; without a buffer, so that a line that was written is in the file."""
    if path is None:
        return cast("BinaryIO", tempfile.TemporaryFile(buffering=0)), False
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0)
    try:
        descriptor, is_made = os.open(path, flags | os.O_EXCL, 0o666), True
    except FileExistsError:
        descriptor, is_made = os.open(path, flags, 0o666), False
    return open(descriptor, "r+b", buffering=0), is_made  # noqa: PTH123 its flags are these, and the caller closes it


def _reading(file: BinaryIO) -> BinaryIO:
    """Return the file with a buffer, at a place of its own while nothing is written."""
    return open(file.fileno(), "rb", closefd=False)


def _copied(file: BinaryIO, path: Path) -> Path:
    """Copy a file to `NAME.bak`, `NAME.bak-1`, ... beside it, on the disk; nothing is left of a copy that fails.

    Nobody may read the copy who may not read the file.
    """
    mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    number = 0
    while True:
        copy = path.with_name(f"{path.name}.bak{f'-{number}' if number else ''}")
        number += 1
        try:
            made = open(os.open(copy, flags, mode), "wb")  # noqa: PTH123, SIM115 its mode is this, and it is closed below
        except FileExistsError:
            continue
        try:
            with made, _reading(file) as old:
                old.seek(0)
                shutil.copyfileobj(old, made, _COPY)
                made.flush()
                os.fsync(made.fileno())
        except BaseException:
            copy.unlink(missing_ok=True)
            raise
        return copy
