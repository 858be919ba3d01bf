"""Stdin and stdout under private numbers, so that nothing but the protocol reaches them."""

import os
import signal
import stat
import sys

_STANDARD = 3
_FATAL = (signal.SIGINT, signal.SIGTERM)


class Descriptors:
    """What descriptors 0 and 1 were, under other numbers; from then on 0 is empty and 1 is stderr.

    Both are non-blocking, which whoever shares the same pipe sees too, until they are given back.

    Attributes:
        stdin: To read from.
        stdout: To write to.
    """

    def __init__(self) -> None:
        self.stdin = _moved(0, os.open(os.devnull, os.O_RDONLY))
        self.stdout = _moved(1, os.dup(2))
        self._were_blocking = {number: os.get_blocking(number) for number in (self.stdin, self.stdout)}
        for number in self._were_blocking:
            os.set_blocking(number, False)

    def give_back(self) -> None:
        """Leave the pipes as they were found."""
        for number, was_blocking in self._were_blocking.items():
            os.set_blocking(number, was_blocking)
        self._were_blocking.clear()

    def give_back_when_killed(self) -> None:
        """Give them back before a signal ends the process, as it would without this."""

        def end(number: int, _: object) -> None:
            self.give_back()
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)

        for number in _FATAL:
            signal.signal(number, end)

    def close(self) -> None:
        """Give them back and let go of them."""
        self.give_back()
        os.close(self.stdin)
        os.close(self.stdout)


def _moved(descriptor: int, diversion: int) -> int:
    private = os.dup(descriptor)  # above the standard three, which are all open, and not inherited
    os.dup2(diversion, descriptor)
    os.close(diversion)
    return private


def can_be_waited_for() -> bool:
    """Whether stdin and stdout are two pipes or sockets, as hosts give them.

    A terminal, or what is also stderr, others write to as well, and would find it non-blocking; a regular file cannot
    be waited for, and neither can the pipes of Windows.
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
