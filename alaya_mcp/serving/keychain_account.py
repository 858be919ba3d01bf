"""The account of a stdio server whose key pair is in the system's keychain.

Reading a keychain may wait for a person, so the server answers everything else meanwhile: it begins with all settings
but the pair, and a call that needs the account waits for it.
"""

import logging
from collections.abc import AsyncGenerator, Generator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final

from mcp.server.context import CallNext, HandlerResult, ServerRequestContext

from alaya_mcp.accounts import Accounts, Shared
from alaya_mcp.config.keychain import Entry, Reading
from alaya_mcp.config.precedence import Sources, with_pair
from alaya_mcp.config.settings import Settings, settings_from
from alaya_mcp.errors import NotConfigured
from alaya_mcp.observer import NOBODY, Observer
from alaya_mcp.serving.access import Access, AccountSource
from alaya_mcp.serving.errors import error_text
from alaya_mcp.serving.server import McpServer, instructions, server_of
from alaya_mcp.upstream.routes import Routes
from alaya_mcp.upstream.transport import Transport

_NEED_THE_ACCOUNT: Final = frozenset({"tools/call", "resources/read", "prompts/get", "completion/complete"})
_UNREAD: Final = "unread"

_log = logging.getLogger(__name__)


class KeychainAccount:
    """The account, once its pair is read; middleware of the SDK's server, which waits for that.

    Args:
        sources: All settings but the pair.
        environ: The environment.

    Raises:
        NotConfigured: another setting is unusable.
    """

    lists_replies = True

    def __init__(self, sources: Sources, environ: Mapping[str, str]) -> None:
        self.provisional = settings_from(with_pair(sources, _UNREAD, _UNREAD), environ)
        self._sources = sources
        self._environ = environ
        self._entry = Entry(sources.keychain or "", sources.key_pair)
        self._reading: Reading | None = None
        self._accounts: Accounts | None = None
        self._settings: Settings | NotConfigured = NotConfigured("keychain_silent", source=self._entry.label)

    def begin(self, accounts: Accounts) -> None:
        """Begin to read the keychain."""
        self._accounts = accounts
        self._reading = Reading(self._entry)

    async def __call__(self, ctx: ServerRequestContext[Any], call_next: CallNext) -> HandlerResult:
        """Pass a message on, once the pair is read if it is needed."""
        if ctx.method in _NEED_THE_ACCOUNT and self._reading:
            self._settings = await self._settings_of(self._reading)
        return await call_next(ctx)

    @contextmanager
    def using(self, request: Any, /) -> Generator[Access]:  # noqa: ANN401, ARG002 as the protocol has it
        """Yield the account, or why there is none."""
        if isinstance(self._settings, NotConfigured) or self._accounts is None:
            assert isinstance(self._settings, NotConfigured)  # noqa: S101 accounts are there before settings
            yield self._settings
            return
        with self._accounts.using(self._settings) as account:
            yield account

    async def _settings_of(self, reading: Reading) -> Settings | NotConfigured:
        """Return the settings, which do not change once the keychain has answered."""
        try:
            pair = await reading.pair()
            settings = settings_from(with_pair(self._sources, pair.access_key, pair.secret_key), self._environ)
        except NotConfigured as unusable:
            if unusable.cause != "keychain_silent":
                self._reading = None
                _log.warning("%s", error_text(unusable))
            return unusable
        self._reading = None
        return settings


def keychain_server(sources: Sources, environ: Mapping[str, str], observer: Observer = NOBODY) -> McpServer:
    """Return a server for the account of these sources, ready to run on stdio.

    Raises:
        NotConfigured: a setting other than the pair is unusable.
    """
    account = KeychainAccount(sources, environ)
    settings = account.provisional

    @asynccontextmanager
    async def accounts() -> AsyncGenerator[AccountSource]:
        async with Shared(settings.max_concurrency, Transport(Routes(environ), observer)) as shared:
            shared.transport.routes.warm_up(settings.control_plane)
            account.begin(Accounts(shared))
            yield account

    server = server_of(accounts, instructions(settings), observer=observer)
    server.middleware.append(account)
    return server
