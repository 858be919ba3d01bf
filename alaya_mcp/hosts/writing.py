"""Configuration files on disk: backups that overwrite nothing, and atomic replacements."""

import os
import stat
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Final

from alaya_mcp.atomic_file import replace_file, usual_mode
from alaya_mcp.hosts.documents import Document

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
    for number in count():
        copy = document.path.with_name(f"{document.path.name}.bak{f'-{number}' if number else ''}")
        with (
            suppress(FileExistsError),
            open(copy, "xb", opener=lambda path, flags: os.open(path, flags, PRIVATE)) as file,
        ):
            file.write(document.content or b"")
            return copy
    raise AssertionError("count ends")


def replace(document: Document, text: str, *, is_private: bool) -> None:
    """Replace the file's text, through a link, keeping its mode; if `is_private`, only the owner may read it.

    Raises:
        OSError: it cannot be written; the file is as it was.
    """
    document.path.resolve().parent.mkdir(parents=True, exist_ok=True)
    mode = usual_mode() if document.mode is None else document.mode
    replace_file(document.path, text.encode(), mode & PRIVATE if is_private else mode)


def is_readable_by_others(mode: int | None) -> bool:
    """Return whether permission bits let others read; False on Windows, where they mean nothing."""
    return os.name == "posix" and mode is not None and bool(mode & (stat.S_IRGRP | stat.S_IROTH))
