"""The entry of this server in a host's file: the command that starts it, its keys or references, its settings."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from alaya_mcp.config.place import CONFIG_VARIABLE, PROFILE_VARIABLE
from alaya_mcp.config.settings import VARIABLES
from alaya_mcp.hosts.catalogue import Host, Level
from alaya_mcp.hosts.documents import members
from alaya_mcp.hosts.references import is_reference

KEY_VARIABLES: Final = ("ALAYA_ACCESS_KEY", "ALAYA_SECRET_KEY")
OUR_VARIABLES: Final = frozenset({*VARIABLES, CONFIG_VARIABLE, PROFILE_VARIABLE})
_OF_AN_ACCOUNT: Final = frozenset({*KEY_VARIABLES, "ALAYA_BASE_URL", "ALAYA_SERVICE_ID"})

SERVER_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}")
"""Names that every host accepts; Cursor limits server and tool name together to 60 characters."""


@dataclass(frozen=True, slots=True)
class KeyPair:
    """The two halves of an Open API Key."""

    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)


PLACEHOLDER: Final = re.compile(r"(?:your|my)[ _-].*|<.*>|\.{3}|…|x{3,}|changeme", re.IGNORECASE | re.DOTALL)
PLACEHOLDERS: Final = KeyPair("your access key", "your secret key")


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
    entry: Mapping[str, object] = field(repr=False)
    inputs: tuple[Mapping[str, object], ...] = ()
    displaced: frozenset[str] = frozenset(KEY_VARIABLES)


def launcher(executable: Path, platform: str) -> Launcher:
    """Return the absolute path of the command installed beside the interpreter, or else the interpreter.

    Hosts with a window do not have the shell's PATH.
    """
    installed = executable.with_name("alayanew-mcp.exe" if platform == "win32" else "alayanew-mcp")
    return Launcher(str(installed)) if installed.exists() else Launcher(str(executable), ("-m", "alaya_mcp"))


def takes_literal_keys(host: Host, level: Level) -> bool:
    """Return whether the file gets the keys themselves: only a user's own file, and not if the host asks for them."""
    return level == "user" and not host.has_inputs


def wanted_sandbox(host: Host, name: str, start: Launcher) -> Wanted:
    """Return the entry of a server over the embedded sandbox, which needs no keys."""
    entry = _entry(host, Launcher(start.command, (*start.args, "--sandbox")), {})
    return Wanted(name, entry, displaced=_OF_AN_ACCOUNT | {CONFIG_VARIABLE, PROFILE_VARIABLE})


def wanted_server(
    host: Host, level: Level, name: str, start: Launcher, *, pair: KeyPair | None, settings: Mapping[str, str]
) -> Wanted:
    """Return the entry of a server over a real account.

    A project's file, and VS Code, get references instead of the keys in `pair`; `pair` is None if a profile of our own
    configuration file holds the keys. `settings` are further variables.
    """
    if pair is None:
        return Wanted(name, _entry(host, start, settings))
    inputs: tuple[Mapping[str, object], ...] = ()
    if host.has_inputs:
        inputs = (_input(f"{name}-access-key", "Alaya access key"), _input(f"{name}-secret-key", "Alaya secret key"))
        keys = [f"${{input:{name}-access-key}}", f"${{input:{name}-secret-key}}"]
    elif level == "project":
        keys = [f"${{{'' if host.name == 'claude-code' else 'env:'}{variable}}}" for variable in KEY_VARIABLES]
    else:
        keys = [pair.access_key, pair.secret_key]
    return Wanted(name, _entry(host, start, {**dict(zip(KEY_VARIABLES, keys, strict=True)), **settings}), inputs)


def merged(wanted: Wanted, present: object) -> dict[str, object]:
    """Return the wanted entry with the present one's variables and members that it does not set.

    If the present entry has no command, its members (`url`, `headers`) go.
    """
    there, ours = members(present), members(wanted.entry)
    gone = wanted.displaced | members(ours.get("env")).keys()
    # Windows ignores the case of variables' names.
    kept = {name: value for name, value in members(there.get("env")).items() if name.upper() not in gone}
    env = {**members(ours.get("env")), **kept}
    others = {name: value for name, value in there.items() if name not in ours} if "command" in there else {}
    return {name: value for name, value in {**ours, **others, "env": env}.items() if value is not env or env}


def is_same(entry: Mapping[str, object], present: object) -> bool:
    """Return whether two entries mean the same; the type defaults to stdio."""

    def plain(of: object) -> dict[str, object]:
        given: dict[str, object] = {"type": "stdio", "args": None, "env": None, **members(of)}
        return {name: value or None if name in {"args", "env"} else value for name, value in given.items()}

    return "command" in members(present) and plain(entry) == plain(present)


def literal_keys(entry: object) -> list[str]:
    """Return the variables of an entry that hold a key itself, not a reference to one."""
    env = members(members(entry).get("env"))
    return [name for name in KEY_VARIABLES if (value := env.get(name)) and not is_reference(str(value).strip())]


def _entry(host: Host, start: Launcher, env: Mapping[str, str]) -> dict[str, object]:
    entry: dict[str, object] = {"type": "stdio"} if host.names_transport else {}
    entry |= {"command": start.command, "args": list(start.args)}
    return {**entry, "env": dict(env)} if env else entry


def _input(of: str, description: str) -> dict[str, object]:
    return {"type": "promptString", "id": of, "description": description, "password": True}
