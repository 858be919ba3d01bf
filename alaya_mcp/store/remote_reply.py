"""A reply of another server, read from the store."""

import asyncio
import math
import secrets
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final

from alaya_mcp.chat.outcome import stopped
from alaya_mcp.chat.replies import REPLIES, continued, id_of
from alaya_mcp.chat.stored_reply import End, Follower, StoredReply
from alaya_mcp.clock import now
from alaya_mcp.errors import InvalidArguments
from alaya_mcp.store.connection import Store, StoreUnavailable
from alaya_mcp.store.control import Act, Message, presence
from alaya_mcp.store.encryption import Encryption, Unreadable
from alaya_mcp.store.records import END, HEADING, STATE, TEXT, Times, read_end, read_heading, take_state
from alaya_mcp.store.remote_readers import HOLD_SECONDS

_PAGE: Final = 8
"""Records that are read at a time."""
_AGAIN_SECONDS: Final = 1.0
_MOST_MISSED: Final = 3
"""Looks, each after a second without a record, at which the writer was missed: then it is lost."""
_AGAIN_CANCELLED_SECONDS: Final = 0.05


@dataclass(frozen=True, slots=True)
class Source:
    """Where replies of other servers are read from.

    Attributes:
        store: The store.
        encryption: Decrypts them.
        times: To understand times.
        say: Sends a message to a writer.
        start: Starts what no call waits for.
    """

    store: Store
    encryption: Encryption
    times: Times
    say: Callable[[str, Message], Awaitable[None]]
    start: Callable[[Coroutine[Any, Any, None]], object]


class StoredRemoteReply:
    """A reply of another server; made by `found`.

    Args:
        source: Where it is read from.
        stream: Its stream.
        reply: What has been read of it.
        writer: The server that writes it.
        after: The id of the record before the first that is read.
    """

    def __init__(self, source: Source, stream: str, reply: StoredReply, writer: str, after: str) -> None:
        self.reply = reply
        self._source = source
        self._stream = stream
        self._writer = writer
        self._after = after

    @property
    def start(self) -> int:
        """The byte that reading starts from: the start of a character."""
        return self.reply.start

    async def load(self, pages: float = math.inf) -> None:
        """Read what there is now, at most so many pages.

        Raises:
            StoreUnavailable: it cannot be read.
            Unreadable: no server of this group has written it.
        """
        while pages > 0 and not self.reply.end and await self._read():
            pages -= 1

    @asynccontextmanager
    async def followed(self, follower: Follower, until: float) -> AsyncGenerator[None]:
        """Let a follower read it while the block runs, which waits until then, on the event loop's clock, at most."""
        reader = secrets.token_hex(8)
        self.reply.hold(self.reply.start, follower)
        loop = asyncio.get_running_loop()
        tasks = [loop.create_task(self._feed(follower)), loop.create_task(self._hold(reader, until))]
        act: Act = "release"
        try:
            yield
        except asyncio.CancelledError:
            act = "cancel"
            raise
        finally:
            self._source.start(self._leave(tasks, act, reader))  # the call does not wait for it

    async def _leave(self, tasks: Iterable[asyncio.Task[None]], act: Act, reader: str) -> None:
        await ended(tasks)
        if not self.reply.end:
            await self._say(act, reader)

    async def look(self) -> None:
        """Tell the writer that somebody was shown it."""
        await self._say("look")

    async def cancel(self) -> None:
        """Have the writer stop it, unless somebody reads it."""
        await self._say("cancel")

    async def _hold(self, reader: str, until: float) -> None:
        while not self.reply.end:
            await self._say("hold", reader, until - now())
            await asyncio.sleep(HOLD_SECONDS)

    async def _say(self, act: Act, reader: str = "", seconds: float = 0) -> None:
        with suppress(StoreUnavailable):
            await self._source.say(self._writer, Message(act, id_of(self.reply), reader, seconds))

    async def _feed(self, follower: Follower) -> None:
        """Tell the follower what comes, until the reply's end."""
        missed = 0
        while not (self.reply.end or follower.is_full):
            try:
                if await self._read(waits=True):
                    missed = 0
                    continue
                missed = 0 if await self._source.store.is_marked(presence(self._writer)) else missed + 1
                if missed == _MOST_MISSED:
                    self.reply.finish(stopped("server_lost", "writing" if self.reply.size else "nothing"))
            except StoreUnavailable:
                await asyncio.sleep(_AGAIN_SECONDS)
            except Unreadable:
                self.reply.finish(End(error=InvalidArguments("reply_not_kept")))
            except Exception as bug:  # noqa: BLE001 raised again by the call that reads the reply
                self.reply.finish(End(error=bug))

    async def _read(self, *, waits: bool = False) -> bool:
        """Read the next records; return whether there were any."""
        records = await self._source.store.records(self._stream, self._after, count=_PAGE, waits=waits)
        for id_, record in records:
            self._take(int(id_.partition("-")[0]), self._source.encryption.decrypted(record, self._stream, id_))
            self._after = id_
        return bool(records)

    def _take(self, size: int, data: bytes) -> None:
        """Take a record, up to which there are so many bytes of text."""
        kind = data[:1]
        if kind == TEXT:
            self._write(size, data[1:])
        elif kind == STATE:
            take_state(self.reply, data, self._source.times)
        elif kind == END:
            if size > self.reply.size:
                raise Unreadable  # text before it is gone
            self.reply.finish(read_end(data))

    def _write(self, size: int, text: bytes) -> None:
        reply = self.reply
        begin = size - len(text)
        if begin > reply.size:
            raise Unreadable  # the store has lost what was before
        new = text[reply.size - begin :] if size > reply.size else b""
        if not reply.text:
            rest = continued(new, 0)
            reply.start, new = reply.start + rest, new[rest:]
        reply.write(new.decode())


async def ended(tasks: Iterable[asyncio.Task[None]]) -> None:
    """Cancel tasks until they have ended: under Python 3.11 the client of the store can lose a cancellation."""
    left = {task for task in tasks if not task.done()}
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=_AGAIN_CANCELLED_SECONDS)


async def found(source: Source, account: str, reply_id: str, start: int) -> StoredRemoteReply | None:
    """Return a reply of an account, to be read from a byte on; None if there is none.

    Raises:
        StoreUnavailable: nobody knows.
    """
    stream = source.encryption.stream(account, reply_id)
    ends = await source.store.ends(stream)
    if not ends:
        return None
    try:
        first, last = (source.encryption.decrypted(record, stream, id_) for id_, record in ends)
        if first[:1] != HEADING:
            return None
        heading, writer = read_heading(first, source.times)
        size = int(ends[1][0].partition("-")[0])
        begin = min(start, size)
        if last[:1] == END:
            start = begin = min(max(start, read_end(last).begins), size)
        reply = StoredReply(account, f"{REPLIES}{reply_id}", None, 0, start=start)
        reply.begin(heading)
        remote = StoredRemoteReply(source, stream, reply, writer, f"{begin}-0")
        if begin < size:
            await remote.load(pages=1)
    except Unreadable:
        return None
    return remote
