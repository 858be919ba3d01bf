"""The arguments of the commands that change hosts' configuration files."""

import argparse

from alaya_mcp.cli.account_arguments import Add
from alaya_mcp.cli.parser import HOSTS


def add_install(add: Add) -> None:
    """Add the parser of `install`."""
    install = add(
        "install",
        help="add the server to MCP hosts",
        description="Add this server to a host's configuration file, after showing the entry. The rest of the file "
        "stays as it is, comments too, and a backup is made. Entries hold no keys: the server finds those that "
        "`alayanew-mcp login` keeps. Without HOST, each host that is found here is offered.",
    )
    install.set_defaults(command="install")
    _changes_hosts(install)
    install.add_argument(
        "--sandbox", dest="over_sandbox", action="store_true", help="install it over the embedded sandbox, without keys"
    )
    install.add_argument(
        "--env-keys",
        action="store_true",
        help="refer to ALAYA_ACCESS_KEY and ALAYA_SECRET_KEY in the host's environment; VS Code asks for the keys",
    )
    install.add_argument(
        "--print", action="store_true", help="print the entry and change nothing; without HOST, for any other host"
    )
    install.add_argument("--url", metavar="URL", help="with --print: the entry of the HTTP server at this address")


def add_uninstall(add: Add) -> None:
    """Add the parser of `uninstall`."""
    uninstall = add(
        "uninstall",
        help="remove the server from MCP hosts",
        description="Remove this server from a host's configuration file. A file that nobody changed since the install "
        "is put back byte for byte. Without HOST, each host that has the server is offered.",
    )
    uninstall.set_defaults(command="uninstall")
    _changes_hosts(uninstall)


def _changes_hosts(command: argparse.ArgumentParser) -> None:
    command.add_argument("host", nargs="?", type=str.casefold, choices=HOSTS, metavar="HOST", help=", ".join(HOSTS))
    command.add_argument("--all", action="store_true", help="do it for every host found, without asking for each")
    command.add_argument("--project", metavar="DIR", help="change the file of the project in this folder, not your own")
    command.add_argument("--name", default="alaya", metavar="NAME", help="the server's name in the host, default alaya")
    command.add_argument("--dry-run", action="store_true", help="show what would change, and change nothing")
    command.add_argument("--yes", action="store_true", help="do not ask")
