"""Replace a file as a whole, or leave it unchanged."""

import os
import tempfile
from pathlib import Path


def replace_file(target: Path, content: bytes, mode: int) -> None:
    """Replace a file, with these permissions; the target of a symbolic link is replaced, not the link.

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
    """Return the permission bits of a new file under the user's umask."""
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask
