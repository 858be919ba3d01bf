"""The server's process without the second that loading takes: forked from a process that has loaded everything.

What is forked runs the same `main` in a process of its own, with pipes, arguments and environment of its own; only the
interpreter's start and the loading of modules are behind it. Claims about those, and one of each file's, start it anew.
"""

import json
import os
import select
import socket
import subprocess
import sys
import tempfile
from functools import cache
from importlib import import_module
from io import TextIOWrapper
from pathlib import Path
from typing import Any, Final

from tests.patience import PATIENCE

IS_POSSIBLE: Final = sys.platform == "linux"
"""Elsewhere there is no fork, or libraries do not bear it."""

_LOADED: Final = (
    "chat",
    "compare",
    "list",
    "bench",
    "doctor",
    "sandbox",
    "faults",
    "embedded_sandbox",
    "login",
    "logout",
    "status",
    "install",
    "uninstall",
)
_MOST: Final = 2**20


class Started:
    """A process that was forked.

    Attributes:
        pid: Its id.
    """

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.pid = int(connection.recv(32))
        self._status: int | None = None

    @property
    def returncode(self) -> int | None:
        """Its exit status where it has ended, negative for a signal; None while it runs."""
        if self._status is None and select.select([self.connection], [], [], 0)[0]:
            self._status = int(self.connection.recv(32))
            self.connection.close()
        return self._status

    def ended(self, seconds: float = PATIENCE) -> int:
        """Wait for its end; its exit status."""
        if self._status is None:
            assert select.select([self.connection], [], [], seconds)[0], "it does not end"
        assert self.returncode is not None
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.returncode is None:
            os.kill(self.pid, number)


def start(arguments: tuple[str, ...], environ: dict[str, str], descriptors: tuple[int, int, int]) -> Started:
    """`python -m alaya_mcp ...` with these as stdin, stdout and stderr."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    connection.connect(_parent().address)
    asked = json.dumps({"arguments": arguments, "environ": environ, "folder": str(Path.cwd())})
    socket.send_fds(connection, [asked.encode()], descriptors)
    return Started(connection)


def run(arguments: tuple[str, ...], environ: dict[str, str], given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """One command to its end."""
    with tempfile.TemporaryFile() as stdin, tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
        stdin.write(given)
        stdin.seek(0)
        started = start(arguments, environ, (stdin.fileno(), stdout.fileno(), stderr.fileno()))
        status = started.ended()
        for file in (stdout, stderr):
            file.seek(0)
        return subprocess.CompletedProcess(arguments, status, stdout.read(), stderr.read())


class _Parent:
    """The process that forks, for one test process.

    Attributes:
        address: Of its socket.
    """

    def __init__(self) -> None:
        self.address = f"\0alaya-tests-{os.getpid()}-{os.urandom(4).hex()}"
        command = [sys.executable, "-m", "tests.warm_start", self.address[1:]]
        folder = Path(__file__).parent.parent
        self._process = subprocess.Popen(command, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # noqa: S603 our own words
        assert self._process.stdout
        assert self._process.stdout.readline() == b"ready\n"

    def end(self) -> None:
        """End it, and wait for what it has forked."""
        self._process.communicate(timeout=PATIENCE)


@cache
def _parent() -> _Parent:
    return _Parent()


def end() -> None:
    """End what was started here, at the end of the tests."""
    if _parent.cache_info().currsize:
        _parent().end()
        _parent.cache_clear()


def _serve(address: str) -> bool:
    """Fork what is asked for, until the test process has ended; whether this is a process that was forked."""
    from alaya_mcp.serving.stdio.sdk import deferring  # noqa: PLC0415 only the parent of forks loads these

    with deferring():
        import_module("alaya_mcp.cli.serve")
    for name in _LOADED:
        import_module(f"alaya_mcp.cli.{name}")
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind(f"\0{address}")
    listener.listen(100)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    keepers = 0
    while sys.stdin not in select.select([sys.stdin, listener], [], [])[0]:
        connection, _ = listener.accept()
        if not os.fork():
            listener.close()
            _keep(connection)
            return True
        connection.close()
        keepers += 1
        while keepers and os.waitpid(-1, os.WNOHANG)[0]:
            keepers -= 1
    for _ in range(keepers):
        os.wait()
    return False


def _keep(connection: socket.socket) -> None:
    """Fork one, and say its id and its end. Returns in the forked process alone, which has the command to run."""
    asked, descriptors, _, _ = socket.recv_fds(connection, _MOST, 3)
    if pid := os.fork():
        for descriptor in (0, 1, *descriptors):
            os.close(descriptor)
        connection.send(str(pid).encode())
        connection.send(str(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])).encode())
        os._exit(0)
    connection.close()
    for number, descriptor in enumerate(descriptors):
        os.dup2(descriptor, number)
        os.close(descriptor)
    _become(**json.loads(asked))


def _become(arguments: list[str], environ: dict[str, str], folder: str) -> None:
    """Take over arguments, environment and streams, as a new interpreter has them."""
    import alaya_mcp.__main__ as program  # noqa: PLC0415 as above

    os.environ.clear()
    os.environ.update(environ)
    os.chdir(folder)
    assert program.__file__
    sys.argv = [program.__file__, *arguments]
    sys.modules["__main__"].__file__ = program.__file__  # anyio's worker processes load it
    encoding, _, errors = environ.get("PYTHONIOENCODING", "utf-8").partition(":")
    for number, (name, mode) in enumerate((("stdin", "rb"), ("stdout", "wb"), ("stderr", "wb"))):
        options: dict[str, Any] = {"write_through": True} if number and environ.get("PYTHONUNBUFFERED") else {}
        how = "backslashreplace" if number == 2 else errors or "strict"
        buffer = os.fdopen(number, mode, closefd=False)
        stream = TextIOWrapper(buffer, encoding, how, line_buffering=number == 2, **options)
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


if __name__ == "__main__":
    from alaya_mcp.cli.main import main

    sys.exit(main() if _serve(sys.argv[1]) else 0)
