"""Replace a file as a whole, or leave it unchanged."""

import os
import sys
import tempfile
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final, cast

_MOST_TRIES: Final = 20
_PAUSE_SECONDS: Final = 0.05


def replace_file(
    target: Path,
    content: bytes,
    mode: int,
    *,
    platform: str = sys.platform,
    replace: Callable[[Path, Path], object] = os.replace,
    sleep: Callable[[float], object] = time.sleep,  # on Windows alone, where only commands replace files
) -> None:
    """Replace a file by this content; otherwise as `replacement`."""
    with replacement(target, mode, platform=platform, replace=replace, sleep=sleep) as file:
        file.write(content)


@contextmanager
def replacement(
    target: Path,
    mode: int,
    *,
    platform: str = sys.platform,
    replace: Callable[[Path, Path], object] = os.replace,
    sleep: Callable[[float], object] = time.sleep,  # the same
) -> Generator[BinaryIO]:
    """Yield a new file that replaces another at the end; the target of a symbolic link is replaced, not the link.

    Args:
        target: The file, which need not be there.
        mode: Its permission bits, on systems that have them.
        platform: As in `sys.platform`. On Windows a file that another program has open, which a virus scanner does with
            any new one, cannot be replaced: it is tried again for a second.
        replace: Moves a file over another.
        sleep: Waits, in seconds.

    Raises:
        OSError: it cannot be written; what was there is as it was, as after any other exception.
    """
    target = target.resolve()
    descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    temporary = Path(name)
    try:
        with open(descriptor, "wb") as file:  # noqa: PTH123 it is open already
            yield cast("BinaryIO", file)
            file.flush()
            os.fsync(file.fileno())
        if platform != "win32":
            temporary.chmod(mode)
        for tries_left in reversed(range(_MOST_TRIES if platform == "win32" else 1)):
            try:
                replace(temporary, target)
                break
            except PermissionError:
                if not tries_left:
                    raise
                sleep(_PAUSE_SECONDS)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def usual_mode() -> int:
    """Return the permission bits of a new file under the user's umask."""
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask
