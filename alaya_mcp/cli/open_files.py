"""The limit of open files, of which each connection is one."""

from contextlib import suppress
from typing import Final

_OTHERS: Final = 64
"""Files that are open besides."""


def allow_connections(count: int) -> None:
    """Raise this process's limit of open files for so many connections, as far as the system lets it.

    macOS begins with 256.
    """
    with suppress(ImportError, OSError, ValueError):  # Windows has no such limit
        import resource  # noqa: PLC0415 not on Windows

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = count + _OTHERS if hard == resource.RLIM_INFINITY else min(count + _OTHERS, hard)
        if soft != resource.RLIM_INFINITY and soft < wanted:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
