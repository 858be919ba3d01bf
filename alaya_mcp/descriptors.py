"""Stdin and stdout under private numbers, so that nothing but the protocol reaches them."""

import os
import stat
import sys

_STANDARD = 3


class Descriptors:
    """What descriptors 0 and 1 were, under other numbers; from then on 0 is empty and 1 is stderr.

    Attributes:
        stdin: To read from.
        stdout: To write to.
    """

    def __init__(self) -> None:
        self.stdin = _moved(0, os.open(os.devnull, os.O_RDONLY))
        self.stdout = _moved(1, os.dup(2))


def _moved(descriptor: int, diversion: int) -> int:
    private = os.dup(descriptor)  # above the standard three, which are all open, and not inherited
    os.dup2(diversion, descriptor)
    os.close(diversion)
    return private


def can_be_waited_for() -> bool:
    """Whether stdin and stdout are two pipes or sockets, each for one thing only.

    A terminal, or a socket that is both of them, would be made non-blocking for others too; a regular file cannot be
    waited for, and neither can the pipes of Windows.
    """
    if sys.platform == "win32":
        return False
    try:
        stdin, stdout, stderr = (os.fstat(descriptor) for descriptor in range(_STANDARD))
    except OSError:
        return False
    return (
        all(stat.S_ISFIFO(end.st_mode) or stat.S_ISSOCK(end.st_mode) for end in (stdin, stdout))
        and not os.path.samestat(stdin, stdout)
        and not os.path.samestat(stdout, stderr)
    )
