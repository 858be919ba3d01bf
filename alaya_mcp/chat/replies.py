"""The replies of all accounts: those that are being written, and those that have ended, for a while."""

import asyncio
import math
import re
import secrets
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Final

from alaya_mcp.chat.reply_window import size_of
from alaya_mcp.chat.stored_reply import End, Follower, StoredReply, Writer
from alaya_mcp.clock import now
from alaya_mcp.errors import InvalidArguments

BUDGET_BYTES: Final = 32 * 2**20
"""Total size of the replies that have ended."""
_OVERHEAD: Final = 3 * 2**10
"""Bytes of a reply beside its text and its result."""
KEPT_SECONDS: Final = 1800
"""How long a reply is kept after its end."""

REPLIES: Final = "alaya://replies/"
URI_TEMPLATE: Final = REPLIES + "{reply_id}"
_URI = re.compile(rf"{re.escape(REPLIES)}([A-Za-z0-9_-]{{1,64}})(?:\?from=([0-9]{{1,12}}))?")
_AROUND: Final = " \t\r\n\"'`<>"
"""What models put around a URI."""
_CONTINUATION: Final = range(0x80, 0xC0)
"""Bytes of UTF-8 that begin no character."""


class ReplyStore:
    """The replies of all accounts that are being written, and the last that have ended, within a budget of bytes."""

    def __init__(
        self, budget: int = BUDGET_BYTES, seconds: float = KEPT_SECONDS, now: Callable[[], float] = now
    ) -> None:
        self._budget = budget
        self._seconds = seconds
        self._now = now
        self._mark = secrets.token_hex(2)
        """Begins the ids of this process's replies."""
        self._replies: dict[str, StoredReply] = {}
        self._ended: dict[str, int] = {}
        """The sizes of those that have ended, the oldest first."""

    @property
    def kept_bytes(self) -> int:
        """The size of the replies that have ended."""
        return sum(self._ended.values())

    def put(self, account: str, writer: Writer, abandon_seconds: float) -> StoredReply:
        """Return a new reply."""
        reply_id = f"{self._mark}{secrets.token_urlsafe(12)}"
        reply = self._replies[reply_id] = StoredReply(account, f"{REPLIES}{reply_id}", writer, abandon_seconds)
        return reply

    @contextmanager
    def follow(self, reply: StoredReply, follower: Follower, *, start: int = 0, until: float) -> Generator[None]:
        """Let a follower read a reply from a byte on while the block runs, which waits until then at most."""
        self.hold(reply, follower, start=start, until=until)
        is_cancelled = False
        try:
            yield
        except asyncio.CancelledError:
            is_cancelled = True
            raise
        finally:
            self.release(reply, follower, until=until, is_cancelled=is_cancelled)

    def hold(self, reply: StoredReply, follower: Follower, *, start: int = 0, until: float) -> None:
        """Let a follower read a reply from a byte on, until it is released."""
        reply.claims.append(until)
        if reply.writer:
            reply.writer.extend(max(reply.claims))
        reply.hold(start, follower)

    def release(self, reply: StoredReply, follower: Follower, *, until: float, is_cancelled: bool) -> None:
        """Let a follower go that was to wait until then; `is_cancelled`: so was its call."""
        reply.claims.remove(until)
        if reply.writer:
            reply.writer.extend(max(reply.claims, default=-math.inf))
        reply.release(follower, is_cancelled=is_cancelled)
        self._settle(reply)

    def end(self, reply: StoredReply, end: End) -> None:
        """Record how a reply ended."""
        self._drop_old()
        reply.finish(end)
        reply.until = self._now() + self._seconds
        self._settle(reply)

    def all(self, account: str) -> list[StoredReply]:
        """Return an account's replies, the oldest first; from now on they are known."""
        self._drop_old()
        replies = [reply for reply in self._replies.values() if reply.account == account and reply.heading]
        for reply in replies:
            reply.is_known = True
        return replies

    def find(self, account: str, uri: str) -> tuple[StoredReply, int]:
        """Return the reply that a URI names, and the byte that reading starts from: the start of a character.

        Raises:
            InvalidArguments: unknown URI, or no such reply of this account.
        """
        reply_id, start = named_in(uri)
        self._drop_old()
        reply = self.get(reply_id)
        if reply is None or reply.account != account:
            is_own = reply_id.startswith(self._mark)
            raise InvalidArguments("reply_not_kept" if is_own else "reply_elsewhere")
        start = min(start, reply.size)
        return reply, start + continued(reply.text, start)

    def get(self, reply_id: str) -> StoredReply | None:
        """Return a reply of any account, or None."""
        return self._replies.get(reply_id)

    def _settle(self, reply: StoredReply) -> None:
        """Keep a reply that has ended if somebody knows it and it fits the budget; else drop it, once it is read."""
        reply_id = id_of(reply)
        if not reply.end or reply_id in self._ended or reply_id not in self._replies:
            return
        facts = reply.end.facts
        size = _OVERHEAD + len(reply.text) + (size_of(facts.model_dump_json()) if facts and reply.is_known else 0)
        if reply.is_known and size <= self._budget:
            self._ended[reply_id] = size
            self._drop_oldest()
        elif not reply.is_followed:
            self._drop(reply_id)

    def _drop_oldest(self) -> None:
        """Drop the oldest until all are within the budget."""
        while self.kept_bytes > self._budget:
            self._drop(next(iter(self._ended)))

    def _drop_old(self) -> None:
        now = self._now()
        for reply_id in [reply_id for reply_id, reply in self._replies.items() if reply.until <= now]:
            self._drop(reply_id)

    def _drop(self, reply_id: str) -> None:
        self._replies.pop(reply_id, None)
        self._ended.pop(reply_id, None)


def id_of(reply: StoredReply) -> str:
    """Return what its URI ends in."""
    return reply.uri.removeprefix(REPLIES)


def named_in(uri: str) -> tuple[str, int]:
    """Return the reply's id and the byte to read from that a URI names.

    Raises:
        InvalidArguments: it is none.
    """
    match = _URI.fullmatch(uri.strip(_AROUND))
    if match is None:
        raise InvalidArguments("read_on_unknown")
    return match[1], int(match[2] or 0)


def continued(text: bytes | bytearray, at: int) -> int:
    """Return how many bytes from there on belong to a character that begins before."""
    return next((count for count, byte in enumerate(text[at : at + 4]) if byte not in _CONTINUATION), len(text[at:]))
