"""Answers files of several runs, as one."""

import stat
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, nullcontext
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from alaya_mcp.atomic_file import replacement, usual_mode
from alaya_mcp.comparison.answer_index import Entry, Key, answer_at, index_of
from alaya_mcp.comparison.answer_line import AnswerLine
from alaya_mcp.comparison.answers_file import AnswersFile
from alaya_mcp.comparison.unusable import Unusable, unreadable, why


class JoinedAnswers:
    """The answers of several files that count; a context manager that closes them.

    Of two answers to one question the later file's counts, but an answer counts before an error.

    Args:
        paths: The files.

    Raises:
        Unusable: one cannot be read or is not an answers file, or two have answers to different questions under one id.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = paths
        self._owned = ExitStack()
        self._entries: dict[Key, tuple[int, Entry]] = {}
        self._asked: dict[str, tuple[int, Entry]] = {}
        with ExitStack() as owned:
            self._files = [_opened(path, owned) for path in paths]
            for number in range(len(paths)):
                self._add(number)
            self._owned = owned.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        self._owned.close()

    def ordered(self) -> Iterator[AnswerLine]:
        """Yield the answers by their prompts' numbers, the base model's first.

        Raises:
            Unusable: a file cannot be read any more.
        """
        places: list[tuple[int, int, bool, str, int, int]] = []
        for (_, repeat, model), (file, entry) in self._entries.items():
            places.append((entry.number, repeat, not entry.is_base, model, file, entry.offset))
        for *_, file, offset in sorted(places):
            try:
                yield answer_at(self._files[file], offset)
            except OSError as error:
                raise unreadable(self._paths[file], error) from None

    def missing(self) -> list[str]:
        """Return what the files do not have, though other lines show that it was to be asked, as sentences."""
        questions = {(key[0], key[1]): entry.number for key, (_, entry) in self._entries.items()}
        found: list[str] = []
        for model in sorted({model for *_, model in self._entries}):
            numbers = [number for question, number in questions.items() if (*question, model) not in self._entries]
            if numbers:
                found.append(
                    f"{model} has no line for {len(numbers)} of {len(questions)} questions, first for prompt "
                    f"{min(numbers)}."
                )
        prompts = set(questions.values())
        if (gaps := max(prompts, default=0) - len(prompts)) > 0:
            first = next(number for number in count(1) if number not in prompts)
            found.append(f"Missing in the files: {gaps} of prompts 1 to {max(prompts)}, first prompt {first}.")
        return found

    def write(self, path: Path, *, fresh: bool = False) -> None:
        """Write the answers into a file as a whole, or leave it as it is.

        Args:
            path: The file.
            fresh: Whether to replace one that is there, of which a copy is kept.

        Raises:
            Unusable: it is there, is locked, is not an answers file, or cannot be written.
        """
        is_there = path.exists()
        if is_there and not fresh:
            raise Unusable(f"{path} is there already; --fresh replaces it, and keeps a copy.")
        try:
            mode = stat.S_IMODE(path.stat().st_mode) if is_there else usual_mode()
            with replacement(path, mode) as file, AnswersFile(path, fresh=True) if is_there else nullcontext() as old:
                file.writelines(answer.encoded() for answer in self.ordered())
                if old is not None:
                    old.keep()
        except OSError as error:
            raise Unusable(f"{path} cannot be written: {why(error)}.") from None

    def _add(self, file: int) -> None:
        try:
            index = index_of(self._files[file], str(self._paths[file]))
        except OSError as error:
            raise unreadable(self._paths[file], error) from None
        for key, entry in index.entries.items():
            before, asked = self._asked.setdefault(key[0], (file, entry))
            if asked.request != entry.request:
                raise Unusable(
                    f"{self._paths[file]} line {entry.line} and {self._paths[before]} line {asked.line} both have "
                    f"prompt {key[0]}, but it was not asked the same: they are of different runs."
                )
            earlier = self._entries.get(key)
            if not earlier or earlier[1].failed or not entry.failed:
                self._entries[key] = file, entry


def _opened(path: Path, owned: ExitStack) -> BinaryIO:
    try:
        return owned.enter_context(path.open("rb"))
    except OSError as error:
        raise unreadable(path, error) from None
