"""A machine in a folder of its own, a person at its terminal, and hosts' own commands on its PATH."""

import json
import shutil
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypedDict, Unpack

import pytest

from alaya_mcp.cli.install import install
from alaya_mcp.cli.uninstall import uninstall
from alaya_mcp.hosts.catalogue import Machine
from alaya_mcp.hosts.transaction import Request, Terminal

ACCESS, SECRET = "planted-AK-5f1c9a", "planted-SK-77aa01"
KEYS = {"ALAYA_ACCESS_KEY": ACCESS, "ALAYA_SECRET_KEY": SECRET}

_STAND_IN = """\
import json, pathlib, sys
notes, place, status, says, refuses, forgets, breaks = told
words = sys.argv[1:]
with open(notes, "a") as file:
    print(json.dumps(words), file=file)
print(says)
if status or refuses in words:
    sys.exit(status or 1)
path = pathlib.Path(place)
text = path.read_text() if path.exists() else "{}"
if words[0] == "--add-mcp":
    entry = json.loads(words[1])
    name, inputs, key = entry.pop("name"), entry.pop("inputs", []), "servers"
else:
    name, inputs, key = words[2], [], "mcpServers"
    entry = {"type": "stdio", "command": "", "args": [], "env": {}}
    if words[1] == "add":
        split = words.index("--")
        entry["env"] = dict(word.split("=", 1) for word in words[5:split] if word != "--env")
        entry["command"], *entry["args"] = words[split + 1:]
entry = {member: value for member, value in entry.items() if member not in forgets}
try:
    data = json.loads(text)
except ValueError:  # as VS Code does it, which keeps comments
    head, end = text.split('"servers": {')
    text = head + '"servers": {' + json.dumps({name: entry})[1:-1] + "," + end
    text = text.replace("{", '{"inputs": ' + json.dumps(inputs) + ",", 1)
else:
    if words[1] == "remove":
        data[key].pop(name)
    else:
        data.setdefault(key, {})[name] = entry
    if inputs:
        data["inputs"] = [*data.get("inputs", []), *inputs]
    text = json.dumps(data)
path.parent.mkdir(parents=True, exist_ok=True)
path.write_text("{" if breaks and words[1] == "remove" else text)
"""

STRANGER = "alaya-mcp"
"""Another project's package of a name that is easily taken for ours."""
posix_only = pytest.mark.skipif(sys.platform == "win32", reason="modes, links and scripts of POSIX")


class Asked(TypedDict, total=False):
    """The rest of a request."""

    name: str
    project: Path | None
    is_sandbox: bool
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

    @property
    def machine(self) -> Machine:
        """What the commands are given."""
        return Machine(self.platform, self.root / "home", self.environ, self.root / "work")

    @property
    def command(self) -> Path:
        """The installed command."""
        return self.root / "venv" / ("alayanew-mcp.exe" if self.platform == "win32" else "alayanew-mcp")

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

    def host_command(
        self,
        name: str,
        *,
        status: int = 0,
        says: str = "",
        refuses: str = "",
        forgets: Iterable[str] = (),
        breaks: bool = False,
    ) -> None:
        """Put a host's own command on the PATH: it notes its arguments, changes its file, and ends as told.

        Args:
            name: Its name.
            status: How it ends; where that is a failure, the file is not changed.
            says: Its output.
            refuses: A word of its arguments that makes it fail.
            forgets: Members of an entry that it does not write.
            breaks: Whether it leaves half of a file after removing.
        """
        script = self.root / "bin" / name
        place = ".config/Code/User/mcp.json" if name == "code" else ".claude.json"
        told = (str(self._notes), str(self.root / "home" / place), status, says, refuses, tuple(forgets), breaks)
        script.write_text(f"#!{sys.executable} -IS\ntold = {told!r}\n{_STAND_IN}", encoding="utf-8")
        script.chmod(0o755)

    @property
    def _notes(self) -> Path:
        return self.root / "notes"

    @property
    def noted(self) -> list[list[str]]:
        """The arguments of each run of a host's command."""
        if not self._notes.exists():
            return []
        return [json.loads(run) for run in self._notes.read_text().splitlines()]

    def which(self, name: str) -> str | None:
        """The PATH's lookup."""
        return shutil.which(name, path=str(self.root / "bin"))

    def install(self, host: str, person: Person | None = None, **request: Unpack[Asked]) -> int:
        """Run the command; it is agreed to where nobody is named."""
        asked = replace(Request(host, "alaya", is_agreed=person is None), **request)
        terminal = (person or Person()).terminal()
        executable = str(self.command.with_name("python"))
        return install(asked, self.machine, terminal, which=self.which, executable=executable)

    def uninstall(self, host: str, person: Person | None = None, **request: Unpack[Asked]) -> int:
        """Run the command; it is agreed to where nobody is named."""
        asked = replace(Request(host, "alaya", is_agreed=person is None), **request)
        return uninstall(asked, self.machine, (person or Person()).terminal(), which=self.which)


def desk_in(folder: Path, *, platform: str = "linux", environ: Iterable[tuple[str, str]] = ()) -> Desk:
    """A desk with an installed command and nothing else."""
    desk = Desk(folder, {"PATH": "/usr/bin:/bin", **dict(environ)}, platform)
    for name in ("home", "work", "bin", "venv"):
        (folder / name).mkdir()
    desk.command.write_text("#!/bin/sh\n")
    desk.command.chmod(0o755)
    return desk
