"""Add this server to hosts' configuration files."""

import argparse
import os
import shutil
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from alaya_mcp.cli.entry_settings import carried, key_source
from alaya_mcp.cli.host_choice import Refusals, agreed, chosen, open_terminal, requested, this_machine
from alaya_mcp.cli.verdict import judge
from alaya_mcp.config.environment import value_of
from alaya_mcp.error_sentences import what_happened
from alaya_mcp.errors import NotConfigured
from alaya_mcp.hosts.catalogue import HOSTS, OTHER, Host, Machine
from alaya_mcp.hosts.changes import installed, is_installed, unfit
from alaya_mcp.hosts.display import shown, snippet
from alaya_mcp.hosts.documents import members
from alaya_mcp.hosts.entries import (
    KEY_VARIABLES,
    Launcher,
    Wanted,
    is_temporary,
    launcher,
    literal_keys,
    merged,
    variables_of,
    wanted_sandbox,
    wanted_server,
    wanted_with_references,
)
from alaya_mcp.hosts.places import present_hosts
from alaya_mcp.hosts.references import unreplaced
from alaya_mcp.hosts.remote_entries import remote_entry, token_input
from alaya_mcp.hosts.transaction import Refused, Request, Terminal, Transaction, check_name
from alaya_mcp.origins import UrlRefused, base_url
from alaya_mcp.terminal.error_steps import next_step

LogIn = Callable[[], Awaitable[bool]]
"""Ask for a key pair, check it and keep it; return whether somebody is logged in now."""
Judge = Callable[[Host, Machine], Awaitable[None]]
"""Show the doctor's verdict on the entry of a host."""

