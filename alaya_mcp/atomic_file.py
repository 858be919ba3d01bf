"""Putting a whole file in the place of another, or leaving that as it is."""

import os
import tempfile
from pathlib import Path


def replace_file(target: Path, content: bytes, mode: int) -> None:
    """Put a file with these permissions in the place of what is there; a link is written through.

    Args:
        target: The file, which need not be there.
        content: All of it.
        mode: Its permission bits, on systems that have them.

    Raises:
        OSError: it cannot be written; what was there is as it was.
    """
    target = target.resolve()
    descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    temporary = Path(name)
    try:
        with open(descriptor, "wb") as file:  # noqa: PTH123 it is open already
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if os.name == "posix":
            temporary.chmod(mode)
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def usual_mode() -> int:
    """The permission bits of a new file, by the user's mask."""
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask
