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
from alaya_mcp.hosts.documents import elements, members
from alaya_mcp.hosts.entries import Wanted

_SECONDS: Final = 120
_SHOWN: Final = 4_000
"""Characters of a command's output."""
_TAKEN: Final = frozenset({"type", "command", "args", "env"})
_BATCH_SYNTAX: Final = re.compile(r"[&|<>^%!\r\n]")


@dataclass(frozen=True, slots=True)
class Call:
    """One run of a host's command.

    Attributes:
        arguments: What it is given.
        shown: The same, with what is not to be shown masked.
    """

    arguments: tuple[str, ...] = field(repr=False)
    shown: tuple[str, ...]

    @property
    def holds_secrets(self) -> bool:
        """Whether something in it is not to be shown."""
        return self.arguments != self.shown


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a command ended.

    Attributes:
        status: Its exit status; None where it did not start or did not end.
        output: What it said, without secrets.
    """

    status: int | None
    output: str


def adding(host: Host, wanted: Wanted, entry: Mapping[str, object]) -> Call:
    """The run that adds an entry at user level."""
    return Call(_add_arguments(host, wanted, entry), _add_arguments(host, wanted, masked_entry(entry)))


def removing(host: Host, name: str) -> Call | None:
    """The run that removes an entry at user level; None where the command cannot."""
    arguments = ("mcp", "remove", name, "--scope", "user")
    return Call(arguments, arguments) if host.name == "claude-code" else None


def not_taken(host: Host, entry: Mapping[str, object]) -> list[str]:
    """The members of an entry that the host's command has no way to be given."""
    if host.name == "vscode":  # it is given the entry whole
        return []
    env = members(entry.get("env")).items()
    is_odd = any(not isinstance(value, str) or not name or "=" in name for name, value in env)
    return [name for name in entry if name not in _TAKEN or (name == "env" and is_odd)]


def _add_arguments(host: Host, wanted: Wanted, entry: Mapping[str, object]) -> tuple[str, ...]:
    """What the command is given.

    Claude Code takes every word behind `--env` for a variable, so the server's name comes first.
    """
    if host.name == "vscode":
        whole = {"name": wanted.name, **entry, **({"inputs": list(wanted.inputs)} if wanted.inputs else {})}
        return ("--add-mcp", json.dumps(whole, ensure_ascii=False))
    env = [word for name, value in members(entry.get("env")).items() for word in ("--env", f"{name}={value}")]
    start = [str(entry["command"]), *map(str, elements(entry.get("args")))]
    return ("mcp", "add", wanted.name, "--scope", "user", *env, "--", *start)


def can_be_passed(program: str, arguments: Iterable[str]) -> bool:
    """Whether a program gets its arguments as they are: a batch file (.cmd) on Windows reads some characters itself."""
    is_batch = PureWindowsPath(program).suffix.lower() in {".cmd", ".bat"}
    return not is_batch or not any(map(_BATCH_SYNTAX.search, arguments))


def shown(host: Host, call: Call, *, platform: str) -> str:
    """A command line as a person would type it, without secrets."""
    words = [host.command or "", *call.shown]
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
