"""Per-account state, and what all accounts share."""

import os
from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

from alaya_mcp.chat.asking import ChatLimits
from alaya_mcp.chat.chats import ChatResources, Chats
from alaya_mcp.chat.concurrency import Places
from alaya_mcp.chat.generation import Generations
from alaya_mcp.chat.replies import KEPT_SECONDS, ReplyStore
from alaya_mcp.chat.shared_replies import SharedReplies
from alaya_mcp.chat.structured import SchemaChecks
from alaya_mcp.clock import Clock
from alaya_mcp.config.settings import Settings
from alaya_mcp.errors import RateLimited
from alaya_mcp.observer import NOBODY, Observer
from alaya_mcp.upstream.client import AlayaClient
from alaya_mcp.upstream.deployment_lookup import DeploymentCache, DeploymentNames
from alaya_mcp.upstream.routes import Routes
from alaya_mcp.upstream.transport import Transport

MOST_ACCOUNTS: Final = 1_000
_CLOCK: Final = Clock()


@dataclass(frozen=True, slots=True)
class Account:
    """The state of one credential, used by the server, the terminal chat and the doctor.

    Attributes:
        settings: Its settings.
        fingerprint: Identifies its access key in logs.
        client: Sends requests to both planes.
        names: Lists deployments and resolves names.
        cache: Recently read deployments.
        chats: Chats with them.
    """

    settings: Settings
    fingerprint: str
    client: AlayaClient
    names: DeploymentNames
    cache: DeploymentCache
    chats: Chats


class Shared:
    """Shared by all accounts: connections, places for chats, workers that check schemas, room for large replies.

    Args:
        max_concurrency: Chats in flight, of all accounts together.
        transport: Connections to both planes.
        clock: Time, sleep and randomness.
        share: Chats in flight of one account; by default all.
        join: Joins this server's replies to those of a group of servers; by default it is alone.
    """

    def __init__(
        self,
        max_concurrency: int,
        transport: Transport,
        clock: Clock = _CLOCK,
        *,
        share: int | None = None,
        join: Callable[[ReplyStore], SharedReplies] | None = None,
    ) -> None:
        self.transport = transport
        self.clock = clock
        self.generations = Generations()
        places, replies = Places(max_concurrency, share), ReplyStore(now=clock.now)
        self._shared_replies = join(replies) if join else None
        self._resources = ChatResources(places, SchemaChecks(), replies, self.generations, self._shared_replies)
        transport.observer.watch(
            places=lambda: places.total,
            running=lambda: places.running,
            queued=lambda: places.queued,
            generations=self.generations.__len__,
            kept=lambda: replies.kept_bytes,
        )
        self._owned = AsyncExitStack()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as owned:
            await owned.enter_async_context(self.transport)
            if self._shared_replies:
                await owned.enter_async_context(self._shared_replies)
            await owned.enter_async_context(self.generations)
            self._owned = owned.pop_all()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        await self._owned.__aexit__(exc_type, exc, tb)

    def account(self, settings: Settings) -> Account:
        """Return a new account; nothing is sent until it is used."""
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
            limits=ChatLimits(
                settings.idle_seconds,
                settings.max_reply_bytes,
                settings.generation_seconds,
                settings.abandon_seconds,
            ),
        )
        return Account(settings, settings.account, client, names, cache, chats)


@dataclass(slots=True)
class _Held:
    """An open account.

    Attributes:
        account: The account.
        calls: Calls that are using it.
        left: When the last call ended, on the event loop's clock.
    """

    account: Account
    calls: int = 0
    left: float = 0.0


class Accounts:
    """Open accounts, one for each credential with its settings; over the limit, the longest idle one is closed.

    Accounts of one credential that differ in their settings still share its places and its large replies.

    Args:
        shared: Shared by them.
        most: Accounts open at a time.
        idle_seconds: After this time without a call an account is closed, at the next call of any account.
    """

    def __init__(self, shared: Shared, *, most: int = MOST_ACCOUNTS, idle_seconds: float = KEPT_SECONDS) -> None:
        self._shared = shared
        self._most = most
        self._idle_seconds = idle_seconds
        self._held: OrderedDict[str, _Held] = OrderedDict()
        shared.transport.observer.watch(accounts=self.__len__)

    def __len__(self) -> int:
        return len(self._held)

    @contextmanager
    def using(self, settings: Settings) -> Generator[Account]:
        """Yield the account of these settings; it is not closed while the block runs.

        Raises:
            RateLimited: `most` other accounts are in use.
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
        """Close accounts that have been idle too long; they are ordered by their last use."""
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
async def open_account(
    settings: Settings, environ: Mapping[str, str] = os.environ, observer: Observer = NOBODY
) -> AsyncGenerator[Account]:
    """Yield a single account, closed with the block.

    Args:
        settings: Its settings.
        environ: Variables that set proxies and certificate files.
        observer: Follows requests and chats.
    """
    async with Shared(settings.max_concurrency, Transport(Routes(environ), observer)) as shared:
        shared.transport.routes.warm_up(settings.control_plane)
        with Accounts(shared).using(settings) as account:
            yield account
