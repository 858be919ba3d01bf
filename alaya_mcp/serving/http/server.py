"""The MCP server over HTTP, from its start to the end of the last answer."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from types import TracebackType
from typing import Final, Self

import anyio
from mcp.server.transport_security import TransportSecuritySettings

from alaya_mcp.accounts import Accounts, Shared
from alaya_mcp.config.callers import CallersSettings
from alaya_mcp.config.http import HttpSettings
from alaya_mcp.config.settings import Settings
from alaya_mcp.config.tokens import TokenFile
from alaya_mcp.observer import NOBODY, Observer
from alaya_mcp.serving.access import AccountSource
from alaya_mcp.serving.http.authentication import Authentication, CallersKeys, EnvironmentAccount, IssuedTokens
from alaya_mcp.serving.http.callers import CallersAccounts
from alaya_mcp.serving.http.gate import BODY_CAP, Gate
from alaya_mcp.serving.http.listener import Listener
from alaya_mcp.serving.http.metrics_page import MetricsPage
from alaya_mcp.serving.http.trace_context import Joined
from alaya_mcp.serving.server import instructions, server_of
from alaya_mcp.upstream.routes import Routes
from alaya_mcp.upstream.transport import Transport

_MOST_ACCOUNTS: Final = 256
_IDLE_SECONDS: Final = 900.0
_SHARES: Final = 4
"""One caller may have this part of all places for chats."""
_LAST_SECONDS: Final = 3.0
"""Of the grace period: for answers that are sent as far as they have come."""


class HttpServer:
    """Serves MCP over HTTP; an async context manager.

    Args:
        settings: Of the HTTP server.
        authentication: Says who calls.
        common: The settings that are the same for all callers.
        environ: Variables that set proxies and certificate files.
        observer: Follows what happens.
    """

    def __init__(
        self,
        settings: HttpSettings,
        authentication: Authentication,
        common: Settings,
        environ: Mapping[str, str],
        observer: Observer = NOBODY,
    ) -> None:
        self._settings = settings
        is_shared = settings.mode != "environment"
        private_hosts = frozenset(settings.allow_engine_host) if is_shared else None
        share = max(common.max_concurrency // _SHARES, 1) if is_shared else None
        self._shared = Shared(
            common.max_concurrency, Transport(Routes(environ, private_hosts=private_hosts), observer), share=share
        )

        @asynccontextmanager
        async def accounts() -> AsyncGenerator[AccountSource]:
            async with self._shared:
                held = Accounts(self._shared, most=_MOST_ACCOUNTS, idle_seconds=_IDLE_SECONDS)
                yield CallersAccounts(held, lists_replies=not is_shared)

        self._mcp = server_of(
            accounts,
            instructions(common, is_shared=is_shared),
            scope="public" if is_shared else "private",
            observer=observer,
        )
        application = self._mcp.streamable_http_app(
            stateless_http=True,
            max_request_body_size=BODY_CAP,
            # The gate checks Host and Origin.
            transport_security=TransportSecuritySettings(enable_dns_rebinding_protection=False),
        )
        self._gate = Gate(Joined(application, observer), settings, authentication)
        self._listener = Listener(self._gate, settings.host, settings.port)
        self._metrics = (
            None
            if settings.metrics_port is None
            else Listener(MetricsPage(observer), settings.metrics_host, settings.metrics_port)
        )
        self._owned = AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Begin to listen.

        Raises:
            OSError: the port is taken, or the address is not this machine's.
        """
        async with AsyncExitStack() as owned:
            await owned.enter_async_context(self._mcp.session_manager.run())
            await owned.enter_async_context(self._listener)
            if self._metrics:
                await owned.enter_async_context(self._metrics)
            self._owned = owned.pop_all()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        await self._owned.__aexit__(exc_type, exc, tb)

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return self._listener.port

    @property
    def metrics_port(self) -> int | None:
        """The port on which Prometheus reads the metrics, if there is one."""
        return self._metrics.port if self._metrics else None

    async def drain(self, delay: float) -> bool:
        """Let the running calls end within the grace period; return whether all did.

        Args:
            delay: For which new calls are still taken, until nobody sends any: readiness ends at once.
        """
        self._gate.is_ready = False
        await anyio.sleep(delay)
        self._listener.close()
        if await self._listener.finished(max(self._settings.grace_seconds - _LAST_SECONDS - delay, 0)):
            return True
        self._shared.stop_generations()
        return await self._listener.finished(_LAST_SECONDS - 1)


def http_server(
    settings: HttpSettings, environ: Mapping[str, str], own: Settings | None, observer: Observer = NOBODY
) -> HttpServer:
    """Return a server for the mode that the settings choose.

    Args:
        settings: Of the HTTP server.
        environ: This server's environment.
        own: Its own account, for the mode `environment`.
        observer: Follows what happens.

    Raises:
        NotConfigured: a setting that is the same for all callers is unusable.
    """
    if settings.mode == "environment" and own:
        return HttpServer(settings, EnvironmentAccount(own), own, environ, observer)
    callers = CallersSettings(environ, frozenset(settings.allow_engine_host))
    authentication = (
        IssuedTokens(TokenFile(settings.tokens_file), callers.of_profile)
        if settings.mode == "tokens"
        else CallersKeys(callers.of_keys)
    )
    return HttpServer(settings, authentication, callers.common, environ, observer)
