"""A lock on an open file: one program at a time writes it."""

import errno
import os
import sys
from importlib import import_module
from typing import Any, BinaryIO, Final

_TAKEN: Final = frozenset({errno.EACCES, errno.EAGAIN, errno.EDEADLK})
_FAR: Final = 2**40
"""Windows locks bytes and keeps others from reading them: one that no file has."""


class Taken(Exception):
    """Another program has the lock."""


def lock(file: BinaryIO, platform: str = sys.platform) -> None:
    """Take the lock of a file until it is closed; a file system without locks gives none.

    Raises:
        Taken: another program has it.
    """
    # Each is there on its own systems only, so that neither is known everywhere.
    try:
        if platform == "win32":
            windows: Any = import_module("msvcrt")
            at = os.lseek(file.fileno(), 0, os.SEEK_CUR)
            os.lseek(file.fileno(), _FAR, os.SEEK_SET)
            try:
                windows.locking(file.fileno(), windows.LK_NBLCK, 1)
            finally:
                os.lseek(file.fileno(), at, os.SEEK_SET)
        else:
            posix: Any = import_module("fcntl")
            posix.flock(file.fileno(), posix.LOCK_EX | posix.LOCK_NB)
    except OSError as error:
        if error.errno in _TAKEN:
            raise Taken from None
