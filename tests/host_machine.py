"""A machine in a folder of its own, and a person at its terminal."""

import json
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypedDict, Unpack

import anyio
import pytest

from alaya_mcp.cli.install import Surroundings, install
from alaya_mcp.cli.uninstall import uninstall
from alaya_mcp.config.place import default_config_path
from alaya_mcp.hosts.catalogue import HOSTS, Host, Machine
from alaya_mcp.hosts.transaction import Request, Terminal

ACCESS, SECRET = "planted-AK-5f1c9a", "planted-SK-77aa01"
KEYS = {"ALAYA_ACCESS_KEY": ACCESS, "ALAYA_SECRET_KEY": SECRET}

PROFILE = f'[profiles.default]\naccess_key = "{ACCESS}"\nsecret_key = "{SECRET}"\n'
"""What `login` leaves in our own configuration file."""
STRANGER = "alaya-mcp"
"""Another project's package of a name that is easily taken for ours."""
posix_only = pytest.mark.skipif(sys.platform == "win32", reason="modes, links and scripts of POSIX")


class Asked(TypedDict, total=False):
    """The rest of a request."""

    name: str
    project: Path | None
    is_sandbox: bool
    has_env_keys: bool
    is_dry: bool
    is_agreed: bool


@dataclass
class Person:
    """Somebody who answers what they are asked, or nobody.

    Attributes:
        said: What was shown.
        warned: What went wrong.
        questions: What was asked.
    """

    answers: list[str] = field(default_factory=list[str])
    secrets: list[str] = field(default_factory=list[str])
    is_there: bool = True
    can_log_in: bool = False
    said: list[str] = field(default_factory=list[str])
    warned: list[str] = field(default_factory=list[str])
    questions: list[str] = field(default_factory=list[str])
    before_answering: Callable[[], object] = field(default=lambda: None)

    def terminal(self) -> Terminal:
        """Where they sit."""
        ask, ask_secret = (self._answer, self._secret) if self.is_there else (None, None)
        return Terminal(lambda text, _style: self.said.append(text), self.warned.append, ask, ask_secret)

    def _answer(self, question: str) -> str:
        self.questions.append(question)
        self.before_answering()
        return self.answers.pop(0)

    def _secret(self, question: str) -> str:
        self.questions.append(question)
        return self.secrets.pop(0)

    @property
    def read(self) -> str:
        """Everything that they could read."""
        return "\n".join([*self.said, *self.warned, *self.questions])


@dataclass
class Desk:
    """A machine whose home, PATH and interpreter are in one folder."""

    root: Path
    environ: dict[str, str]
    platform: str = "linux"
    folder: str = "venv"
    logins: int = 0
    judged: list[str] = field(default_factory=list[str])

    @property
    def machine(self) -> Machine:
        """What the commands are given."""
        return Machine(self.platform, self.root / "home", self.environ, self.root / "work")

    @property
    def command(self) -> Path:
        """The installed command."""
        return self.root / self.folder / ("alayanew-mcp.exe" if self.platform == "win32" else "alayanew-mcp")

    def write(self, place: str, content: str | dict[str, Any]) -> Path:
        """A file of the home directory."""
        path = self.root / "home" / place
        path.parent.mkdir(parents=True, exist_ok=True)
        text = content if isinstance(content, str) else json.dumps(content, indent=2) + "\n"
        path.write_bytes(text.encode())
        return path

    def data(self, place: str) -> dict[str, Any]:
        """What a file of the home directory says."""
        return json.loads((self.root / "home" / place).read_text(encoding="utf-8"))

    def log_in(self) -> None:
        """Write the profile that `login` writes."""
        self.config.parent.mkdir(parents=True, exist_ok=True)
        self.config.write_text(PROFILE, encoding="utf-8")

    @property
    def config(self) -> Path:
        """Our own configuration file."""
        return default_config_path()

    def install(self, host: str, person: Person | None = None, **request: Unpack[Asked]) -> int:
        """Run the command; it is agreed to where nobody is named."""
        return self.install_all([host], person, **request)

    def install_all(self, hosts: Iterable[str], person: Person | None = None, **request: Unpack[Asked]) -> int:
        """Run the command for several hosts; it is agreed to where nobody is named."""
        asked = replace(Request("alaya", is_agreed=person is None), **request)
        person = person or Person()

        async def log_in() -> bool:
            self.logins += 1
            if person.can_log_in:
                self.log_in()
            return person.can_log_in

        async def judge(host: Host, _machine: Machine) -> None:
            self.judged.append(host.name)

        executable = str(self.command.with_name("python"))
        around = Surroundings(self.machine, person.terminal(), executable, log_in, judge)
        return anyio.run(install, asked, [HOSTS[host] for host in hosts], around)

    def uninstall(self, host: str, person: Person | None = None, **request: Unpack[Asked]) -> int:
        """Run the command; it is agreed to where nobody is named."""
        asked = replace(Request("alaya", is_agreed=person is None), **request)
        return uninstall(asked, [HOSTS[host]], self.machine, (person or Person()).terminal())


def desk_in(folder: Path, *, platform: str = "linux", environ: Iterable[tuple[str, str]] = ()) -> Desk:
    """A desk with an installed command and nothing else."""
    desk = Desk(folder, {"PATH": "/usr/bin:/bin", **dict(environ)}, platform)
    for name in ("home", "work", "bin", "venv"):
        (folder / name).mkdir()
    desk.command.write_text("#!/bin/sh\n")
    desk.command.chmod(0o755)
    return desk
