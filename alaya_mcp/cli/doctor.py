"""Find out why something does not work, from the configuration to the first token."""

import argparse
import os
import sys
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Final

from alaya_mcp.config.settings import log_format, log_level
from alaya_mcp.doctor.address_examination import Address, examine_address
from alaya_mcp.doctor.address_headers import headers_of
from alaya_mcp.doctor.check import Check, exit_status
from alaya_mcp.doctor.connection import Network
from alaya_mcp.doctor.examination import Question, World, examine
from alaya_mcp.doctor.hosts import nothing_passed, passed_by
from alaya_mcp.doctor.network import system_addresses
from alaya_mcp.doctor.report import as_json, show_check, show_end
from alaya_mcp.hosts.catalogue import HOSTS, Machine
from alaya_mcp.logs import start_logging
from alaya_mcp.origins import UrlRefused, base_url
from alaya_mcp.printable import encodable
from alaya_mcp.terminal.console import open_console

_WRONG_ARGUMENTS: Final = 2


async def run(arguments: argparse.Namespace) -> int:
    """Print the checks; return the exit status of the worst."""
    try:
        examining = _examining(arguments)
    except ValueError as wrong:
        sys.stderr.write(f"alayanew-mcp doctor: {wrong}\n")
        return _WRONG_ARGUMENTS
    start_logging(log_level(os.environ), log_format(os.environ))
    console = open_console()

    def tell(check: Check) -> None:
        if not arguments.json:
            show_check(console, check)

    checks = await examining(tell)
    if arguments.json:
        console.out(as_json(checks), highlight=False)
    else:
        show_end(console, checks)
    return exit_status(checks)


def _examining(arguments: argparse.Namespace) -> Callable[[Callable[[Check], None]], Awaitable[list[Check]]]:
    """Return the examination that the arguments ask for, which passes each check on.

    Raises:
        ValueError: the address or a header cannot be used.
    """
    model, chats = encodable(arguments.model or "") or None, not arguments.no_chat
    if arguments.url is None:
        world = world_of(arguments.host, os.environ)
        return partial(examine, Question(arguments.service, model, chats=chats), world)
    try:
        url = base_url(arguments.url)
    except UrlRefused as refusal:
        raise ValueError(f"--url {refusal}.") from None
    headers = headers_of(arguments.header or [], os.environ)
    address = Address(url, headers, arguments.service, model, chats=chats)
    return partial(examine_address, address, Network(os.environ, system_addresses))


def world_of(host_name: str | None, environ: Mapping[str, str]) -> World:
    """Return what the doctor examines; with a host's name, as its server would see it.

    The environment is not copied: Windows' own finds a variable in any case.
    """
    machine = _machine()
    host = HOSTS[host_name] if host_name else None
    passed = (passed_by(host, machine) if machine else nothing_passed(host, environ)) if host else None
    seen = passed.environ if passed else environ
    return World(seen, Network(seen, system_addresses), machine, host, passed)


def _machine() -> Machine | None:
    """Return this machine, None without a home folder or a working directory."""
    try:
        present = Machine.present()
    except (RuntimeError, OSError):
        return None
    return Machine(present.platform, present.home, dict(present.environ), present.directory)
