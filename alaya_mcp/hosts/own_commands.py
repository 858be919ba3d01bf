"""Hosts' own commands for adding and removing a server: `claude mcp add`, `code --add-mcp`."""

import json
import re
import shlex
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PureWindowsPath
from typing import Final

from alaya_mcp.hosts.catalogue import Host
from alaya_mcp.hosts.differences import masked_entry, masked_words, printable
from alaya_mcp.hosts.documents import elements, members, reason
from alaya_mcp.hosts.entries import Wanted

_SECONDS: Final = 120
_SHOWN: Final = 4_000
"""Characters of a command's output that are shown."""
_TAKEN: Final = frozenset({"type", "command", "args", "env"})
_BATCH_SYNTAX: Final = re.compile(r"[&|<>^%!\r\n]")


@dataclass(frozen=True, slots=True)
class Call:
    """The arguments of one run of a host's command, as they are and with possible secrets masked."""

    arguments: tuple[str, ...] = field(repr=False)
    shown: tuple[str, ...]

    @property
    def holds_secrets(self) -> bool:
        """Whether an argument may be a secret."""
        return self.arguments != self.shown


@dataclass(frozen=True, slots=True)
class Outcome:
    """A command's exit status, None if it did not start or end, and its output without secrets."""

    status: int | None
    output: str


def adding(host: Host, wanted: Wanted, entry: Mapping[str, object]) -> Call:
    """Return the run that adds an entry at user level."""
    return Call(_add_arguments(host, wanted, entry), _add_arguments(host, wanted, masked_entry(entry)))


def removing(host: Host, name: str) -> Call | None:
    """Return the run that removes an entry at user level; None if the host's command cannot."""
    arguments = ("mcp", "remove", name, "--scope", "user")
    return Call(arguments, arguments) if host.name == "claude-code" else None


def not_taken(host: Host, entry: Mapping[str, object]) -> list[str]:
    """Return the members of an entry that cannot be passed to the host's command."""
    if host.name == "vscode":  # it takes the whole entry
        return []
    env = members(entry.get("env")).items()
    is_odd = any(not isinstance(value, str) or not name or "=" in name for name, value in env)
    return [name for name in entry if name not in _TAKEN or (name == "env" and is_odd)]


def _add_arguments(host: Host, wanted: Wanted, entry: Mapping[str, object]) -> tuple[str, ...]:
    """Return the command's arguments.

    Claude Code takes every word after `--env` as a variable, so the server's name comes first.
    """
    if host.name == "vscode":
        whole = {"name": wanted.name, **entry, **({"inputs": list(wanted.inputs)} if wanted.inputs else {})}
        return ("--add-mcp", json.dumps(whole, ensure_ascii=False))
    env = [word for name, value in members(entry.get("env")).items() for word in ("--env", f"{name}={value}")]
    start = [str(entry["command"]), *map(str, elements(entry.get("args")))]
    return ("mcp", "add", wanted.name, "--scope", "user", *env, "--", *start)


def can_be_passed(program: str, arguments: Iterable[str]) -> bool:
    """Return whether a program gets its arguments unchanged: a batch file on Windows interprets some characters."""
    is_batch = PureWindowsPath(program).suffix.lower() in {".cmd", ".bat"}
    return not is_batch or not any(map(_BATCH_SYNTAX.search, arguments))


def shown(host: Host, call: Call, *, platform: str) -> str:
    """Return a command line as a person would type it, without secrets."""
    words = [host.command or "", *call.shown]
    return printable(subprocess.list2cmdline(words) if platform == "win32" else shlex.join(words))


def run(program: str, arguments: Sequence[str], environ: Mapping[str, str], secrets: Iterable[str]) -> Outcome:
    """Run a host's command to its end, with its output masked."""
    try:
        done = subprocess.run(  # noqa: S603 the host's own program, which the user installed
            [program, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=_SECONDS,
            env=dict(environ),
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Outcome(None, f"It did not end within {_SECONDS} seconds.")
    except (OSError, ValueError) as error:
        return Outcome(None, f"It could not be started: {reason(error)}.")
    said = done.stdout.decode(errors="replace").strip()
    return Outcome(done.returncode, printable(masked_words(said, secrets))[:_SHOWN])
