"""Serve MCP on stdin and stdout, over a real account or over the embedded sandbox."""

import argparse
import logging
import os
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Final, cast

from alaya_mcp.config.place import config_path
from alaya_mcp.config.precedence import gather
from alaya_mcp.config.settings import VARIABLES, log_format, log_level, settings_from
from alaya_mcp.errors import NotConfigured
from alaya_mcp.first_answers import FirstAnswers
from alaya_mcp.logs import start_logging
from alaya_mcp.observer import NOBODY, Observer
from alaya_mcp.serving.errors import error_text
from alaya_mcp.serving.server import McpServer, create_server
from alaya_mcp.serving.stdio.recording import Recording
from alaya_mcp.serving.stdio.transport import serve_stdio

if TYPE_CHECKING:
    from alaya_mcp.serving.stdio.opening import Opening

_log = logging.getLogger(__name__)

_WRONG_ARGUMENTS: Final = 2


async def run(arguments: argparse.Namespace) -> int:
    """Serve until the host closes stdin."""
    start_logging(log_level(os.environ), log_format(os.environ))
    # Python's handler would wait for the thread that reads stdin (serving/stdio/transport.py).
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    # A stray print must reach its diverted descriptor at once, not stdout at exit.
    if reconfigure := getattr(sys.stdout, "reconfigure", None):
        reconfigure(line_buffering=True)
    if sys.stdin.isatty():
        sys.stderr.write("Waiting for an MCP host on stdin; Ctrl-C ends it. To see it work, run: alayanew-mcp demo\n")
    if arguments.sandbox_fault:
        from alaya_mcp.cli.faults import unknown_fault  # noqa: PLC0415 loaded for --fault only

        if wrong := unknown_fault(arguments.sandbox_fault):
            sys.stderr.write(f"alayanew-mcp --sandbox: {wrong}\n")
            return _WRONG_ARGUMENTS
    environ, opening = Watched(os.environ), cast("Opening | None", arguments.opening)
    answers = opening.answers if opening else FirstAnswers(os.environ, sys.argv[1:], arguments.platform)
    file = answers.file(str(config_path(os.environ)))  # before it is read: a change while it is must be noticed
    async with AsyncExitStack() as owned:
        observer = NOBODY
        if any(name.startswith("OTEL_") for name in os.environ):
            from alaya_mcp.observability.start import observing  # noqa: PLC0415 loaded where it may be asked for only

            observer = owned.enter_context(observing(os.environ))
        try:
            server = await _server(arguments, environ, owned, observer)
        except NotConfigured as problem:
            _log.warning("%s", error_text(problem))
            server = create_server(problem, observer)
        recording = Recording(answers, file, environ.names)
        handover = opening.hand_over() if opening else None
        await serve_stdio(server, recording, arguments.platform, handover)
    return 0


class Watched(Mapping[str, str]):
    """An environment that records which variables are looked up."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self.names: set[str] = set()

    def __getitem__(self, name: str) -> str:
        self.names.add(name)
        return self._environ[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._environ)

    def __len__(self) -> int:
        return len(self._environ)


async def _server(
    arguments: argparse.Namespace, environ: Mapping[str, str], owned: AsyncExitStack, observer: Observer
) -> McpServer:
    if arguments.sandbox:
        from alaya_mcp.cli.embedded_sandbox import sandbox_settings  # noqa: PLC0415 loaded for --sandbox only

        return create_server(await sandbox_settings(owned, arguments.sandbox_fault), observer)
    sources = gather(environ, VARIABLES)
    if sources.keychain:
        from alaya_mcp.serving.keychain_account import keychain_server  # noqa: PLC0415 loaded for such a profile only

        return keychain_server(sources, environ, observer)
    return create_server(settings_from(sources, environ), observer)
