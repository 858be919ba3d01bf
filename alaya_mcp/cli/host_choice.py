"""Which hosts `install` and `uninstall` are about, and the terminal that they ask on."""

import argparse
import getpass
import signal
import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

from alaya_mcp.hosts.catalogue import HOSTS, Host, Machine
from alaya_mcp.hosts.display import printable
from alaya_mcp.hosts.transaction import Declined, Refused, Request, Terminal, confirm
from alaya_mcp.terminal.console import open_console


def requested(arguments: argparse.Namespace) -> Request:
    """Return the request of a command line of `install` or `uninstall`."""
    project: str | None = arguments.project
    return Request(
        name=arguments.name,
        project=None if project is None else Path(project),
        is_sandbox=getattr(arguments, "over_sandbox", False),
        has_env_keys=getattr(arguments, "env_keys", False),
        is_dry=arguments.dry_run,
        is_agreed=arguments.yes,
    )


def chosen(arguments: argparse.Namespace, found: Sequence[Host]) -> list[Host]:
    """Return the host of a command line, or the ones found on this machine.

    Raises:
        Refused: none is named and none was found.
    """
    if arguments.host:
        return [HOSTS[arguments.host]]
    if not found:
        raise Refused(f"No host was found here. Name one: {', '.join(HOSTS)}.")
    return list(found)


def this_machine() -> Machine:
    """Return the machine that this process runs on.

    Raises:
        Refused: it has no home folder, or no working directory.
    """
    try:
        return Machine.present()
    except RuntimeError:
        raise Refused("There is no home folder, where hosts keep their files. Set HOME.") from None
    except OSError:
        raise Refused("The working directory is gone. Change to another folder.") from None


def agreed(request: Request, hosts: Sequence[Host], what: str, terminal: Terminal) -> Request:
    """Ask once for all hosts, and return a request that does not ask for each.

    Raises:
        Refused: the answer was no, or nobody can answer.
    """
    named = ", ".join(host.title for host in hosts)
    if not (request.is_agreed or request.is_dry):
        confirm(f"{what} {named}?", terminal)
    return replace(request, is_agreed=True)


class Refusals:
    """What was refused of a change to several hosts; a no, or a refusal, is for one host only.

    Attributes:
        status: The exit status: 0 too where one of several hosts was declined.
    """

    def __init__(self, hosts: Sequence[Host], terminal: Terminal) -> None:
        self._is_alone = len(hosts) == 1
        self._terminal = terminal
        self.status = 0

    @contextmanager
    def of(self, host: Host) -> Generator[None]:
        """Show a refusal of the block's, and go on."""
        where = "" if self._is_alone else f"{host.title}: "
        try:
            yield
        except Refused as refusal:
            if self._is_alone or not isinstance(refusal, Declined):
                self.status = 1
            self._terminal.warn(f"{where}{refusal}")


def open_terminal(command: str) -> Terminal:
    """Return this process's terminal; it cannot ask if stdin or stdout is not a terminal."""
    console = open_console()
    # The event loop's handler would not interrupt a question.
    signal.signal(signal.SIGINT, signal.default_int_handler)

    def write(text: str, style: str) -> None:
        console.print(printable(text), style=style or None, markup=False, soft_wrap=True)

    def warn(text: str) -> None:
        sys.stderr.write(f"alayanew-mcp {command}: {printable(text)}\n")

    def answer(read: Callable[[str], str], question: str) -> str:
        try:
            return read(question)
        except EOFError:  # Ctrl-D, which leaves the cursor behind the question
            console.print()
            raise Refused("Nothing was changed.") from None

    is_terminal = sys.stdin is not None and sys.stdin.isatty() and sys.stdout.isatty()
    asks = (partial(answer, input), partial(answer, getpass.getpass)) if is_terminal else ()
    return Terminal(write, warn, *asks)
