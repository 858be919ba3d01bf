"""Run a command and return its exit code; its module is loaded only then."""

import argparse
import gc
import os
import sys
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final, cast

_INTERRUPTED: Final = 130

if TYPE_CHECKING:
    from alaya_mcp.serving.stdio.opening import Opening

Run = Callable[[argparse.Namespace], Awaitable[int]]


def main(platform: str = sys.platform) -> int:
    """Run the command line and return the exit status; `platform` decides how stdin and stdout are served."""
    opening = _opening(platform)
    arguments = _parsed(sys.argv[1:])
    arguments.opening, arguments.platform = opening, platform
    try:
        return _run(arguments)
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BaseExceptionGroup as group:  # the reader has closed the pipe: `| head`
        if group.split(SystemExit)[1] is not None:
            raise
        return 1


def _parsed(words: list[str]) -> argparse.Namespace:
    if not words:  # a host: making the parser would take longer than everything else here
        return argparse.Namespace(command="serve", sandbox=False, sandbox_fault=None)
    from alaya_mcp.cli.arguments import parsed  # noqa: PLC0415 as above

    return parsed(words)


def _opening(platform: str) -> "Opening | None":
    """Begin the first answers to a host before anything else is loaded."""
    from alaya_mcp.serving.stdio.opening import begin  # noqa: PLC0415 loaded for this only

    return begin(os.environ, sys.argv[1:], platform)


def _run(arguments: argparse.Namespace) -> int:
    gc.disable()  # loading modules leaves no garbage
    import anyio  # noqa: PLC0415 it takes longer than the rest of this module

    from alaya_mcp.serving.stdio.sdk import deferring  # noqa: PLC0415 as above

    with deferring() if arguments.command == "serve" else nullcontext():
        run = cast("Run", import_module(f"alaya_mcp.cli.{arguments.command}").run)
    gc.freeze()
    gc.enable()
    is_faster = arguments.command == "http" and find_spec("uvloop") is not None
    return anyio.run(run, arguments, backend_options={"use_uvloop": is_faster})
