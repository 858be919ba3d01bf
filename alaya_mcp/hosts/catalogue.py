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
        """Return the machine that this process runs on.

        Raises:
            RuntimeError: there is no home folder.
            OSError: there is no working directory.
        """
        home = Path.home()
        if not home.is_absolute() or os.environ.get("HOME") == "":
            raise RuntimeError("HOME is not a folder's path")
        return cls(sys.platform, home, os.environ, Path.cwd())


@dataclass(frozen=True, slots=True)
class Host:
    """One MCP host.

    Attributes:
        name: Its name on our command line.
        title: Its product name.
        restart: How to make it read its file again.
        start: What to know about a newly added server; may be empty.
        servers_key: The member of its file that holds the servers.
        env_key: The member of an entry that holds its variables.
        project_file: Its file inside a project, or None.
        command: Its own command, or None.
        reference: How an entry refers to an environment variable, with `{}` for its name; None if it cannot.
        has_window: Whether it is started from a desktop, without a shell's environment.
        passes_shell: Whether it passes all of its own environment on to servers; Gemini leaves out what looks secret.
    """

    name: str
    title: str
    restart: str
    start: str = ""
    servers_key: str = "mcpServers"
    env_key: str = "env"
    project_file: str | None = None
    command: str | None = None
    reference: str | None = None
    has_window: bool = False
    passes_shell: bool = True

    @property
    def has_inputs(self) -> bool:
        """Whether it asks for secrets itself, by `inputs` in the file."""
        return self.name == "vscode"


CLAUDE_DESKTOP: Final = Host(
    name="claude-desktop",
    title="Claude Desktop",
    restart="Quit Claude Desktop, from its menu rather than by closing the window, and start it again.",
    has_window=True,
    passes_shell=False,
)
CLAUDE_CODE: Final = Host(
    name="claude-code",
    title="Claude Code",
    restart="Start a new session of Claude Code.",
    start="`claude mcp list` shows whether it connects.",
    project_file=".mcp.json",
    command="claude",
    reference="${{{}}}",
)
VSCODE: Final = Host(
    name="vscode",
    title="VS Code",
    restart="Restart VS Code.",
    start="Or run its command `MCP: List Servers` to start the server without a restart.",
    servers_key="servers",
    project_file=".vscode/mcp.json",
    command="code",
    reference="${{env:{}}}",
    has_window=True,
)
CURSOR: Final = Host(
    name="cursor",
    title="Cursor",
    restart="Restart Cursor.",
    project_file=".cursor/mcp.json",
    reference="${{env:{}}}",
    has_window=True,
)
CODEX: Final = Host(
    name="codex",
    title="Codex",
    restart="Start a new session of Codex.",
    start="`codex mcp list` shows the entry, `/mcp` in a session whether it connects.",
    servers_key="mcp_servers",
    project_file=".codex/config.toml",
    command="codex",
    passes_shell=False,
)
GEMINI: Final = Host(
    name="gemini",
    title="Gemini CLI",
    restart="Start a new session of Gemini CLI.",
    start="`gemini mcp list` shows whether it connects; it starts servers in trusted folders only.",
    project_file=".gemini/settings.json",
    command="gemini",
    reference="${{{}}}",
    passes_shell=False,
)
QWEN: Final = Host(
    name="qwen",
    title="Qwen Code",
    restart="Start a new session of Qwen Code.",
    start="`qwen mcp list` shows whether it connects.",
    project_file=".qwen/settings.json",
    command="qwen",
    reference="${{{}}}",
)
COPILOT: Final = Host(
    name="copilot",
    title="Copilot CLI",
    restart="Start a new session of Copilot CLI.",
    start="`/mcp show` in a session shows whether it connects.",
    command="copilot",
    reference="${{{}}}",
)
OPENCODE: Final = Host(
    name="opencode",
    title="opencode",
    restart="Start opencode again.",
    start="`opencode mcp list` shows whether it connects.",
    servers_key="mcp",
    env_key="environment",
    project_file="opencode.json",
    command="opencode",
    reference="{{env:{}}}",
)
CLINE: Final = Host(name="cline", title="Cline", restart="Start Cline again.", command="cline")

OTHER: Final = Host(name="other", title="Another host", restart="Restart the host.")
"""A host of the form that most have, to print an entry for."""

HOSTS: Final = {
    host.name: host
    for host in (CLAUDE_DESKTOP, CLAUDE_CODE, VSCODE, CURSOR, CODEX, GEMINI, QWEN, COPILOT, OPENCODE, CLINE)
}
"""By name."""


def project_file(host: Host, directory: Path) -> Path | None:
    """Return the path of a project's file, whether it exists or not; None if the host has no such file."""
    return directory / host.project_file if host.project_file else None
