"""The hosts we know: where their configuration files are, and what differs between them."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

Level = Literal["user", "project"]
"""Whose file it is: a person's own, or one that is shared with a project's other people."""


@dataclass(frozen=True, slots=True)
class Machine:
    """What decides where files are.

    Attributes:
        platform: As `sys.platform`.
        home: The home directory.
        environ: The environment.
        directory: The working directory.
    """

    platform: str
    home: Path
    environ: Mapping[str, str]
    directory: Path

    @classmethod
    def present(cls) -> "Machine":
        """The one that this process runs on."""
        return cls(sys.platform, Path.home(), os.environ, Path.cwd())


@dataclass(frozen=True, slots=True)
class Host:
    """One MCP host.

    Attributes:
        name: What our command line calls it.
        title: What people call it.
        servers_key: The member of its configuration file that holds the servers.
        project_file: Its file inside a project, or None.
        command: Its own command, or None.
        names_transport: Whether its entries say `"type": "stdio"`.
        has_inputs: Whether it asks for secrets itself, by `inputs` in the file.
        has_window: Whether it is started from a desktop, without a shell's PATH.
        reads_comments: Whether comments and trailing commas in its file are known to be fine.
        restart: How it comes to see a change.
        start: What else there is to know of a server that is new to it; may be empty.
    """

    name: str
    title: str
    servers_key: str
    project_file: str | None
    command: str | None
    names_transport: bool
    has_inputs: bool
    has_window: bool
    reads_comments: bool
    restart: str
    start: str = ""


CLAUDE_DESKTOP: Final = Host(
    name="claude-desktop",
    title="Claude Desktop",
    servers_key="mcpServers",
    project_file=None,
    command=None,
    names_transport=False,
    has_inputs=False,
    has_window=True,
    reads_comments=False,
    restart="Quit Claude Desktop, from its menu rather than by closing the window, and start it again.",
)
CLAUDE_CODE: Final = Host(
    name="claude-code",
    title="Claude Code",
    servers_key="mcpServers",
    project_file=".mcp.json",
    command="claude",
    names_transport=True,
    has_inputs=False,
    has_window=False,
    reads_comments=False,
    restart="Start a new session of Claude Code.",
    start="`claude mcp list` shows whether it connects.",
)
VSCODE: Final = Host(
    name="vscode",
    title="VS Code",
    servers_key="servers",
    project_file=".vscode/mcp.json",
    command="code",
    names_transport=True,
    has_inputs=True,
    has_window=True,
    reads_comments=True,
    restart="Restart VS Code.",
    start="The command `MCP: List Servers` there starts the server without that.",
)
CURSOR: Final = Host(
    name="cursor",
    title="Cursor",
    servers_key="mcpServers",
    project_file=".cursor/mcp.json",
    command=None,
    names_transport=True,
    has_inputs=False,
    has_window=True,
    reads_comments=False,
    restart="Restart Cursor.",
)

HOSTS: Final = {host.name: host for host in (CLAUDE_DESKTOP, CLAUDE_CODE, VSCODE, CURSOR)}
"""By name."""


def project_file(host: Host, directory: Path) -> Path | None:
    """A project's file for a host, whether it is there or not; None where the host has no such file."""
    return directory / host.project_file if host.project_file else None


def user_file(host: Host, machine: Machine) -> Path:
    """The person's own file, whether it is there or not: the one that the host reads."""
    return user_files(host, machine)[0]


def user_files(host: Host, machine: Machine) -> list[Path]:
    """Every place where a person's own file may be, the one that the host reads first."""
    match host.name:
        case "claude-desktop":
            folders = [*_packaged_claude_folders(machine), _application_data(machine) / "Claude"]
            return [folder / "claude_desktop_config.json" for folder in folders]
        case "claude-code":
            moved = machine.environ.get("CLAUDE_CONFIG_DIR")
            return [(Path(moved).expanduser() if moved else machine.home) / ".claude.json"]
        case "vscode":
            return [_application_data(machine) / "Code" / "User" / "mcp.json"]
        case _:
            return [machine.home / ".cursor" / "mcp.json"]


def _application_data(machine: Machine) -> Path:
    """The folder that Electron calls appData."""
    if machine.platform == "win32":
        return Path(machine.environ.get("APPDATA") or machine.home / "AppData" / "Roaming")
    if machine.platform == "darwin":
        return machine.home / "Library" / "Application Support"
    return Path(machine.environ.get("XDG_CONFIG_HOME") or machine.home / ".config")


def _packaged_claude_folders(machine: Machine) -> list[Path]:
    """Where Windows redirects the folder of Claude Desktop to when it is installed as a package (MSIX).

    The package reads that folder only; its own menu opens the other one (anthropics/claude-code#26073).
    """
    if machine.platform != "win32":
        return []
    local = Path(machine.environ.get("LOCALAPPDATA") or machine.home / "AppData" / "Local")
    packages = sorted((local / "Packages").glob("Claude_*"))
    folders = [package / "LocalCache" / "Roaming" / "Claude" for package in packages]
    return sorted(folders, key=lambda folder: not folder.is_dir())
