"""The arguments of the command line. Each command says here what it takes, and in `commands/` what it does."""

import argparse
from collections.abc import Callable
from typing import Final

from alaya_mcp import __version__

Add = Callable[..., argparse.ArgumentParser]
"""Adds one command."""

HOSTS: Final = ("claude-desktop", "claude-code", "vscode", "cursor")

_DESCRIPTION: Final = """\
MCP server for language models deployed on Alaya NeW serverless inference.

Without a command it serves MCP on stdin and stdout: a host (Claude Desktop, an IDE) starts it so.
It reads ALAYA_ACCESS_KEY, ALAYA_SECRET_KEY and the other ALAYA_* variables from its environment,
aliases and profiles from its configuration file, where there is one."""

_LAST_PORT: Final = 65535
_MOST_DEPLOYMENTS: Final = 2_000
_LONGEST_SECONDS: Final = 3600.0


def parsed(arguments: list[str]) -> argparse.Namespace:
    """The arguments, with the command's name as `command`; ends the program where they are wrong."""
    if not arguments:  # as hosts start it: making the parser takes longer than the rest of the command line
        return argparse.Namespace(command="serve", sandbox=False, sandbox_fault=None)
    top = parser()
    found = top.parse_args(arguments)
    if found.sandbox and found.command != "serve":
        top.error(f"--sandbox before a command serves MCP over the sandbox; {found.command} goes without it")
    if found.sandbox_fault and not found.sandbox:
        top.error("--fault goes with --sandbox, or after the command sandbox")
    return found


