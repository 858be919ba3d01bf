"""The entry of this server in a host's file: the command that starts it, and its settings; never a key."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Final

from alaya_mcp.config.place import CONFIG_VARIABLE, PROFILE_VARIABLE
from alaya_mcp.config.settings import VARIABLES
from alaya_mcp.hosts.catalogue import Host
from alaya_mcp.hosts.documents import elements, members
from alaya_mcp.hosts.references import is_reference

KEY_VARIABLES: Final = ("ALAYA_ACCESS_KEY", "ALAYA_SECRET_KEY")
OUR_VARIABLES: Final = frozenset({*VARIABLES, CONFIG_VARIABLE, PROFILE_VARIABLE})
_OF_AN_ACCOUNT: Final = frozenset({*KEY_VARIABLES, "ALAYA_BASE_URL", "ALAYA_SERVICE_ID"})

SERVER_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}")
"""Names that every host accepts; Cursor limits server and tool name together to 60 characters."""


@dataclass(frozen=True, slots=True)
class Launcher:
    """The command that starts this installation's server."""

    command: str
    args: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Wanted:
    """The entry to install, the server's name in the host, and the inputs that it refers to (VS Code).

    The variables in `displaced`, in upper case, do not stay in an entry that is there.
    """

    name: str
    entry: Mapping[str, object]
    inputs: tuple[Mapping[str, object], ...] = ()
    displaced: frozenset[str] = frozenset()


def launcher(executable: Path, platform: str) -> Launcher:
    """Return the absolute path of the command installed beside the interpreter, or else the interpreter.

    Hosts with a window do not have the shell's PATH.
    """
    installed = executable.with_name("alayanew-mcp.exe" if platform == "win32" else "alayanew-mcp")
    return Launcher(str(installed)) if installed.exists() else Launcher(str(executable), ("-m", "alaya_mcp"))


def is_temporary(start: Launcher) -> bool:
    """Return whether the command is in an environment that `uvx` or `pipx run` made, which is deleted at some time."""
    parts = PurePath(start.command).parts
    return "archive-v0" in parts or ("pipx" in parts and "venvs" not in parts)


def wanted_sandbox(host: Host, name: str, start: Launcher) -> Wanted:
    """Return the entry of a server over the embedded sandbox, which needs no keys."""
    entry = _entry(host, Launcher(start.command, (*start.args, "--sandbox")), {})
    return Wanted(name, entry, displaced=_OF_AN_ACCOUNT | {CONFIG_VARIABLE, PROFILE_VARIABLE})


def wanted_server(
    host: Host, name: str, start: Launcher, settings: Mapping[str, str], *, displaced: frozenset[str]
) -> Wanted:
    """Return the entry of a server over the account of a profile; `settings` are further variables."""
    return Wanted(name, _entry(host, start, settings), displaced=displaced)


def wanted_with_references(
    host: Host, name: str, start: Launcher, settings: Mapping[str, str], *, displaced: frozenset[str]
) -> Wanted:
    """Return the entry of a server whose keys are in the environment of the host, or asked for by it.

    Raises:
        ValueError: the host can do neither.
    """
    if host.has_inputs:
        inputs = (_input(f"{name}-access-key", "Alaya access key"), _input(f"{name}-secret-key", "Alaya secret key"))
        keys = {key: f"${{input:{given['id']}}}" for key, given in zip(KEY_VARIABLES, inputs, strict=True)}
        return Wanted(name, _entry(host, start, {**keys, **settings}), inputs, displaced)
    if host.name == "codex":
        return Wanted(name, {**_entry(host, start, settings), "env_vars": list(KEY_VARIABLES)}, displaced=displaced)
    if host.reference is None:
        raise ValueError(f"{host.title} has no way to refer to environment variables")
    keys = {key: host.reference.format(key) for key in KEY_VARIABLES}
    return Wanted(name, _entry(host, start, {**keys, **settings}), displaced=displaced)


def merged(host: Host, wanted: Wanted, present: object) -> dict[str, object]:
    """Return the wanted entry with the present one's variables and members that it does not set.

    If the present entry has no command, its members (`url`, `headers`) go.
    """
    there, ours, key = members(present), members(wanted.entry), host.env_key
    gone = wanted.displaced | members(ours.get(key)).keys()
    # Windows ignores the case of variables' names.
    kept = {name: value for name, value in members(there.get(key)).items() if name.upper() not in gone}
    env = {**members(ours.get(key)), **kept}
    others = {name: value for name, value in there.items() if name not in ours} if "command" in there else {}
    if passed := elements(others.pop("env_vars", None)):
        others["env_vars"] = [name for name in passed if name not in gone]
    whole = {**ours, **others, key: env}
    return {name: value for name, value in whole.items() if name not in {key, "env_vars"} or value}


def is_same(host: Host, entry: Mapping[str, object], present: object) -> bool:
    """Return whether two entries mean the same; the type defaults to stdio."""

    def plain(of: object) -> dict[str, object]:
        given: dict[str, object] = {"type": "stdio", "args": None, host.env_key: None, **members(of)}
        return {name: value or None if name in {"args", host.env_key} else value for name, value in given.items()}

    return "command" in members(present) and plain(entry) == plain(present)


def variables_of(entry: object) -> dict[str, object]:
    """Return the variables of an entry, whatever its host calls them."""
    there = members(entry)
    return members(there.get("env")) | members(there.get("environment"))


def words_of(entry: object) -> list[str]:
    """Return the command and the arguments of an entry."""
    there = members(entry)
    command = there.get("command")
    words = [*(elements(command) or [command]), *elements(there.get("args"))]
    return [word for word in words if isinstance(word, str)]


def literal_keys(entry: object) -> list[str]:
    """Return the variables of an entry that hold a key itself, not a reference to one."""
    env = variables_of(entry)
    return [name for name in KEY_VARIABLES if (value := env.get(name)) and not is_reference(str(value).strip())]


def _entry(host: Host, start: Launcher, env: Mapping[str, str]) -> dict[str, object]:
    command: dict[str, object] = {"command": start.command, "args": list(start.args)}
    more: dict[str, object] = {}
    match host.name:
        case "claude-code" | "vscode" | "cursor":
            command = {"type": "stdio", **command}
        case "opencode":
            command = {"type": "local", "command": [start.command, *start.args]}
            more = {"enabled": True}
        case "copilot":
            command = {"type": "local", **command}
            more = {"tools": ["*"]}
        case _:
            pass
    return {**command, **({host.env_key: dict(env)} if env else {}), **more}


def _input(of: str, description: str) -> dict[str, object]:
    return {"type": "promptString", "id": of, "description": description, "password": True}
