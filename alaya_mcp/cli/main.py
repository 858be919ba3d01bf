"""Run a command and return its exit code; its module is loaded only then."""

import argparse
import gc
import os
import sys
from collections.abc import Awaitable, Callable
from importlib import import_module
from typing import TYPE_CHECKING, Final, cast

from alaya_mcp.cli.arguments import parsed
from alaya_mcp.serving.stdio.sdk import defer_packages

_INTERRUPTED: Final = 130

if TYPE_CHECKING:
    from alaya_mcp.serving.stdio.opening import Opening

Run = Callable[[argparse.Namespace], Awaitable[int]]


def main() -> int:
    """Run the command line and return the exit status."""
    opening = _opening()
    arguments = parsed(sys.argv[1:])
    arguments.opening = opening
    try:
        return _run(arguments)
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BaseExceptionGroup as group:  # the reader has closed the pipe: `| head`
        if group.split(SystemExit)[1] is not None:
            raise
        return 1
    finally:
        # The process ends: collecting garbage would only take time.
        gc.freeze()
        gc.disable()


def _opening() -> "Opening | None":
    """Begin the first answers to a host before anything else is loaded."""
    from alaya_mcp.serving.stdio.opening import begin  # noqa: PLC0415 loaded for this only

    return begin(os.environ, sys.argv[1:])


def _run(arguments: argparse.Namespace) -> int:
    gc.disable()  # loading modules leaves no garbage
    import anyio  # noqa: PLC0415 it takes longer than the rest of this module

    if arguments.command == "serve":
        defer_packages()
    run = cast("Run", import_module(f"alaya_mcp.cli.{arguments.command}").run)
    gc.freeze()
    gc.enable()
    return anyio.run(run, arguments)
