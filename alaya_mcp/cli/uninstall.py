"""Remove this server from a host's configuration."""

import argparse
import shutil

from alaya_mcp.cli.install import Which, open_terminal, requested
from alaya_mcp.hosts.catalogue import Machine
from alaya_mcp.hosts.changes import present_entry, unfit, uninstalled
from alaya_mcp.hosts.own_commands import can_be_passed, removing
from alaya_mcp.hosts.transaction import Refused, Request, Terminal, Transaction


async def run(arguments: argparse.Namespace) -> int:
    """Uninstall as the command line says; return the exit status."""
    return uninstall(requested(arguments), Machine.present(), open_terminal("uninstall"), which=shutil.which)


def uninstall(request: Request, machine: Machine, terminal: Terminal, *, which: Which) -> int:
    """Uninstall and return the exit status.

    Args:
        request: What the command line asks for.
        machine: Where to uninstall.
        terminal: Asks the person, if one is there.
        which: Finds a host's own command on the PATH.
    """
    try:
        return _uninstall(Transaction.begin(request, machine, terminal), which)
    except Refused as refusal:
        terminal.warn(str(refusal))
    return 1


def _uninstall(transaction: Transaction, which: Which) -> int:
    terminal, host, document = transaction.terminal, transaction.host, transaction.document
    name = transaction.request.name
    if document.state != "broken" and transaction.present is None:
        terminal.say(f"{document.path} has no server called {name}. Nothing was changed.")
        return 0
    transaction.spare_another("Pass --name NAME to remove one of another name; nothing was removed.")
    if why := unfit(document, host):
        terminal.warn(f'{document.path} {why}. It is left alone. Remove "{name}" from "{host.servers_key}" by hand.')
        return 1
    removal = removing(host, name) if transaction.level == "user" else None
    program = which(host.command) if removal and host.command else None
    if program and removal and can_be_passed(program, removal.arguments):
        is_done = transaction.command(
            program, [removal], entry=None, is_right=lambda now: present_entry(now, host, name) is None
        )
    else:
        is_done = transaction.edit(uninstalled(document, host, name), is_private=False)
    if is_done:
        terminal.say(f"Next: {host.restart}")
    return 0