_NOBODY: Final = """\
Nobody is logged in: run `alayanew-mcp login` first, which keeps your key pair in one place for all hosts. Without an \
account: --sandbox."""
_TEMPORARY: Final = """\
This command is in an environment that uvx or pipx made for one run, and deletes later: a host's entry would break. \
Install it first, in a clone: `python3 -m venv .venv && .venv/bin/pip install .`, or `uv tool install .`."""
_KEYS_STAY: Final = """\
The entry keeps the keys that are in it. To have them in one place, run `alayanew-mcp login` and install again."""
_FILE_STAYS: Final = "The entry keeps its envFile, which this command does not read."


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What an installation works with.

    Attributes:
        machine: Where to install.
        terminal: Asks the person, if one is there.
        executable: The Python interpreter.
        log_in: Called if nobody is logged in.
        judge: Called for each new entry.
    """

    machine: Machine
    terminal: Terminal
    executable: str
    log_in: LogIn
    judge: Judge


async def run(arguments: argparse.Namespace) -> int:
    """Install as the command line says; return the exit status."""
    terminal = open_terminal("install")
    if arguments.print:
        return print_entry(arguments, terminal, launcher(Path(sys.executable), sys.platform))

    async def log_in() -> bool:
        from alaya_mcp.cli.login import log_in  # noqa: PLC0415 loaded if nobody is logged in only

        return await log_in(terminal.say, terminal.ask_secret, os.environ, None)

    try:
        machine = this_machine()
        hosts = chosen(arguments, present_hosts(machine, shutil.which))
        request = (
            agreed(requested(arguments), hosts, "Install into", terminal) if arguments.all else requested(arguments)
        )
    except Refused as refusal:
        terminal.warn(str(refusal))
        return 1
    return await install(request, hosts, Surroundings(machine, terminal, sys.executable, log_in, judge(terminal)))


async def install(request: Request, hosts: list[Host], around: Surroundings) -> int:
    """Install into each host and return the exit status; a no, or a refusal, is for one host only."""
    refusals = Refusals(hosts, around.terminal)
    done: list[Transaction] = []
    try:
        for host in hosts:
            with refusals.of(host):
                transaction = Transaction.begin(request, host, around.machine, around.terminal)
                if await _install(transaction, around):
                    done.append(transaction)
    except NotConfigured as problem:
        around.terminal.warn(f"{what_happened(problem)} {next_step(problem)}")
        return 1
    for transaction in done:
        await around.judge(transaction.host, replace(around.machine, directory=transaction.directory))
    return refusals.status


def print_entry(arguments: argparse.Namespace, terminal: Terminal, start: Launcher) -> int:
    """Print the entry for a host, or for any host, and nothing else; return the exit status."""
    host = HOSTS[arguments.host] if arguments.host else OTHER
    request = requested(arguments)
    try:
        check_name(request.name)
        if arguments.url:
            inputs = (token_input(),) if host.has_inputs else ()
            entry = remote_entry(host, base_url(arguments.url))
            if entry is None:
                terminal.warn(f"{host.title} takes an address in its window only: Settings, Connectors.")
                return 1
            print(snippet(host, request.name, entry, inputs))  # noqa: T201 as it is, to be pasted
            return 0
        wanted = _new(host, request, start)
        print(snippet(host, request.name, wanted.entry, wanted.inputs))  # noqa: T201 as above
    except (Refused, UrlRefused) as refusal:
        terminal.warn(f"--url {refusal}." if isinstance(refusal, UrlRefused) else str(refusal))
        return 1
    return 0


async def _install(transaction: Transaction, around: Surroundings) -> bool:
    """Install into one host; return whether an entry is there now."""
    terminal, host, document = transaction.terminal, transaction.host, transaction.document
    transaction.spare_another("Pass --name alaya-2 to install this one beside it. Nothing was changed.")
    start = launcher(Path(around.executable), around.machine.platform)
    if is_temporary(start):
        raise Refused(_TEMPORARY)
    if why := unfit(document, host):
        return _left_alone(transaction, why, start)
    wanted = await _wanted(transaction, start, around.log_in)
    if is_installed(document, host, wanted) and not document.has_mark:
        terminal.say(f"{host.title} has the same entry {wanted.name} already. Nothing was changed.")
        return not transaction.request.is_dry
    try:
        text = installed(document, host, wanted)
    except ValueError as cannot:
        return _left_alone(transaction, str(cannot), start)
    _show(transaction, wanted)
    if not transaction.write(text):
        return False
    for line in _next_steps(transaction, wanted):
        terminal.say(line)
    return True


def _new(host: Host, request: Request, start: Launcher) -> Wanted:
    """Return the entry of a request without regard to what is there.

    Raises:
        Refused: the host cannot refer to variables.
    """
    if request.is_sandbox:
        return wanted_sandbox(host, request.name, start)
    if request.has_env_keys:
        return _with_references(host, request, start, {}, frozenset())
    return wanted_server(host, request.name, start, {}, displaced=frozenset())


def _with_references(
    host: Host, request: Request, start: Launcher, settings: Mapping[str, str], displaced: frozenset[str]
) -> Wanted:
    try:
        return wanted_with_references(host, request.name, start, settings, displaced=displaced)
    except ValueError as cannot:
        raise Refused(f"{cannot}. Leave --env-keys out and run `alayanew-mcp login`.") from None


async def _wanted(transaction: Transaction, start: Launcher, log_in: LogIn) -> Wanted:
    """Return the entry to install.

    Raises:
        Refused: nobody is logged in, or a setting is unusable.
        NotConfigured: the configuration file is unusable.
    """
    request, host = transaction.request, transaction.host
    if request.is_sandbox:
        return wanted_sandbox(host, request.name, start)
    if request.has_env_keys:
        settings, displaced = carried(transaction, "entry")
        return _with_references(host, request, start, settings, displaced | {*KEY_VARIABLES})
    source = key_source(transaction)
    if source == "nobody":
        if transaction.level == "user" and not request.is_dry:
            if not _can_log_in(transaction):
                raise Refused(_NOBODY)
            if not await log_in():
                raise Refused("Nobody is logged in, so nothing was installed.")
        source = "nobody" if request.is_dry or transaction.level == "project" else "profile"
    if source == "entry" and literal_keys(transaction.present):
        transaction.terminal.say(_KEYS_STAY)
    settings, displaced = carried(transaction, source)
    return wanted_server(host, request.name, start, settings, displaced=displaced)


def _can_log_in(transaction: Transaction) -> bool:
    """Return whether a key pair can be had: from a person, or from the environment."""
    environ = transaction.machine.environ
    return transaction.terminal.ask_secret is not None or all(value_of(environ, name) for name in KEY_VARIABLES)


def _left_alone(transaction: Transaction, why: str, start: Launcher) -> bool:
    """Show what to add to a file that is not edited.

    Raises:
        Refused: always.
    """
    wanted = _new(transaction.host, transaction.request, start)
    transaction.terminal.say(snippet(transaction.host, wanted.name, wanted.entry, wanted.inputs))
    raise Refused(f"{transaction.document.path} {why}. It is left alone. Repair it and run this again, or add this.")


def _show(transaction: Transaction, wanted: Wanted) -> None:
    """Show the entry as it will be, and what goes."""
    terminal, host, document = transaction.terminal, transaction.host, transaction.document
    entry, before = merged(host, wanted, transaction.present), transaction.present
    what = "changes" if before is not None else "adds"
    terminal.say(f"{host.title}: {what} the server {wanted.name} in {document.path}")
    terminal.say(snippet(host, wanted.name, shown(host, wanted, entry), wanted.inputs), "green")
    if gone := sorted(variables_of(before).keys() - variables_of(entry).keys()):
        terminal.say(f"Taken out of its variables: {', '.join(gone)}")
    if "envFile" in entry:
        terminal.say(_FILE_STAYS)
    if document.has_mark:
        terminal.say(f"{document.path} begins with a byte order mark, which is removed, because hosts may refuse it.")


def _next_steps(transaction: Transaction, wanted: Wanted) -> list[str]:
    host = transaction.host
    env = members(wanted.entry.get(host.env_key))
    needed = [
        each.named for key in KEY_VARIABLES for each in unreplaced(host, str(env.get(key, "")), {}, ()) if each.variable
    ]
    needed = needed or [*KEY_VARIABLES] * ("env_vars" in wanted.entry)
    lines = [f"Next: {host.restart} {host.start}".rstrip()]
    if wanted.inputs:
        lines.append(f"{host.title} asks for both halves of the key when it first starts the server, and stores them.")
    elif needed:
        lines.append(f"Start {host.title} with {' and '.join(needed)} in its environment.")
    if transaction.level == "project":
        lines.append("The path of the command is this machine's; on another machine, run install there.")
    return lines
