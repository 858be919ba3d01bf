"""Replies while they are written and for a while after: the text by byte offsets, the status, and the end.

A reply's writer and its readers meet only here: offsets are bytes of UTF-8, an end is a value, and a follower gets the
text in order, each character once.
"""

import asyncio
import math
import re
import secrets
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final, Literal, Protocol

from alaya_mcp.chat.remark import Remark
from alaya_mcp.clock import now
from alaya_mcp.errors import InvalidArguments
from alaya_mcp.progress import Notes, Phase
from alaya_mcp.results import ChatResult

BUDGET_BYTES: Final = 32 * 2**20
"""Total size of the replies that have ended."""
KEPT_SECONDS: Final = 1800
"""How long a reply is kept after its end."""

REPLIES: Final = "alaya://replies/"
URI_TEMPLATE: Final = REPLIES + "{reply_id}"
_URI = re.compile(rf"{re.escape(REPLIES)}([A-Za-z0-9_-]{{1,64}})(?:\?from=([0-9]{{1,12}}))?")
_PIECE: Final = 2**16
"""Bytes that a new follower is given at a time."""
_CONTINUATION: Final = range(0x80, 0xC0)
"""Bytes of UTF-8 that begin no character."""

StopReason = Literal["deadline", "abandoned", "cancelled"]


@dataclass(frozen=True, slots=True)
class Heading:
    """What is known of a reply once its request is sent.

    Attributes:
        service_id: The deployment.
        model: The model, as asked for or chosen.
        remarks: On the request.
        sent: When it was sent first, on the event loop's clock.
    """

    service_id: str
    model: str
    remarks: tuple[Remark, ...]
    sent: float


@dataclass(frozen=True, slots=True)
class End:
    """How a reply ended.

    Attributes:
        facts: Its result, without the text; None if there is none.
        remarks: On it.
        begins: The byte at which the reply begins: what is before turned out to be thinking.
        reason: Why it was stopped before it began, in place of `facts`.
        error: Why there is no reply, in place of `facts`.
    """

    facts: ChatResult | None = None
    remarks: tuple[Remark, ...] = ()
    begins: int = 0
    reason: StopReason | None = None
    error: Exception | None = None


class Writer(Protocol):
    """Writes one reply."""

    def stop(self, reason: StopReason) -> None:
        """Stop at once, and end the reply with what has come."""
        ...

    def extend(self, until: float) -> None:
        """Go on until then at least: a call waits for it that long."""
        ...


class Follower(Notes, Protocol):
    """Reads a reply while it is written: its text and, until that comes, its status."""

    @property
    def is_full(self) -> bool:
        """Whether it takes no more text."""
        ...

    def begun(self) -> None:
        """Hear that the request has been sent."""
        ...

    def ended(self) -> None:
        """Hear that the reply has ended."""
        ...


@dataclass(slots=True, eq=False)
class StoredReply:
    """One reply, as far as it has come.

    Attributes:
        account: Its account.
        uri: Its resource URI.
        writer: Its writer; None once it has ended, so that the two do not keep each other.
        abandon_seconds: How long it goes on without a reader.
        heading: Once the request has been sent.
        text: In UTF-8.
        first_token: When it came, on the event loop's clock.
        thoughts: Pieces of thinking so far.
        end: How it ended; None while it is written.
        until: When it is dropped.
        is_known: Whether somebody was given its URI.
    """

    account: str
    uri: str
    writer: Writer | None
    abandon_seconds: float
    heading: Heading | None = None
    text: bytearray = field(default_factory=bytearray)
    first_token: float | None = None
    thoughts: int = 0
    end: End | None = None
    until: float = math.inf
    is_known: bool = False
    _status: tuple[Phase, str, str] | None = None
    _followers: list[Follower] = field(default_factory=list[Follower])
    _leaving: asyncio.TimerHandle | None = None

    def begin(self, heading: Heading) -> None:
        """Record that the request has been sent."""
        self.heading = heading
        for follower in self._followers:
            follower.begun()

    def status(self, phase: Phase, words: str, detail: str = "") -> None:
        """Tell what is being done."""
        self._status = phase, words, detail
        for follower in self._followers:
            follower.status(phase, words, detail)

    def think(self, pieces: int = 1) -> None:
        """Tell that the model is thinking."""
        self.thoughts += pieces
        for follower in self._followers:
            follower.think(pieces)

    def write(self, text: str) -> None:
        """Append text."""
        if text:
            self.text += text.encode()
            for follower in self._followers:
                follower.write(text)

    @property
    def is_followed(self) -> bool:
        """Whether somebody reads it."""
        return bool(self._followers)

    def hold(self, text_from: int, follower: Follower) -> None:
        """Add a follower, and give it what there is."""
        if self._leaving:
            self._leaving.cancel()
            self._leaving = None
        at = text_from
        while at < len(self.text) and not follower.is_full:
            piece = self.text[at : at + _PIECE].decode("utf-8", "ignore")
            follower.write(piece)
            at += len(piece.encode())
        if self.heading:
            follower.begun()
        if self.end:
            follower.ended()
        elif not self.text:
            if self.thoughts:
                follower.think(self.thoughts)
            elif self._status:
                follower.status(*self._status)
        self._followers.append(follower)

    def release(self, follower: Follower, *, is_cancelled: bool) -> None:
        """Remove a follower. Without one, a reply is stopped: at once if its call was cancelled, else after a time."""
        self._followers.remove(follower)
        if self._followers or self.writer is None:
            return
        if is_cancelled or not self.is_known:
            self.writer.stop("cancelled")
        else:
            self._leaving = asyncio.get_running_loop().call_later(self.abandon_seconds, self.writer.stop, "abandoned")

    def finish(self, end: End) -> None:
        """Record its end."""
        self.end, self.writer = end, None
        if self._leaving:
            self._leaving.cancel()
        for follower in self._followers:
            follower.ended()


