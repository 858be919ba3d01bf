"""The replies of a group of servers: this one's, copied to the store for the others, and theirs, read from there."""

import asyncio
import secrets
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Final, Self

import anyio

from alaya_mcp.chat.replies import KEPT_SECONDS, ReplyStore, id_of
from alaya_mcp.chat.stored_reply import StoredReply
from alaya_mcp.clock import now
from alaya_mcp.errors import UpstreamUnavailable
from alaya_mcp.store.connection import Appended, Record, Store, StoreUnavailable
from alaya_mcp.store.control import Message, control_stream, presence
from alaya_mcp.store.copy import Copy
from alaya_mcp.store.encryption import Encryption, Unreadable
from alaya_mcp.store.records import Times
from alaya_mcp.store.remote_readers import RemoteReaders
from alaya_mcp.store.remote_reply import Source, StoredRemoteReply, ended, found

_COPY_SECONDS: Final = 0.1
"""Between two times that what has come is copied, of all replies together."""
_AGAIN_SECONDS: Final = 1.0
_PRESENCE_SECONDS: Final = 1.5
_LEASE_SECONDS: Final = 6.0
"""After which a server that says nothing is lost."""
_MESSAGES_SECONDS: Final = 60.0
_LAST_SECONDS: Final = 2.0
"""For the last copies, at this server's end."""
_BATCH_BYTES: Final = 2**20
_MESSAGES: Final = 100
_MOST_MESSAGES: Final = 1_000
"""That wait; a server hears them within a second."""
_NOTHING: Final = Appended(frozenset(), frozenset())


class StoredReplies:
    """This server's part in a group; an async context manager.

    Args:
        store: The store that the group has.
        key: The group's, 32 bytes.
        replies: This server's replies.
    """

    def __init__(self, store: Store, key: bytes, replies: ReplyStore) -> None:
        self._store = store
        self._encryption = Encryption(key)
        self._replies = replies
        self._writer = secrets.token_hex(16)
        self._readers = RemoteReaders(replies)
        self._copies: dict[str, Copy] = {}
        self._changed = asyncio.Event()
        self._publishing: dict[str, asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        times = Times(datetime.now(UTC).timestamp() - now())
        self._source = Source(self._store, self._encryption, times, self._say, self._start)
        for work in (self._tell_presence, self._listen, self._copy_changes):
            self._start(work())
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        await ended(self._tasks)
        self._readers.close()
        with anyio.move_on_after(_LAST_SECONDS, shield=True), suppress(StoreUnavailable):
            await self._copy()
        await self._store.__aexit__(exc_type, exc, tb)

    async def is_reachable(self) -> bool:
        """Return whether a reply could be published now."""
        try:
            await self._store.mark(presence(self._writer), _LEASE_SECONDS)
        except StoreUnavailable:
            return False
        return True

    async def publish(self, reply: StoredReply) -> bool:
        """Let all servers read a reply of this one from now on; return whether they can."""
        if reply.is_shared:
            return True
        stream = self._encryption.stream(reply.account, id_of(reply))
        publishing = self._publishing.get(stream)
        if publishing is None:  # it goes on if a call that waits for it is cancelled: another may wait too
            publishing = self._publishing[stream] = self._start(self._publish(reply, stream))
            publishing.add_done_callback(lambda _: self._publishing.pop(stream, None))
        await asyncio.wait([publishing])
        return reply.is_shared

    async def _publish(self, reply: StoredReply, stream: str) -> None:
        copy = Copy(reply, self._writer, stream, self._encryption, self._source.times)
        try:
            await self._write([copy])
        except StoreUnavailable:
            return
        reply.is_shared = True
        if not copy.is_whole:
            self._copies[stream] = copy
            reply.on_change = self._changed.set
            self._changed.set()

    async def find(self, account: str, reply_id: str, start: int) -> StoredRemoteReply | None:
        """Return a reply of an account, to be read from a byte on; None if there is none.

        Raises:
            UpstreamUnavailable: the store cannot be read.
        """
        try:
            return await found(self._source, account, reply_id, start)
        except StoreUnavailable:
            raise UpstreamUnavailable("store_unavailable") from None

    async def whole(self, account: str, reply_id: str, start: int) -> StoredReply | None:
        """Return a reply of an account from a byte on, as far as it has come; None if there is none.

        Raises:
            UpstreamUnavailable: the store cannot be read.
        """
        remote = await self.find(account, reply_id, start)
        if remote is None:
            return None
        try:
            await remote.load()
        except StoreUnavailable:
            raise UpstreamUnavailable("store_unavailable") from None
        except Unreadable:
            return None
        await remote.look()
        return remote.reply

    def cancel(self, account: str, reply_id: str) -> None:
        """Have a reply stopped, unless somebody reads it."""
        self._start(self._cancel(account, reply_id))

    async def _cancel(self, account: str, reply_id: str) -> None:
        with suppress(UpstreamUnavailable):
            if remote := await self.find(account, reply_id, 0):
                await remote.cancel()

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _tell_presence(self) -> None:
        """Tell again and again that this server runs."""
        while True:
            await self.is_reachable()
            await asyncio.sleep(_PRESENCE_SECONDS)

    async def _say(self, writer: str, message: Message) -> None:
        stream = control_stream(writer)
        record = Record(stream, "*", self._encryption.encrypted(message.encoded(), stream), most=_MOST_MESSAGES)
        await self._store.append([record], _MESSAGES_SECONDS)

    async def _listen(self) -> None:
        """Do what servers that read this one's replies say."""
        stream, after = control_stream(self._writer), "0-0"
        while True:
            try:
                records = await self._store.records(stream, after, count=_MESSAGES, waits=True)
            except StoreUnavailable:
                await asyncio.sleep(_AGAIN_SECONDS)
                continue
            for after, record in records:  # noqa: B007 the last one is where the next read begins
                with suppress(Unreadable):
                    self._readers.take(Message.decoded(self._encryption.decrypted(record, stream)))

    async def _copy_changes(self) -> None:
        """Copy what comes of the published replies."""
        while True:
            await self._changed.wait()
            await asyncio.sleep(_COPY_SECONDS)
            self._changed.clear()
            try:
                await self._copy()
            except StoreUnavailable:
                self._changed.set()
                await asyncio.sleep(_AGAIN_SECONDS)

    async def _copy(self) -> None:
        await self._write(list(self._copies.values()))
        for stream in [stream for stream, copy in self._copies.items() if copy.is_whole]:
            del self._copies[stream]

    async def _write(self, copies: Sequence[Copy]) -> None:
        """Store what copies lack, many in one request.

        Raises:
            StoreUnavailable: some may not be stored.
        """
        left = list(copies)
        while left:
            batch: list[Copy] = []
            records: list[Record] = []
            size = 0
            while left and size < _BATCH_BYTES:
                batch.append(left.pop())
                lacking = batch[-1].records()
                records += lacking
                size += sum(len(record.data) for record in lacking)
            done = await self._store.append(records, KEPT_SECONDS) if records else _NOTHING
            for copy in batch:
                if copy.stream in done.refused:
                    self._copies.pop(copy.stream, None)
                elif copy.stream in done.lost:
                    copy.lost()
                    self._changed.set()
                else:
                    copy.stored()