def parser() -> argparse.ArgumentParser:
    """The parser of `alayanew-mcp`."""
    top = argparse.ArgumentParser(
        prog="alayanew-mcp", description=_DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    top.set_defaults(command="serve")
    top.add_argument("--version", action="version", version=f"alayanew-mcp {__version__}")
    top.add_argument(
        "--sandbox",
        action="store_true",
        help="serve an embedded sandbox instead of a real account; no keys needed",
    )
    top.add_argument(
        "--fault",
        dest="sandbox_fault",
        metavar="NAME",
        help="with --sandbox: every deployment shows this fault; `alayanew-mcp sandbox --faults` lists them",
    )
    commands = top.add_subparsers(title="commands", metavar="COMMAND")
    _demo(commands.add_parser)
    _doctor(commands.add_parser)
    _chat(commands.add_parser)
    _install(commands.add_parser)
    _uninstall(commands.add_parser)
    _sandbox(commands.add_parser)
    return top


def _demo(add: Add) -> None:
    demo = add(
        "demo",
        help="watch the server at work on the sandbox, without keys or a host",
        description="Start the real server as a subprocess over the sandbox, make a few calls and show the answers.",
    )
    demo.set_defaults(command="demo")


def _doctor(add: Add) -> None:
    doctor = add(
        "doctor",
        help="find out why something does not work",
        description="Check the configuration, the network, the account, a deployment and the hosts' configuration "
        "files, one after the other. Nothing is changed and no secret is shown. "
        "Exit status: 0 all is well, 1 there is a warning, 3 something is wrong.",
    )
    doctor.set_defaults(command="doctor")
    doctor.add_argument("service", nargs="?", metavar="SERVICE", help="a deployment's id, name or alias")
    doctor.add_argument("--model", metavar="NAME", help="the model to ask for a first token; the base model by default")
    doctor.add_argument("--no-chat", action="store_true", help="leave out the one check that costs tokens")
    doctor.add_argument("--host", choices=HOSTS, help="check with the environment that this host's file gives")
    doctor.add_argument("--json", action="store_true", help="print one JSON object and nothing else")


def _chat(add: Add) -> None:
    chat = add(
        "chat",
        help="chat with a deployment in the terminal",
        description="Chat with a deployment in the terminal; /help lists what one can do. Where stdin is no terminal, "
        "each line of it is a message.",
    )
    chat.set_defaults(command="chat")
    chat.add_argument("service", nargs="?", metavar="SERVICE", help="a deployment's id, name or alias")
    chat.add_argument("--model", metavar="NAME", help="a served name or a LoRA adapter; the base model by default")
    chat.add_argument("--system", metavar="TEXT", help="the system message")
    chat.add_argument("--thinking", choices=("auto", "on", "off"), default="auto", help="whether it thinks first")
    chat.add_argument(
        "--timeout", type=_seconds, default=600.0, metavar="SECONDS", help="whole budget of one answer, default 600"
    )
    chat.add_argument("--sandbox", dest="over_sandbox", action="store_true", help="chat with the embedded sandbox")


def _install(add: Add) -> None:
    install = add(
        "install",
        help="put the server into an MCP host's configuration",
        description="Put this server into a host's configuration file, after showing what changes. The rest of the "
        "file stays as it is, and a backup is made. Keys come from ALAYA_ACCESS_KEY and ALAYA_SECRET_KEY, or are "
        "asked for; they are written into files of the user only, never into a project's.",
    )
    install.set_defaults(command="install")
    _changes_a_host(install)
    install.add_argument(
        "--sandbox", dest="over_sandbox", action="store_true", help="install it over the embedded sandbox, without keys"
    )


def _uninstall(add: Add) -> None:
    uninstall = add(
        "uninstall",
        help="take the server out of an MCP host's configuration",
        description="Take this server out of a host's configuration file, after showing what changes.",
    )
    uninstall.set_defaults(command="uninstall")
    _changes_a_host(uninstall)


def _changes_a_host(command: argparse.ArgumentParser) -> None:
    command.add_argument("host", choices=HOSTS, metavar="HOST", help=", ".join(HOSTS))
    command.add_argument("--project", metavar="DIR", help="the file of the project in this folder, not the user's")
    command.add_argument("--name", default="alaya", metavar="NAME", help="the server's name in the host, default alaya")
    command.add_argument("--dry-run", action="store_true", help="show what would change, and change nothing")
    command.add_argument("--yes", action="store_true", help="do not ask")


def _sandbox(add: Add) -> None:
    sandbox = add(
        "sandbox",
        help="run the sandbox alone and print what to export",
        description="Run an emulator of Alaya's two planes on a loopback port, and print what to export to use it.",
    )
    sandbox.set_defaults(command="sandbox")
    sandbox.add_argument("--port", type=_port, default=0, help="loopback port; a free one by default")
    sandbox.add_argument(
        "--backend",
        metavar="URL",
        help="an OpenAI-compatible engine that answers for one more deployment; its key, if it wants one, "
        "is read from SANDBOX_BACKEND_KEY",
    )
    sandbox.add_argument(
        "--fleet", type=_fleet, default=0, metavar="N", help="so many more deployments, to list and to page through"
    )
    sandbox.add_argument(
        "--limits",
        action="store_true",
        help="say which messages do something special and what the sandbox cannot do",
    )
    sandbox.add_argument("--fault", metavar="NAME", help="every deployment shows this fault")
    sandbox.add_argument("--faults", action="store_true", help="list the faults")


def _whole_number(text: str, most: int) -> int | None:
    is_short = text.isascii() and text.isdigit() and len(text) <= len(str(most))
    return int(text) if is_short and int(text) <= most else None


def _port(text: str) -> int:
    if (port := _whole_number(text, _LAST_PORT)) is None:
        raise argparse.ArgumentTypeError(f"a port is a number from 0 to {_LAST_PORT}, 0 for a free one")
    return port


def _fleet(text: str) -> int:
    if (fleet := _whole_number(text, _MOST_DEPLOYMENTS)) is None:
        raise argparse.ArgumentTypeError(f"a fleet is a number from 0 to {_MOST_DEPLOYMENTS}")
    return fleet


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0
    if not 1 <= seconds <= _LONGEST_SECONDS:
        raise argparse.ArgumentTypeError(f"seconds are a number from 1 to {_LONGEST_SECONDS:.0f}")
    return seconds
