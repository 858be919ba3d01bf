"""Configuration files on disk: a backup that overwrites nothing, and a replacement that is whole or does not happen."""

import os
import stat
from itertools import count
from pathlib import Path
from typing import Final

from alaya_mcp.atomic_file import replace_file, usual_mode
from alaya_mcp.hosts.documents import Document

PRIVATE: Final = 0o600


def back_up(document: Document) -> Path:
    """A copy of the file beside it, which only its owner can read: `NAME.bak`, `NAME.bak-1`, ...

    Raises:
        OSError: it cannot be written.
    """
    for number in count():
        copy = document.path.with_name(f"{document.path.name}.bak{f'-{number}' if number else ''}")
        try:
            descriptor = os.open(copy, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), PRIVATE)
        except FileExistsError:
            continue
        with open(descriptor, "wb") as file:  # noqa: PTH123 it is open already
            file.write(document.content or b"")
        return copy
    raise AssertionError("count ends")


def replace(document: Document, text: str, *, is_private: bool) -> None:
    """Put another text in the file's place, through a link, with its mode and without a byte order mark.

    Args:
        document: As it was read.
        text: The new text.
        is_private: Whether it holds keys: nobody but its owner may read it then. A stricter mode stays.

    Raises:
        OSError: it cannot be written; the file is as it was.
    """
    document.path.resolve().parent.mkdir(parents=True, exist_ok=True)
    mode = usual_mode() if document.mode is None else document.mode
    replace_file(document.path, text.encode(), mode & PRIVATE if is_private else mode)


def is_readable_by_others(mode: int | None) -> bool:
    """Whether permission bits let anybody but the owner read; never on Windows, where they say nothing."""
    return os.name == "posix" and mode is not None and bool(mode & (stat.S_IRGRP | stat.S_IROTH))


def make_private(path: Path) -> None:
    """Take from others what they may do with a file.

    Raises:
        OSError: it is not ours.
    """
    path.chmod(stat.S_IMODE(path.stat().st_mode) & PRIVATE)
