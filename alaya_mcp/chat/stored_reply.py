"""One reply while it is written and afterwards: its text by byte offsets, its status, and its end.

A reply's writer and its readers meet only here: offsets are bytes of UTF-8, an end is a value, and a follower gets the
text in order, each character once.
"""

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Literal, Protocol

from alaya_mcp.chat.remark import Remark
from alaya_mcp.progress import Notes, Phase
from alaya_mcp.results import ChatResult

_PIECE: Final = 2**16
"""Bytes that a new follower is given at a time."""

StopReason = Literal["deadline", "abandoned", "cancelled", "server_lost"]
"""Why a reply is stopped; server_lost: its server ends."""


@dataclass(frozen=True, slots=True)
class Heading:
    """What is known of a reply once its request is sent.

    Attributes:
        service_id: The deployment.
        model: The model, as asked for or chosen.
        remarks: On the request.
        sent: When it was sent, on the event loop's clock.
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
        """Go on until then at least, in place of what was said last: a call waits for it that long."""
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
        is_sent: Whether it has; not while it is decided whether a request that failed is sent again.
        start: The byte that `text` begins at: 0, except where it is read from a store.
        text: From there on, in UTF-8.
        first_token: When it came, on the event loop's clock.
        thoughts: Pieces of thinking so far.
        is_calling: Whether the model writes a tool call.
        end: How it ended; None while it is written.
        until: When it is dropped.
        told: Its status, as told last.
        is_known: Whether somebody was given its URI.
        claims: Until when each of its readers waits, on the event loop's clock.
        is_shared: Whether other servers can read it too.
        on_change: Called after each change, once somebody has set it.
    """

    account: str
    uri: str
    writer: Writer | None
    abandon_seconds: float
    heading: Heading | None = None
    is_sent: bool = False
    start: int = 0
    text: bytearray = field(default_factory=bytearray)
    first_token: float | None = None
    thoughts: int = 0
    is_calling: bool = False
    end: End | None = None
    until: float = math.inf
    is_known: bool = False
    claims: list[float] = field(default_factory=list[float])
    is_shared: bool = False
    on_change: Callable[[], None] | None = None
    told: tuple[Phase, str, str] | None = None
    _followers: list[Follower] = field(default_factory=list[Follower])
    _leaving: asyncio.TimerHandle | None = None

    def begin(self, heading: Heading) -> None:
        """Record that the request has been sent."""
        self.heading, self.is_sent = heading, True
        for follower in self._followers:
            follower.begun()
        self._changed()

    def status(self, phase: Phase, words: str, detail: str = "") -> None:
        """Tell what is being done."""
        self.told = phase, words, detail
        for follower in self._followers:
            follower.status(phase, words, detail)
        self._changed()

    def think(self, pieces: int = 1) -> None:
        """Tell that the model is thinking."""
        self.thoughts += pieces
        for follower in self._followers:
            follower.think(pieces)
        self._changed()

    def write(self, text: str) -> None:
        """Append text."""
        if text:
            self.text += text.encode()
            for follower in self._followers:
                follower.write(text)
            self._changed()

    def _changed(self) -> None:
        if self.on_change:
            self.on_change()

    @property
    def size(self) -> int:
        """How many bytes there are, with those before `start`."""
        return self.start + len(self.text)

    def after(self, at: int, size: int | None = None) -> str:
        """Return the text from a byte on that begins a character, at most so many bytes, whole characters."""
        begin = at - self.start
        end = len(self.text) if size is None else begin + size
        return self.text[begin:end].decode("utf-8", "ignore")

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
        while at < self.size and not follower.is_full:
            piece = self.after(at, _PIECE)
            follower.write(piece)
            at += len(piece.encode())
        if self.is_sent:
            follower.begun()
        if self.end:
            follower.ended()
        elif not self.size:
            if self.thoughts:
                follower.think(self.thoughts)
            elif self.told:
                follower.status(*self.told)
        self._followers.append(follower)

    def release(self, follower: Follower, *, is_cancelled: bool) -> None:
        """Remove a follower. Without one, a reply is stopped: at once if its call was cancelled, else after a time."""
        self._followers.remove(follower)
        if is_cancelled or not self.is_known:
            self.cancel()
        else:
            self.leave()

    def cancel(self) -> None:
        """Stop, unless somebody reads."""
        if self.writer and not self._followers:
            self.is_known |= bool(self.text)  # what has come can be found in the list of resources
            self.writer.stop("cancelled")

    def leave(self) -> None:
        """Stop after a time from now, unless somebody reads by then."""
        if self.writer and not self._followers:
            if self._leaving:
                self._leaving.cancel()
            self._leaving = asyncio.get_running_loop().call_later(self.abandon_seconds, self.writer.stop, "abandoned")

    def finish(self, end: End) -> None:
        """Record its end."""
        self.end, self.writer = end, None
        if self._leaving:
            self._leaving.cancel()
        for follower in self._followers:
            follower.ended()
        self._changed()
