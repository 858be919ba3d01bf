"""The configuration files that there are on a machine, and our entries in them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePath, PureWindowsPath
from typing import Final

from alaya_mcp.hosts.catalogue import HOSTS, Host, Level, Machine, project_file, user_files
from alaya_mcp.hosts.documents import Document, elements, members, read_document
from alaya_mcp.hosts.references import replaced

SERVER: Final = "alaya"
"""Our server's name where a person has not chosen another."""

_OURS: Final = ("alayanew-mcp", "alaya_mcp", "alaya-mcp")


@dataclass(frozen=True, slots=True)
class HostFile:
    """One configuration file that is there.

    Attributes:
        host: Whose.
        level: For whom.
        document: What was read.
    """

    host: Host
    level: Level
    document: Document


@dataclass(frozen=True, slots=True)
class Server:
    """One entry of ours.

    Attributes:
        name: Its name.
        entry: What it says.
        project: The project's folder that it is for, in a person's own file of Claude Code.
    """

    name: str
    entry: Mapping[str, object] = field(repr=False)
    project: str | None = None

    @property
    def words(self) -> list[str]:
        """The command and its arguments."""
        return [
            text for text in (self.entry.get("command"), *elements(self.entry.get("args"))) if isinstance(text, str)
        ]

    @property
    def is_named_ours(self) -> bool:
        """Whether its words name this server, or one that is taken for it."""
        return any(mark in word.casefold() for word in self.words for mark in _OURS)

    @property
    def is_another(self) -> bool:
        """Whether it is a server, and not this one; one with neither a command nor an address is none."""
        return not self.is_named_ours and any(isinstance(self.entry.get(member), str) for member in ("command", "url"))


def host_files(machine: Machine, hosts: Mapping[str, Host] = HOSTS) -> list[HostFile]:
    """Every file that exists: people's own, and those of the project in the working directory."""
    places: list[tuple[Host, Level, Path]] = []
    for host in hosts.values():
        places.extend((host, "user", path) for path in user_files(host, machine))
        if (shared := project_file(host, machine.directory)) and shared not in {path for _, _, path in places}:
            places.append((host, "project", shared))
    read = [HostFile(host, level, read_document(path)) for host, level, path in places]
    return [file for file in read if file.document.state != "missing"]


def our_servers(file: HostFile) -> list[Server]:
    """The entries that start this server, or one that is taken for it, or that bear its name."""
    return [server for server in _servers(file) if _is_ours(server)]


def server_of(host: Host, machine: Machine, name: str = SERVER) -> Server | None:
    """The entry that a host starts our server by; None where it has none.

    The project's file counts before the person's own, as in every host.
    """
    files = sorted(host_files(machine, {host.name: host}), key=lambda file: file.level != "project")
    servers = [
        server
        for file in files
        for server in our_servers(file)
        if server.project is None or Path(server.project) == machine.directory
    ]
    chosen = sorted(servers, key=lambda server: (server.name != name, server.project is None))
    return chosen[0] if chosen else None


def environment_of(host: Host, machine: Machine, server: Server) -> dict[str, str]:
    """What a host passes to a server, by variable: the entry's `env` block, variables replaced as the host does it.

    An `${input:...}` stays as it is: only VS Code knows its value.
    """
    return {
        variable: replaced(host, str(value), machine.environ)
        for variable, value in members(server.entry.get("env")).items()
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


def _is_ours(server: Server) -> bool:
    return server.name == SERVER or server.is_named_ours


def is_absolute(command: str, platform: str) -> bool:
    """Whether a command is an absolute path on a platform."""
    return (PureWindowsPath(command) if platform == "win32" else PurePath(command)).is_absolute()
