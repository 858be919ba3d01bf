"""Hosts' own commands for adding and removing a server: `claude mcp add`, `code --add-mcp`."""

import json
import re
import shlex
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PureWindowsPath
from typing import Final

from alaya_mcp.hosts.catalogue import Host
from alaya_mcp.hosts.differences import masked_words, printable
from alaya_mcp.hosts.documents import elements, members
from alaya_mcp.hosts.entries import KEY_VARIABLES, Wanted

_SECONDS: Final = 120
_SHOWN: Final = 4_000
"""Characters of a command's output."""
_BATCH_SYNTAX: Final = re.compile(r"[&|<>^%!\r\n]")


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a command ended.

    Attributes:
        status: Its exit status; None where it did not start or did not end.
        output: What it said, without secrets.
    """

    status: int | None
    output: str


def add_arguments(host: Host, wanted: Wanted, entry: Mapping[str, object]) -> tuple[str, ...]:
    """What the host's command is given to add an entry at user level.

    Claude Code takes every word behind `--env` for a variable, so the server's name comes first.
    """
    if host.name == "vscode":
        whole = {"name": wanted.name, **entry, **({"inputs": list(wanted.inputs)} if wanted.inputs else {})}
        return ("--add-mcp", json.dumps(whole, ensure_ascii=False))
    env = [word for name, value in members(entry.get("env")).items() for word in ("--env", f"{name}={value}")]
    start = [str(entry["command"]), *map(str, elements(entry.get("args")))]
    return ("mcp", "add", wanted.name, "--scope", "user", *env, "--", *start)


def remove_arguments(host: Host, name: str) -> tuple[str, ...] | None:
    """What the host's command is given to remove an entry at user level; None where it cannot."""
    return ("mcp", "remove", name, "--scope", "user") if host.name == "claude-code" else None


def secrets_of(*entries: object) -> list[str]:
    """The values in entries that are not to be shown: keys, and variables that are not ours."""
    found = [
        str(value)
        for entry in entries
        for name, value in members(members(entry).get("env")).items()
        if (name in KEY_VARIABLES or not name.startswith("ALAYA_")) and "${" not in str(value)
    ]
    return sorted(found, key=len, reverse=True)  # one may be part of another


def can_be_passed(program: str, arguments: Iterable[str]) -> bool:
    """Whether a program gets its arguments as they are: a batch file (.cmd) on Windows reads some characters itself."""
    is_batch = PureWindowsPath(program).suffix.lower() in {".cmd", ".bat"}
    return not is_batch or not any(map(_BATCH_SYNTAX.search, arguments))


def shown(host: Host, arguments: Sequence[str], secrets: Iterable[str], *, platform: str) -> str:
    """A command line as a person would type it, without secrets."""
    words = [host.command or "", *(masked_words(word, secrets) for word in arguments)]
    return printable(subprocess.list2cmdline(words) if platform == "win32" else shlex.join(words))


def run(program: str, arguments: Sequence[str], environ: Mapping[str, str], secrets: Iterable[str]) -> Outcome:
    """Run a host's command to its end."""
    command = [program, *arguments]
    try:
        done = subprocess.run(  # noqa: S603 the host's own program, which the person has installed
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=_SECONDS,
            env=dict(environ),
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Outcome(None, f"It had not ended after {_SECONDS} seconds.")
    except (OSError, ValueError) as error:
        return Outcome(None, f"It could not be started: {getattr(error, 'strerror', None) or type(error).__name__}.")
    said = done.stdout.decode(errors="replace").strip()
    return Outcome(done.returncode, printable(masked_words(said, secrets))[:_SHOWN])
