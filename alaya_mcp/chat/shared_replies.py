"""Replies that every server of a group can read, whichever of them writes one."""

from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Protocol, Self

from alaya_mcp.chat.stored_reply import Follower, StoredReply


class RemoteReply(Protocol):
    """A reply that is kept, and perhaps still written, by another server."""

    @property
    def reply(self) -> StoredReply:
        """What has been read of it, from `start` on."""
        ...

    @property
    def start(self) -> int:
        """The byte that reading starts from: the start of a character."""
        ...

    def followed(self, follower: Follower, until: float) -> AbstractAsyncContextManager[None]:
        """Let a follower read it while the block runs, which waits until then, on the event loop's clock, at most."""
        ...


class SharedReplies(Protocol):
    """The replies of a group of servers; an account is the same at each. An async context manager."""

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None: ...

    async def is_reachable(self) -> bool:
        """Return whether a reply could be published now."""
        ...

    async def publish(self, reply: StoredReply) -> bool:
        """Let all servers read a reply of this one from now on; return whether they can."""
        ...

    async def find(self, account: str, reply_id: str, start: int) -> RemoteReply | None:
        """Return a reply of an account, to be read from a byte on; None if there is none.

        Raises:
            UpstreamUnavailable: nobody can say.
        """
        ...

    async def whole(self, account: str, reply_id: str, start: int) -> StoredReply | None:
        """Return a reply of an account from a byte on, as far as it has come; None if there is none.

        Raises:
            UpstreamUnavailable: nobody can say.
        """
        ...

    def cancel(self, account: str, reply_id: str) -> None:
        """Have a reply stopped, unless somebody reads it."""
        ...
