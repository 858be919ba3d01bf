"""The supported hosts: where their configuration files are, and what differs between them."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

Level = Literal["user", "project"]
"""Who uses a file: one person, or everybody who works on a project."""


@dataclass(frozen=True, slots=True)
class Machine:
    """What decides where files are; `platform` is as in `sys.platform`, `directory` is the working directory."""

    platform: str
    home: Path
    environ: Mapping[str, str]
    directory: Path

    @classmethod
    def present(cls) -> "Machine":
        """Return the machine that this process runs on."""
        return cls(sys.platform, Path.home(), os.environ, Path.cwd())


@dataclass(frozen=True, slots=True)
class Host:
    """One MCP host.

    Attributes:
        name: Its name on our command line.
        title: Its product name.
        restart: How to make it read its file again.
        start: What to know about a newly added server; may be empty.
        servers_key: The member of its file that holds the servers.
        project_file: Its file inside a project, or None.
        command: Its own command, or None.
        names_transport: Whether its entries say `"type": "stdio"`.
        has_inputs: Whether it asks for secrets itself, by `inputs` in the file.
        has_window: Whether it is started from a desktop, without a shell's PATH.
        reads_comments: Whether it is known to accept comments and trailing commas in its file.
    """

    name: str
    title: str
    restart: str
    start: str = ""
    servers_key: str = "mcpServers"
    project_file: str | None = None
    command: str | None = None
    names_transport: bool = True
    has_inputs: bool = False
    has_window: bool = True
    reads_comments: bool = False


CLAUDE_DESKTOP: Final = Host(
    name="claude-desktop",
    title="Claude Desktop",
    restart="Quit Claude Desktop, from its menu rather than by closing the window, and start it again.",
    names_transport=False,
)
CLAUDE_CODE: Final = Host(
    name="claude-code",
    title="Claude Code",
    restart="Start a new session of Claude Code.",
    start="`claude mcp list` shows whether it connects.",
    project_file=".mcp.json",
    command="claude",
    has_window=False,
)
VSCODE: Final = Host(
    name="vscode",
    title="VS Code",
    restart="Restart VS Code.",
    start="Or run its command `MCP: List Servers` to start the server without a restart.",
    servers_key="servers",
    project_file=".vscode/mcp.json",
    command="code",
    has_inputs=True,
    reads_comments=True,
)
CURSOR: Final = Host(name="cursor", title="Cursor", restart="Restart Cursor.", project_file=".cursor/mcp.json")

HOSTS: Final = {host.name: host for host in (CLAUDE_DESKTOP, CLAUDE_CODE, VSCODE, CURSOR)}
"""By name."""


def project_file(host: Host, directory: Path) -> Path | None:
    """Return the path of a project's file, whether it exists or not; None if the host has no such file."""
    return directory / host.project_file if host.project_file else None


def user_file(host: Host, machine: Machine) -> Path:
    """Return the path of the user's own file that the host reads, whether it exists or not."""
    return user_files(host, machine)[0]


def user_files(host: Host, machine: Machine) -> list[Path]:
    """Return every place where the user's own file may be, the one that the host reads first."""
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
    """Return the folder that Electron calls appData."""
    if machine.platform == "win32":
        return Path(machine.environ.get("APPDATA") or machine.home / "AppData" / "Roaming")
    if machine.platform == "darwin":
        return machine.home / "Library" / "Application Support"
    return Path(machine.environ.get("XDG_CONFIG_HOME") or machine.home / ".config")


def _packaged_claude_folders(machine: Machine) -> list[Path]:
    """Return where Windows redirects Claude Desktop's folder if it is installed as a package (MSIX).

    The package reads only that folder; its own menu opens the other one (anthropics/claude-code#26073).
    """
    if machine.platform != "win32":
        return []
    local = Path(machine.environ.get("LOCALAPPDATA") or machine.home / "AppData" / "Local")
    packages = sorted((local / "Packages").glob("Claude_*"))
    folders = [package / "LocalCache" / "Roaming" / "Claude" for package in packages]
    return sorted(folders, key=lambda folder: not folder.is_dir())
