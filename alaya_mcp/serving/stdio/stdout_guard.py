"""Stdin and stdout under private descriptors, so that only the protocol uses them."""

import os
import signal
import stat

_STANDARD = 3
_FATAL = (signal.SIGINT, signal.SIGTERM)


class Descriptors:
    """The original descriptors 0 and 1 under other numbers; 0 becomes empty and 1 becomes stderr.

    Args:
        is_waited_for: Whether the event loop waits for them. Then both are non-blocking until they are restored, also
            for other processes on the same pipe.

    Attributes:
        stdin: To read from.
        stdout: To write to.
    """

    _is_waited_for = True

    def __init__(self, *, is_waited_for: bool = True) -> None:
        self.stdin = _moved(0, os.open(os.devnull, os.O_RDONLY))
        self.stdout = _moved(1, os.dup(2))
        self._is_waited_for = is_waited_for
        waited_for = (self.stdin, self.stdout) if is_waited_for else ()
        self._were_blocking = {number: os.get_blocking(number) for number in waited_for}
        for number in self._were_blocking:
            os.set_blocking(number, False)

    def restore(self) -> None:
        """Restore the pipes' blocking mode."""
        for number, was_blocking in self._were_blocking.items():
            os.set_blocking(number, was_blocking)
        self._were_blocking.clear()

    def restore_when_killed(self) -> None:
        """Restore the blocking mode, if it was changed, before a signal ends the process."""
        if not self._is_waited_for:
            return

        def end(number: int, _: object) -> None:
            self.restore()
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)

        for number in _FATAL:
            signal.signal(number, end)

    def close(self) -> None:
        """Restore and close them; a thread may still wait for others, which Windows does not close meanwhile."""
        self.restore()
        if self._is_waited_for:
            os.close(self.stdin)
            os.close(self.stdout)


def _moved(descriptor: int, diversion: int) -> int:
    private = os.dup(descriptor)  # above the standard three, which are all open, and not inherited
    os.dup2(diversion, descriptor)
    os.close(diversion)
    return private


def can_be_waited_for(platform: str) -> bool:
    """Return whether stdin and stdout are two pipes or sockets, as hosts pass them; `platform` is `sys.platform`.

    Other processes write to a terminal, or to a pipe that is also stderr, and would find it non-blocking; the event
    loop cannot wait for regular files or for pipes on Windows.
    """
    if platform == "win32":
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
