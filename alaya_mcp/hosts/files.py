"""The configuration files on a machine, and our entries in them."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path, PureWindowsPath
from typing import Final

from alaya_mcp.hosts.catalogue import HOSTS, Host, Level, Machine, project_file
from alaya_mcp.hosts.documents import Document, members, read_document
from alaya_mcp.hosts.entries import variables_of, words_of
from alaya_mcp.hosts.places import user_files
from alaya_mcp.hosts.references import replaced

SERVER: Final = "alaya"
"""The default name of our entry."""

_OURS: Final = ("alayanew-mcp", "alaya_mcp", "alaya-mcp")
_STRANGER: Final = re.compile(r"(?:[^/\\]*=)?alaya-mcp(?:$|[@=<>~!\[ ].*)", re.IGNORECASE)
_STRANGER_TO_RUNNERS: Final = re.compile(r"(?:[^/\\]*=)?alaya[-_.]+mcp(?:$|[@=<>~!\[ ].*)", re.IGNORECASE)
_RUNNERS: Final = frozenset({"uv", "uvx", "pipx"})


@dataclass(frozen=True, slots=True)
class HostFile:
    """One existing configuration file of a host."""

    host: Host
    level: Level
    document: Document


@dataclass(frozen=True, slots=True)
class Server:
    """One server in a file; `project` is the folder it is limited to, in a user's own file of Claude Code."""

    name: str
    entry: Mapping[str, object] = field(repr=False)
    project: str | None = None

    @property
    def label(self) -> str:
        """Its name, and the folder that it is limited to."""
        return f"{self.name} (project {self.project})" if self.project else self.name

    @property
    def words(self) -> list[str]:
        """The entry's command and its arguments."""
        return words_of(self.entry)

    @property
    def env(self) -> dict[str, object]:
        """The entry's variables."""
        return variables_of(self.entry)

    @property
    def is_named_ours(self) -> bool:
        """Whether the command line names this package, or the one that is mistaken for it."""
        return any(mark in word.casefold() for word in self.words for mark in _OURS)

    @property
    def is_strangers(self) -> bool:
        """Whether its command line names the other project's package."""
        words = self.words
        if not words:
            return False
        program = PureWindowsPath(words[0]).name.lower().removesuffix(".exe")
        if program == "alaya-mcp":
            return True
        pattern = _STRANGER_TO_RUNNERS if program in _RUNNERS else _STRANGER
        # `python -m alaya_mcp` is ours, whatever starts the Python.
        named = (word for before, word in pairwise(words) if not (before == "-m" and "_" in word))
        return any(map(pattern.fullmatch, named))

    @property
    def is_another(self) -> bool:
        """Whether the entry starts or connects to another server than ours."""
        return not self.is_named_ours and bool(
            self.words or any(isinstance(self.entry.get(member), str) for member in ("url", "httpUrl"))
        )


def host_files(machine: Machine, hosts: Mapping[str, Host] = HOSTS) -> list[HostFile]:
    """Return every existing file: the user's own, and those of the project in the working directory."""
    places: list[tuple[Host, Level, Path]] = []
    for host in hosts.values():
        places.extend((host, "user", path) for path in user_files(host, machine))
        if (shared := project_file(host, machine.directory)) and shared not in {path for _, _, path in places}:
            places.append((host, "project", shared))
    read = [HostFile(host, level, read_document(path)) for host, level, path in places]
    return [file for file in read if file.document.state != "missing"]


def our_servers(file: HostFile) -> list[Server]:
    """Return the entries that start this server, or the one mistaken for it, or have our default name."""
    return [server for server in _servers(file) if server.name == SERVER or server.is_named_ours]


def server_of(host: Host, machine: Machine, name: str = SERVER) -> Server | None:
    """Return the entry by which a host starts our server here, or None.

    Of entries with one name, the project's wins over the user's own, as in every host.
    """
    files = sorted(host_files(machine, {host.name: host}), key=lambda file: file.level != "project")
    servers = [
        server
        for file in files
        for server in our_servers(file)
        if server.project is None or Path(server.project) == machine.directory
    ]
    effective: dict[str, Server] = {}
    for server in sorted(servers, key=lambda server: server.project is None):
        effective.setdefault(server.name, server)
    return min(effective.values(), key=lambda server: (server.is_another, server.name != name), default=None)


def environment_of(host: Host, machine: Machine, server: Server) -> dict[str, str]:
    """Return the entry's `env` block with references replaced as the host does it.

    An `${input:...}` is kept: only VS Code knows its value.
    """
    return {
        variable: replaced(host, str(value), machine.environ)
        for variable, value in server.env.items()
        if isinstance(value, str | int) and not isinstance(value, bool)
    }


def _servers(file: HostFile) -> Iterator[Server]:
    data = file.document.data
    for name, entry in members(data.get(file.host.servers_key)).items():
        yield Server(name, members(entry))
    if file.host.name == "claude-code" and file.level == "user":
        for folder, project in members(data.get("projects")).items():
            for name, entry in members(members(project).get(file.host.servers_key)).items():
                yield Server(name, members(entry), folder)
