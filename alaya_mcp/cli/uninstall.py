"""Remove this server from hosts' configuration files."""

import argparse

from alaya_mcp.cli.host_choice import Refusals, agreed, open_terminal, requested, this_machine
from alaya_mcp.hosts.catalogue import HOSTS, Host, Machine
from alaya_mcp.hosts.changes import present_entry, unfit, uninstalled
from alaya_mcp.hosts.documents import read_document
from alaya_mcp.hosts.places import user_file
from alaya_mcp.hosts.transaction import Refused, Request, Terminal, Transaction


async def run(arguments: argparse.Namespace) -> int:
    """Uninstall as the command line says; return the exit status."""
    request, terminal = requested(arguments), open_terminal("uninstall")
    try:
        machine = this_machine()
        hosts = [HOSTS[arguments.host]] if arguments.host else with_entry(request.name, machine)
        request = agreed(request, hosts, "Uninstall from", terminal) if arguments.all and hosts else request
    except Refused as refusal:
        terminal.warn(str(refusal))
        return 1
    return uninstall(request, hosts, machine, terminal)


def with_entry(name: str, machine: Machine) -> list[Host]:
    """Return the hosts whose user's own file has a server of this name."""
    return [
        host
        for host in HOSTS.values()
        if present_entry(read_document(user_file(host, machine)), host, name) is not None
    ]


def uninstall(request: Request, hosts: list[Host], machine: Machine, terminal: Terminal) -> int:
    """Uninstall from each host and return the exit status; a no, or a refusal, is for one host only."""
    refusals = Refusals(hosts, terminal)
    if not hosts:
        terminal.say(f"No host here has a server called {request.name}. Nothing was changed.")
    for host in hosts:
        with refusals.of(host):
            _uninstall(Transaction.begin(request, host, machine, terminal))
    return refusals.status


def _uninstall(transaction: Transaction) -> None:
    terminal, host, document = transaction.terminal, transaction.host, transaction.document
    name = transaction.request.name
    if document.state != "broken" and transaction.present is None:
        terminal.say(f"{document.path} has no server called {name}. Nothing was changed.")
        return
    transaction.spare_another("Pass --name NAME to remove one of another name; nothing was removed.")
    try:
        if why := unfit(document, host):
            raise ValueError(why)  # noqa: TRY301 one sentence for both
        text = uninstalled(document, host, name)
    except ValueError as cannot:
        by_hand = f'Remove "{name}" from "{host.servers_key}" by hand.'
        raise Refused(f"{document.path} {cannot}. It is left alone. {by_hand}") from None
    terminal.say(f"{host.title}: removes the server {name} from {document.path}")
    if transaction.take_out(text):
        terminal.say(f"Next: {host.restart}")