class ReplyStore:
    """The replies of all accounts that are being written, and the last that have ended, within a budget of bytes."""

    def __init__(
        self, budget: int = BUDGET_BYTES, seconds: float = KEPT_SECONDS, now: Callable[[], float] = now
    ) -> None:
        self._budget = budget
        self._seconds = seconds
        self._now = now
        self._replies: dict[str, StoredReply] = {}
        self._ended: dict[str, int] = {}
        """The sizes of those that have ended, the oldest first."""

    def put(self, account: str, writer: Writer, abandon_seconds: float) -> StoredReply:
        """Return a new reply."""
        reply_id = secrets.token_urlsafe(12)
        reply = self._replies[reply_id] = StoredReply(account, f"{REPLIES}{reply_id}", writer, abandon_seconds)
        return reply

    @contextmanager
    def follow(self, reply: StoredReply, follower: Follower, *, start: int = 0, until: float) -> Generator[None]:
        """Let a follower read a reply from a byte on while the block runs, which lasts until then at most."""
        if reply.writer:
            reply.writer.extend(until)
        reply.hold(start, follower)
        is_cancelled = False
        try:
            yield
        except asyncio.CancelledError:
            is_cancelled = True
            raise
        finally:
            reply.release(follower, is_cancelled=is_cancelled)
            self._settle(reply)

    def end(self, reply: StoredReply, end: End) -> None:
        """Record how a reply ended."""
        reply.finish(end)
        reply.until = self._now() + self._seconds
        self._settle(reply)

    def all(self, account: str) -> list[StoredReply]:
        """Return an account's replies, the oldest first; from now on they are known."""
        self._drop_old()
        replies = [reply for reply in self._replies.values() if reply.account == account]
        for reply in replies:
            reply.is_known = True
        return replies

    def find(self, account: str, uri: str) -> tuple[StoredReply, int]:
        """Return the reply that a URI names, and the byte that reading starts from: the start of a character.

        Raises:
            InvalidArguments: unknown URI, or no such reply of this account.
        """
        match = _URI.fullmatch(uri)
        if match is None:
            raise InvalidArguments("read_on_unknown")
        self._drop_old()
        reply = self._replies.get(match[1])
        if reply is None or reply.account != account:
            raise InvalidArguments("reply_not_kept")
        start = min(int(match[2] or 0), len(reply.text))
        while start < len(reply.text) and reply.text[start] in _CONTINUATION:
            start += 1
        return reply, start

    def _settle(self, reply: StoredReply) -> None:
        """Keep a reply that has ended if somebody knows it; drop it if not, once it is read."""
        reply_id = _id_of(reply)
        if not reply.end or reply_id in self._ended:
            return
        if reply.is_known:
            facts = reply.end.facts
            self._ended[reply_id] = len(reply.text) + (len(facts.model_dump_json()) if facts else 0)
            self._drop_oldest()
        elif not reply.is_followed:
            self._drop(reply_id)

    def _drop_oldest(self) -> None:
        """Drop the oldest until all are within the budget, but not the last."""
        size = sum(self._ended.values())
        for reply_id, own in list(self._ended.items())[:-1]:
            if size <= self._budget:
                break
            size -= own
            self._drop(reply_id)

    def _drop_old(self) -> None:
        now = self._now()
        for reply_id in [reply_id for reply_id, reply in self._replies.items() if reply.until <= now]:
            self._drop(reply_id)

    def _drop(self, reply_id: str) -> None:
        self._replies.pop(reply_id, None)
        self._ended.pop(reply_id, None)


def _id_of(reply: StoredReply) -> str:
    return reply.uri.removeprefix(REPLIES)
