"""A throw-away home with one host in it: its file, its commands, and the end of whatever it started."""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.patience import PATIENCE
from tests.real_hosts.hosts import RealHost
from tests.real_hosts.scripted_model import ScriptedModel

ATTEMPTS = 5
"""A host does not wait long for a server, and a busy machine may be slower than that."""


@dataclass(frozen=True, slots=True)
class Home:
    """One host in a home of its own.

    Attributes:
        host: What lives here.
        path: The home.
        modules: The folder node_modules where the hosts are.
        model: The host's model, and the proxy that it has to go through.
    """

    host: RealHost
    path: Path
    modules: Path
    model: ScriptedModel

    @property
    def file(self) -> Path:
        """The user's file of the host."""
        return self.path / self.host.file

    def settle(self) -> None:
        """Write the host's settings, without our server."""
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self.file.write_text(self._filled(self.host.settings), encoding="utf-8")
        self._work.mkdir()

    def ours(self, *words: str, **environ: str) -> str:
        """What a command of ours says in this home, which succeeds."""
        status, said = self._started([sys.executable, "-m", "alaya_mcp", *words], environ)
        assert status == 0, said
        return said

    @property
    def written(self) -> dict[Path, bytes]:
        """Every file of the home, but for those that are links."""
        files = (path for path in self.path.rglob("*") if path.is_file() and not path.is_symlink())
        return {path: path.read_bytes() for path in files}

    def listing(self) -> str:
        """What the host says of its servers, when it has ours in the expected state or does not get there."""
        said = ""
        for _ in range(ATTEMPTS):
            status, said = self._started([str(self._program), *self.host.listing])
            if status == 0 and re.search(self.host.listed, said):
                break
        return said

    def run(self) -> str:
        """What the host says to the prompt, when its model has called our tool or does not get there."""
        said = ""
        for _ in range(ATTEMPTS):
            _, said = self._started([str(self._program), *map(self._filled, self.host.run)])
            if self.model.results:
                break
        return said

    @property
    def _program(self) -> Path:
        return self.modules / self.host.program

    @property
    def _work(self) -> Path:
        return self.path / "work"

    def _filled(self, text: str) -> str:
        return text.replace("@URL@", self.model.url)

    def _environ(self) -> dict[str, str]:
        node = shutil.which("node")
        assert node is not None
        places = [self._commands(), Path(node).parent, *map(Path, ("/usr/bin", "/bin"))]
        proxies = ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY")
        return {
            "HOME": str(self.path),
            "PATH": os.pathsep.join(map(str, places)),
            "LANG": "C.UTF-8",
            "TERM": "dumb",
            "NO_COLOR": "1",
            "NO_PROXY": "127.0.0.1",
            "no_proxy": "127.0.0.1",
            **dict.fromkeys(proxies, self.model.url),
            **{name: self._filled(value) for name, value in self.host.environ},
        }

    def _commands(self) -> Path:
        """A folder with the host's own command, by its own name."""
        folder = self.path / "bin"
        folder.mkdir(exist_ok=True)
        command = folder / self._program.name
        if not command.is_symlink():
            command.symlink_to(self._program)
        return folder

    def _started(self, command: list[str], environ: Mapping[str, str] | None = None) -> tuple[int, str]:
        """The exit status and the output of a command run in this home; nothing that it started is left."""
        try:
            done = subprocess.run(  # noqa: S603 - a command of ours or a host's, with a literal list of arguments
                command,
                cwd=self._work,
                env={**self._environ(), **(environ or {})},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=PATIENCE,
                check=False,
            )
        finally:
            self._end_all()
        return done.returncode, done.stdout.decode(errors="replace")

    def _end_all(self) -> None:
        """End every process that has this home in its environment, so also those that left their parents."""
        mark = b"HOME=" + os.fsencode(self.path)
        for process in Path("/proc").iterdir():
            if process.name.isdecimal():
                with suppress(OSError):
                    if mark in (process / "environ").read_bytes().split(b"\0"):
                        os.kill(int(process.name), signal.SIGKILL)
