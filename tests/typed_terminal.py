"""A real terminal with somebody who types: a command runs on a pseudo-terminal, and its screen is read."""

import errno
import os
import select
import subprocess
import sys
import termios
from types import TracebackType
from typing import Final, Self

from tests.patience import PATIENCE

_TAKES_THE_TERMINAL: Final = (
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"
)
_LFLAG: Final = 3


class TypedTerminal:
    """`alayanew-mcp ARGUMENTS` on a terminal.

    Attributes:
        screen: Everything that was shown.
    """

    def __init__(self, *arguments: str, environ: dict[str, str]) -> None:
        self._person, command_end = os.openpty()
        self.screen = ""
        self._looked_at = 0
        command = [sys.executable, "-m", "alaya_mcp", *arguments]
        self.process = subprocess.Popen(  # noqa: S603 our own command
            [sys.executable, "-c", _TAKES_THE_TERMINAL, *command],
            stdin=command_end,
            stdout=command_end,
            stderr=command_end,
            env=environ,
            start_new_session=True,
        )
        os.close(command_end)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        os.close(self._person)
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(PATIENCE)

    @property
    def echoes(self) -> bool:
        """Whether what is typed is shown."""
        flags: int = termios.tcgetattr(self._person)[_LFLAG]
        return bool(flags & termios.ECHO)

    def shows(self, text: str) -> None:
        """Read until the screen shows this, after what was waited for before: what is typed earlier is not read."""
        while (at := self.screen.find(text, self._looked_at)) < 0:
            assert self._read(), f"it ended, and shows: {self.screen}"
        self._looked_at = at + len(text)

    def types(self, line: str) -> None:
        """Type a line."""
        os.write(self._person, f"{line}\n".encode())

    def presses(self, key: bytes) -> None:
        """Press a key."""
        os.write(self._person, key)

    def ends(self) -> int:
        """Read to the end; the exit status."""
        while self._read():
            pass
        return self.process.wait(PATIENCE)

    def _read(self) -> bool:
        assert select.select([self._person], [], [], PATIENCE)[0], f"it says nothing more: {self.screen}"
        try:
            some = os.read(self._person, 2**16)
        except OSError as error:  # Linux says so where a file would just end
            if error.errno != errno.EIO:
                raise
            some = b""
        self.screen += some.decode(errors="replace").replace("\r\n", "\n")
        return bool(some)
