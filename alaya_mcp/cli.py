"""The command line: arguments and exit codes. Each command's module is loaded only when it runs."""

import argparse
import gc
import os
import sys
from collections.abc import Awaitable, Callable, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Final, cast

from alaya_mcp import __version__
from alaya_mcp.sdk import defer_packages

_DESCRIPTION: Final = """\
MCP server for language models deployed on Alaya NeW serverless inference.

Without a command it serves MCP on stdin and stdout: a host (Claude Desktop, an IDE) starts it so.
It reads ALAYA_ACCESS_KEY, ALAYA_SECRET_KEY and the other ALAYA_* variables from its environment."""

_SANDBOX_DESCRIPTION: Final = """\
Run an emulator of Alaya's two planes on a loopback port, and print what to export to use it."""

_INTERRUPTED: Final = 130
_LAST_PORT: Final = 65535

if TYPE_CHECKING:
    from alaya_mcp.opening import Opening

Run = Callable[[argparse.Namespace], Awaitable[int]]


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) <= _LAST_PORT):
        raise argparse.ArgumentTypeError(f"a port is a number from 0 to {_LAST_PORT}, 0 for a free one")
    return int(text)


def parser() -> argparse.ArgumentParser:
    """The arguments of `alayanew-mcp`."""
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
    demo = commands.add_parser(
        "demo",
        help="watch the server at work on the sandbox, without keys or a host",
        description="Start the real server as a subprocess over the sandbox, make a few calls and show the answers.",
    )
    demo.set_defaults(command="demo")
    sandbox = commands.add_parser(
        "sandbox",
        help="run the sandbox alone and print what to export",
        description=_SANDBOX_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
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
        "--limits",
        action="store_true",
        help="say which messages do something special and what the sandbox cannot do",
    )
    sandbox.add_argument("--fault", metavar="NAME", help="every deployment shows this fault")
    sandbox.add_argument("--faults", action="store_true", help="list the faults")
    return top


def main() -> int:
    """Run the command line; the exit status."""
    opening = _opening() if len(sys.argv) == 1 else None
    parsed = _parsed(sys.argv[1:])
    parsed.opening = opening
    try:
        return _run(parsed)
    except KeyboardInterrupt:
        return _INTERRUPTED
    finally:
        # What is left is given back by the process's end; looking through it for garbage would take longer.
        gc.freeze()
        gc.disable()


def _opening() -> "Opening | None":
    """The first answers to a host, begun before anything else is loaded."""
    from alaya_mcp.opening import begin  # noqa: PLC0415 loaded for this only

    return begin(os.environ)


def _parsed(arguments: Sequence[str]) -> argparse.Namespace:
    top = parser()
    parsed = top.parse_args(arguments)
    if parsed.sandbox and parsed.command != "serve":
        top.error(f"--sandbox serves MCP over the sandbox; {parsed.command} goes without it")
    if parsed.sandbox_fault and not parsed.sandbox:
        top.error("--fault goes with --sandbox, or after the command sandbox")
    return parsed


def _run(parsed: argparse.Namespace) -> int:
    gc.disable()  # what is loaded stays, so nothing of it is garbage
    import anyio  # noqa: PLC0415 it takes longer than the rest of this module

    if parsed.command == "serve":
        defer_packages()
    run = cast("Run", import_module(f"alaya_mcp.commands.{parsed.command}").run)
    gc.freeze()
    gc.enable()
    return anyio.run(run, parsed)
