"""Entries as text: to show what is written, without what may be a secret, and to paste. Pure."""

import json
import re
from collections.abc import Mapping
from pathlib import PurePosixPath, PureWindowsPath
from typing import Final

from alaya_mcp.hosts.catalogue import Host
from alaya_mcp.hosts.documents import members
from alaya_mcp.hosts.entries import Wanted
from alaya_mcp.hosts.toml_text import with_table

MASK: Final = "…"
_WORD: Final = re.compile(r"[\w.+/\\-]+")


def snippet(host: Host, name: str, entry: Mapping[str, object], inputs: tuple[Mapping[str, object], ...] = ()) -> str:
    """Return what to paste into a host's file."""
    if host.servers_key == "mcp_servers":
        return with_table("", (host.servers_key, name), entry, None).rstrip()
    whole: dict[str, object] = {"inputs": list(inputs)} if inputs else {}
    return json.dumps({**whole, host.servers_key: {name: entry}}, indent=2, ensure_ascii=False)


def shown(host: Host, wanted: Wanted, entry: Mapping[str, object]) -> dict[str, object]:
    """Return an entry with every value masked that was in the file before: it may be a secret."""
    ours = members(wanted.entry)
    own_env = members(ours.get(host.env_key))
    env = {name: value if name in own_env else MASK for name, value in members(entry.get(host.env_key)).items()}
    masked = {name: value if name in ours else MASK for name, value in entry.items()}
    return {name: env if name == host.env_key else value for name, value in masked.items()}


def shown_command(command: str) -> str:
    """Return the part of an entry's command that cannot hold a secret; may be empty."""
    if _is_plain_command(command):
        return command
    first, _, rest = command.strip().partition(" ")
    return f"{first} {MASK}" if rest and _is_plain_command(first) else ""


def printable(text: str) -> str:
    """Return a text without control characters other than newlines and tabs."""
    lines = text.replace("\r\n", "\n")
    return "".join(mark if mark.isprintable() or mark in "\n\t" else "\N{REPLACEMENT CHARACTER}" for mark in lines)


def _is_plain_command(command: str) -> bool:
    """Return whether a command is one word or an absolute path, not a command line or an assignment."""
    if "=" in command:
        return False
    is_path = PurePosixPath(command).is_absolute() or PureWindowsPath(command).is_absolute()
    return _WORD.fullmatch(command) is not None or (is_path and " -" not in command)
