"""Where each host keeps the user's own file, and how to see that a host is on this machine."""

from collections.abc import Callable
from pathlib import Path

from alaya_mcp.hosts.catalogue import HOSTS, Host, Machine

Which = Callable[[str], str | None]
"""`shutil.which`."""


def user_file(host: Host, machine: Machine) -> Path:
    """Return the path of the user's own file that the host reads, whether it exists or not."""
    return user_files(host, machine)[0]


def user_files(host: Host, machine: Machine) -> list[Path]:
    """Return every place where the user's own file may be, the one that the host reads first."""
    home, data = machine.home, _application_data(machine)

    def moved(variable: str, usual: Path) -> Path:
        given = machine.environ.get(variable)
        return Path(given).expanduser() if given else usual

    match host.name:
        case "claude-desktop":
            folders = [*_packaged_claude_folders(machine), data / "Claude"]
            return [folder / "claude_desktop_config.json" for folder in folders]
        case "claude-code":
            return [moved("CLAUDE_CONFIG_DIR", home) / ".claude.json"]
        case "vscode":
            return [data / "Code" / "User" / "mcp.json"]
        case "codex":
            return [moved("CODEX_HOME", home / ".codex") / "config.toml"]
        case "gemini":
            return [moved("GEMINI_CLI_HOME", home) / ".gemini" / "settings.json"]
        case "copilot":
            return [moved("COPILOT_HOME", home / ".copilot") / "mcp-config.json"]
        case "opencode":
            folder = moved("XDG_CONFIG_HOME", home / ".config") / "opencode"
            files = [folder / "opencode.json", folder / "opencode.jsonc"]
            return sorted(files, key=lambda path: not path.exists())
        case "cline":
            extension = data / "Code" / "User" / "globalStorage" / "saoudrizwan.claude-dev"
            folders = [home / ".cline" / "data", extension]
            files = [folder / "settings" / "cline_mcp_settings.json" for folder in folders]
            return sorted(files, key=lambda path: not path.parent.parent.exists())
        case _:
            return [home / f".{host.name}" / ("mcp.json" if host.name == "cursor" else "settings.json")]


def present_hosts(machine: Machine, which: Which) -> list[Host]:
    """Return the hosts that are on this machine, by their commands, files and folders."""
    return [host for host in HOSTS.values() if _is_present(host, machine, which)]


def _is_present(host: Host, machine: Machine, which: Which) -> bool:
    if host.command and which(host.command):
        return True
    files = user_files(host, machine)
    folders = {file.parent for file in files} - {machine.home}
    if host.name == "vscode":
        folders = {folder.parent for folder in folders}
    if host.name == "cline":
        folders = {folder.parent for folder in folders}
    return any(path.exists() for path in [*files, *folders])


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
