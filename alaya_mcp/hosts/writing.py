"""Configuration files on disk: backups that overwrite nothing, and atomic replacements."""

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Final

from alaya_mcp.atomic_file import replace_file, usual_mode
from alaya_mcp.hosts.documents import Document, read_document

PRIVATE: Final = 0o600


def content_of(path: Path) -> bytes | None:
    """Return a file's bytes as they are now; None if it is missing.

    Raises:
        OSError: it cannot be read.
    """
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def back_up(document: Document) -> Path:
    """Copy the file to `NAME.bak`, `NAME.bak-1`, ... beside it, readable by its owner only; return the path.

    Raises:
        OSError: it cannot be written.
    """
    for copy in _names(document.path):
        with (
            suppress(FileExistsError),
            open(copy, "xb", opener=lambda path, flags: os.open(path, flags, PRIVATE)) as file,
        ):
            file.write(document.content or b"")
            return copy
    raise AssertionError("count ends")


def backups(document: Document) -> list[Document]:
    """Return the backups of a file that can be read, the newest first."""
    found: list[Document] = []
    for copy in _names(document.path):
        if not copy.exists():
            break
        found.insert(0, read_document(copy))
    return [copy for copy in found if copy.state != "broken"]


def replace(document: Document, content: bytes) -> None:
    """Replace the file's content, through a link, keeping its mode.

    Raises:
        OSError: it cannot be written; the file is as it was.
    """
    document.path.resolve().parent.mkdir(parents=True, exist_ok=True)
    replace_file(document.path, content, usual_mode() if document.mode is None else document.mode)


def is_readable_by_others(mode: int | None) -> bool:
    """Return whether permission bits let others read; False on Windows, where they mean nothing."""
    return os.name == "posix" and mode is not None and bool(mode & (stat.S_IRGRP | stat.S_IROTH))


def _names(path: Path) -> Iterator[Path]:
    return (path.with_name(f"{path.name}.bak{f'-{number}' if number else ''}") for number in count())
