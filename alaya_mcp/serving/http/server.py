"""The MCP server over HTTP, from its start to the end of the last answer."""

from base64 import b64decode
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, nullcontext
from types import MappingProxyType, TracebackType
from typing import Final, Self

import anyio
from mcp.server.transport_security import TransportSecuritySettings

from alaya_mcp.accounts import Accounts, Shared
from alaya_mcp.chat.replies import ReplyStore
from alaya_mcp.chat.shared_replies import SharedReplies
from alaya_mcp.config.callers import CallersSettings
from alaya_mcp.config.http import HttpSettings
from alaya_mcp.config.settings import Settings
from alaya_mcp.config.tokens import TokenFile
from alaya_mcp.deadline import Deadline
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
_STOPPING_SECONDS: Final = 1.0


class HttpServer:
    """Serves MCP over HTTP; an async context manager.

    Args:
        settings: Of the HTTP server.
        authentication: Says who calls.
        common: The settings that are the same for all callers.
        transport: Connections for all accounts.
        documents: JSON that anybody may read, by path.
        beside: Runs as long as the server does.
    """

    def __init__(
        self,
        settings: HttpSettings,
        authentication: Authentication,
        common: Settings,
        transport: Transport,
        documents: Mapping[str, bytes] = MappingProxyType({}),
        beside: AbstractAsyncContextManager[object] = nullcontext(),  # noqa: B008 it holds nothing
    ) -> None:
        self._settings = settings
        is_shared = settings.mode != "environment"
        share = max(common.max_concurrency // _SHARES, 1) if is_shared else None
        self._shared = Shared(common.max_concurrency, transport, share=share, join=joining(settings))

        @asynccontextmanager
        async def accounts() -> AsyncGenerator[AccountSource]:
            async with self._shared:
                held = Accounts(self._shared, most=_MOST_ACCOUNTS, idle_seconds=_IDLE_SECONDS)
                yield CallersAccounts(held, lists_replies=not is_shared)

        self._mcp = server_of(
            accounts,
            instructions(common, is_shared=is_shared),
            scope="public" if is_shared else "private",
            observer=transport.observer,
        )
        application = self._mcp.streamable_http_app(
            stateless_http=True,
            max_request_body_size=BODY_CAP,
            # The gate checks Host and Origin.
            transport_security=TransportSecuritySettings(enable_dns_rebinding_protection=False),
        )
        self._gate = Gate(Joined(application, transport.observer), settings, authentication, documents)
        self._listener = Listener(self._gate, settings.host, settings.port)
        self._metrics = (
            None
            if settings.metrics_port is None
            else Listener(MetricsPage(transport.observer), settings.metrics_host, settings.metrics_port)
        )
        self._beside = beside
        self._owned = AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Begin to listen.

        Raises:
            OSError: the port is taken, or the address is not this machine's.
        """
        taken: OSError | None = None
        async with AsyncExitStack() as owned:
            await owned.enter_async_context(self._mcp.session_manager.run())
            await owned.enter_async_context(self._beside)
            try:
                await owned.enter_async_context(self._listener)
                if self._metrics:
                    await owned.enter_async_context(self._metrics)
                self._owned = owned.pop_all()
            except OSError as error:
                taken = error  # raised below: the SDK's task group would wrap it
        if taken:
            raise taken
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
        await self._listener.close()
        until = Deadline.after(max(self._settings.grace_seconds - _LAST_SECONDS - delay, 0))
        is_done = await self._listener.finished(until.remaining())
        if self._settings.store_url:  # callers of other servers read on what is written here
            await self._shared.generations.finished(until.remaining())
        self._shared.generations.stop()
        await self._shared.generations.finished(_STOPPING_SECONDS)
        return is_done or await self._listener.finished(_LAST_SECONDS - _STOPPING_SECONDS)


def joining(settings: HttpSettings) -> Callable[[ReplyStore], SharedReplies] | None:
    """Return what joins a server's replies to those of its group; None for a server alone."""
    if not (settings.store_url and settings.store_key):
        return None
    from alaya_mcp.store.connection import Store  # noqa: PLC0415 an extra
    from alaya_mcp.store.replies import StoredReplies  # noqa: PLC0415 an extra

    url, key = settings.store_url.get_secret_value(), b64decode(settings.store_key.get_secret_value())
    return lambda replies: StoredReplies(Store(url), key, replies)


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
        return HttpServer(settings, EnvironmentAccount(own), own, Transport(Routes(environ), observer))
    hosts = frozenset(settings.allow_engine_host)
    callers = CallersSettings(environ, hosts)
    transport = Transport(Routes(environ, private_hosts=hosts), observer)
    if settings.mode == "oauth":
        from alaya_mcp.serving.http.oauth import AuthorizedUsers, published  # noqa: PLC0415 loads a library for JWTs
        from alaya_mcp.serving.http.signing_keys import SigningKeys  # noqa: PLC0415 the same

        keys = SigningKeys(transport, settings.oauth_issuer, settings.oauth_jwks_url, settings.oauth_algorithms)
        users = AuthorizedUsers(settings, keys, callers.of_profile)
        return HttpServer(settings, users, callers.common, transport, published(settings), keys)
    authentication = (
        IssuedTokens(TokenFile(settings.tokens_file), callers.of_profile)
        if settings.mode == "tokens"
        else CallersKeys(callers.of_keys)
    )
    return HttpServer(settings, authentication, callers.common, transport)
