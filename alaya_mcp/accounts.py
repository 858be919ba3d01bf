"""One account and all that is its own; many accounts over what they share."""

import os
from collections import OrderedDict
from collections.abc import AsyncGenerator, Generator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

from alaya_mcp.chat.chats import ChatResources, Chats
from alaya_mcp.chat.kept_replies import KEPT_SECONDS, ReplyStore
from alaya_mcp.chat.places import Places
from alaya_mcp.chat.structured import SchemaChecks
from alaya_mcp.clock import Clock
from alaya_mcp.config.settings import Settings
from alaya_mcp.errors import RateLimited
from alaya_mcp.upstream.client import AlayaClient
from alaya_mcp.upstream.deployment_cache import DeploymentCache
from alaya_mcp.upstream.deployment_names import DeploymentNames
from alaya_mcp.upstream.transport import Transport

MOST_ACCOUNTS: Final = 1_000
_CLOCK: Final = Clock()


@dataclass(frozen=True, slots=True)
class Account:
    """All that belongs to one credential.

    Attributes:
        settings: How it is reached.
        client: Both planes.
        names: What deployments there are, and which is meant by a name.
        cache: Deployments, as lately seen.
        chats: Chats with them.
    """

    settings: Settings
    client: AlayaClient
    names: DeploymentNames
    cache: DeploymentCache
    chats: Chats


class Shared:
    """What accounts share: connections, places for chats, workers that check schemas, room for large replies.

    Args:
        max_concurrency: Chats in flight, of all accounts together.
        transport: Connections to both planes.
        clock: Time and chance.
    """

    def __init__(self, max_concurrency: int, transport: Transport, clock: Clock = _CLOCK) -> None:
        self.transport = transport
        self.clock = clock
        self._resources = ChatResources(Places(max_concurrency), SchemaChecks(), ReplyStore(now=clock.now))

    async def __aenter__(self) -> Self:
        await self.transport.__aenter__()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        await self.transport.__aexit__(exc_type, exc, tb)

    def account(self, settings: Settings) -> Account:
        """A new account over all this; nothing is sent until something is asked of it."""
        now = self.clock.now
        client = AlayaClient(settings, self.transport, self.clock)
        cache = DeploymentCache(client.deployment, now=now)
        names = DeploymentNames(client.deployments, settings.aliases, now)
        chats = Chats(
            client,
            cache,
            names,
            resources=self._resources,
            account=settings.credential,
            idle_seconds=settings.idle_seconds,
            reply_bytes=settings.max_reply_bytes,
        )
        return Account(settings, client, names, cache, chats)


@dataclass(slots=True)
class _Held:
    """An account that is kept.

    Attributes:
        account: Itself.
        calls: How many are using it.
        left: When the last one ended, on the event loop's clock.
    """

    account: Account
    calls: int = 0
    left: float = 0.0


class Accounts:
    """One account for each credential with its settings, at most a number of them; the longest idle ones go first.

    Accounts of one credential that differ in their settings still share its places and its large replies.

    Args:
        shared: What they share.
        most: Accounts kept at a time.
        idle_seconds: After which an account that no call uses is closed, at the next call of any; large replies are
            kept for no longer.
    """

    def __init__(self, shared: Shared, *, most: int = MOST_ACCOUNTS, idle_seconds: float = KEPT_SECONDS) -> None:
        self._shared = shared
        self._most = most
        self._idle_seconds = idle_seconds
        self._held: OrderedDict[str, _Held] = OrderedDict()

    def __len__(self) -> int:
        return len(self._held)

    @contextmanager
    def using(self, settings: Settings) -> Generator[Account]:
        """Yield the account of these settings, which is not closed as long as the block runs.

        Raises:
            RateLimited: as many others are in use as there may be.
        """
        key = settings.key
        self._close_idle()
        held = self._held.get(key)
        if held is None:
            self._make_room()
            held = self._held[key] = _Held(self._shared.account(settings))
        held.calls += 1
        try:
            yield held.account
        finally:
            held.calls -= 1
            held.left = self._shared.clock.now()
            self._held.move_to_end(key)

    def _close_idle(self) -> None:
        """Close the accounts that no call has used for long; they are in the order in which they were last left."""
        long_ago = self._shared.clock.now() - self._idle_seconds
        for key, held in list(self._held.items()):
            if held.left >= long_ago:
                break
            if not held.calls:
                del self._held[key]

    def _make_room(self) -> None:
        """Close the account that has been idle for longest, if there are too many."""
        if len(self._held) < self._most:
            return
        idle = next((key for key, held in self._held.items() if not held.calls), None)
        if idle is None:
            raise RateLimited("accounts_full", count=self._most)
        del self._held[idle]


@asynccontextmanager
async def open_account(settings: Settings, environ: Mapping[str, str] = os.environ) -> AsyncGenerator[Account]:
    """One account alone, for as long as the block runs.

    Args:
        settings: How it is reached.
        environ: What names proxies and files of certificates.
    """
    async with Shared(settings.max_concurrency, Transport(environ)) as shared:
        shared.transport.warm_up(settings.control_plane)
        with Accounts(shared).using(settings) as account:
            yield account
