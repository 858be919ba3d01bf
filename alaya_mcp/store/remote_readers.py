"""The calls at other servers that read this server's replies: each holds its reply, as a call here does."""

import asyncio
from dataclasses import dataclass
from typing import Final

from alaya_mcp.chat.replies import ReplyStore
from alaya_mcp.chat.stored_reply import StoredReply
from alaya_mcp.clock import now
from alaya_mcp.progress import Phase
from alaya_mcp.store.control import Message

HOLD_SECONDS: Final = 2.0
"""Between two messages of a call that reads."""
_LEASE_SECONDS: Final = 7.0
"""After which a call that says nothing is taken for gone, with its server."""


class _Elsewhere:
    """A follower that reads from the store."""

    is_full = True

    def status(self, phase: Phase, words: str, detail: str = "") -> None:
        """Do nothing."""

    def think(self, pieces: int = 1) -> None:
        """Do nothing."""

    def write(self, text: str) -> None:
        """Do nothing."""

    def begun(self) -> None:
        """Do nothing."""

    def ended(self) -> None:
        """Do nothing."""


@dataclass(slots=True)
class _Held:
    reply: StoredReply
    follower: _Elsewhere
    until: float
    timer: asyncio.TimerHandle


class RemoteReaders:
    """Holds replies for calls at other servers.

    Args:
        replies: This server's.
    """

    def __init__(self, replies: ReplyStore) -> None:
        self._replies = replies
        self._held: dict[str, _Held] = {}

    def take(self, message: Message) -> None:
        """Do what a message says."""
        reply = self._replies.get(message.reply_id)
        match message.act:
            case "hold" if reply:
                self._hold(message, reply)
            case "release":
                self._release(message.reader)
            case "cancel" if message.reader in self._held:
                self._release(message.reader, is_cancelled=True)
            case "cancel" if reply:
                reply.cancel()
            case "look" if reply:
                reply.leave()
            case _:
                pass

    def close(self) -> None:
        """Let all go."""
        for reader in list(self._held):
            self._release(reader)

    def _hold(self, message: Message, reply: StoredReply) -> None:
        held = self._held.get(message.reader)
        timer = asyncio.get_running_loop().call_later(_LEASE_SECONDS, self._release, message.reader)
        if held:
            held.timer.cancel()
            held.timer = timer
            return
        held = self._held[message.reader] = _Held(reply, _Elsewhere(), now() + message.seconds, timer)
        self._replies.hold(reply, held.follower, until=held.until)

    def _release(self, reader: str, *, is_cancelled: bool = False) -> None:
        if held := self._held.pop(reader, None):
            held.timer.cancel()
            self._replies.release(held.reply, held.follower, until=held.until, is_cancelled=is_cancelled)
