"""Serve MCP over HTTP until SIGTERM or Ctrl-C, then let the running calls end."""

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import Generator
from contextlib import AsyncExitStack, contextmanager
from typing import Final

from alaya_mcp.config.http import PATH, HttpSettings, load_http_settings
from alaya_mcp.config.settings import load_settings_aside, log_format, log_level
from alaya_mcp.errors import NotConfigured
from alaya_mcp.logs import start_logging
from alaya_mcp.observability.start import observing
from alaya_mcp.observer import Observer
from alaya_mcp.serving.http.server import HttpServer, http_server
from alaya_mcp.terminal.error_steps import error_lines

_FAILED, _WRONG_SETTINGS = 1, 2
_GIVEN: Final = (
    "host",
    "port",
    "public_url",
    "mode",
    "allow_engine_host",
    "allow_origin",
    "grace_seconds",
    "oauth_issuer",
    "oauth_jwks_url",
    "oauth_algorithms",
    "oauth_groups_claim",
    "metrics_host",
    "metrics_port",
)
_KUBERNETES: Final = "KUBERNETES_SERVICE_HOST"
_LATE_CALLS_SECONDS: Final = 5.0
"""For which Kubernetes still sends calls to a pod after its SIGTERM."""


async def run(arguments: argparse.Namespace) -> int:
    """Serve, and return the exit status: 0 after a signal."""
    start_logging(log_level(os.environ), log_format(os.environ))
    given = {name: getattr(arguments, name) for name in _GIVEN}
    async with AsyncExitStack() as owned:
        try:
            http = load_http_settings(given, os.environ)
            observer = owned.enter_context(observing(os.environ, scraped=http.metrics_port is not None))
            server = await _server(http, arguments, owned, observer)
        except NotConfigured as problem:
            sys.stderr.write(f"alayanew-mcp http: {error_lines(problem)}\n")
            return _WRONG_SETTINGS
        stopped = owned.enter_context(_signals())
        try:
            await owned.enter_async_context(server)
        except OSError as error:
            sys.stderr.write(f"alayanew-mcp http: cannot listen on {error.strerror}\n")
            return _FAILED
        at = http.public_url or f"http://{_shown(http.host)}:{server.port}{PATH}"
        sys.stderr.write(f"Serving MCP at {at} (mode {http.mode}{_shared(http)}); Ctrl-C ends it.\n")
        if server.metrics_port is not None:
            sys.stderr.write(f"Metrics are at http://{_shown(http.metrics_host)}:{server.metrics_port}/metrics.\n")
        await stopped.wait()
        sys.stderr.write(f"Stopping within {http.grace_seconds:g} s; Ctrl-C again ends at once.\n")
        stopped.clear()
        draining = asyncio.ensure_future(server.drain(_LATE_CALLS_SECONDS if _KUBERNETES in os.environ else 0))
        again = asyncio.ensure_future(stopped.wait())
        await asyncio.wait({draining, again}, return_when=asyncio.FIRST_COMPLETED)
        draining.cancel()
        again.cancel()
    return 0


async def _server(
    http: HttpSettings, arguments: argparse.Namespace, owned: AsyncExitStack, observer: Observer
) -> HttpServer:
    """Return the server, not listening yet.

    Raises:
        NotConfigured: a setting is unusable.
    """
    if not arguments.over_sandbox:
        own = await load_settings_aside(os.environ) if http.mode == "environment" else None
        return http_server(http, os.environ, own, observer)
    from alaya_mcp.cli.embedded_sandbox import sandbox_settings  # noqa: PLC0415 loaded for --sandbox only

    own = await sandbox_settings(owned, arguments.sandbox_fault)
    http = http.model_copy(update={"allow_engine_host": (*http.allow_engine_host, own.control_plane.host)})
    return http_server(http, {**os.environ, "ALAYA_BASE_URL": own.base_url}, own, observer)


@contextmanager
def _signals() -> Generator[asyncio.Event]:
    """Yield an event that the signals set that end a server."""
    stopped, loop = asyncio.Event(), asyncio.get_running_loop()

    def stop(_number: int, _frame: object) -> None:
        loop.call_soon_threadsafe(stopped.set)

    before = {each: signal.signal(each, stop) for each in stop_signals(signal)}
    try:
        yield stopped
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def stop_signals(system: object) -> list[int]:
    """Return the signals that end a server, of those that the module `signal` has.

    SIGBREAK is Windows' for Ctrl-Break, a closed console and the end of a session. There nothing sends SIGTERM.
    """
    return [getattr(system, name) for name in ("SIGTERM", "SIGINT", "SIGBREAK") if hasattr(system, name)]


def _shared(http: HttpSettings) -> str:
    return ", replies shared with other servers" if http.store_url else ""


def _shown(host: str) -> str:
    return f"[{host}]" if ":" in host else host
