"""Replies too large for one result, kept for a while so that the rest can be read."""

import re
import secrets
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from alaya_mcp.chat.remark import Remark
from alaya_mcp.chat.reply_window import cut
from alaya_mcp.clock import now
from alaya_mcp.errors import InvalidArguments
from alaya_mcp.results import ChatResult, TruncatedReason

BUDGET_BYTES: Final = 32 * 2**20
"""Total size of all kept replies."""
KEPT_SECONDS: Final = 1800

REPLIES: Final = "alaya://replies/"
_URI = re.compile(rf"{re.escape(REPLIES)}([A-Za-z0-9_-]{{1,64}})(?:\?from=([0-9]{{1,12}}))?")
URI_TEMPLATE: Final = REPLIES + "{reply_id}"


@dataclass(frozen=True, slots=True)
class KeptReply:
    """One whole reply.

    Attributes:
        account: Its account.
        uri: Its resource URI.
        text: In UTF-8.
        facts: Its result, without the large fields.
        ended: What truncated the reply itself, or None.
        until: On the event loop's clock.
    """

    account: str
    uri: str
    text: bytes
    facts: ChatResult
    ended: TruncatedReason | None
    until: float


class ReplyStore:
    """The last large replies of all accounts, within one budget of bytes; the oldest are dropped first."""

    def __init__(
        self,
        budget: int = BUDGET_BYTES,
        seconds: float = KEPT_SECONDS,
        now: Callable[[], float] = now,
    ) -> None:
        self._budget = budget
        self._seconds = seconds
        self._now = now
        self._kept: OrderedDict[str, KeptReply] = OrderedDict()
        self._size = 0

    def keep(self, account: str, content: str, facts: ChatResult, ended: TruncatedReason | None) -> KeptReply | None:
        """Keep a reply and return it; None if it is larger than the whole budget."""
        self._drop_old()
        text = content.encode()
        if len(text) > self._budget:
            return None
        while self._size + len(text) > self._budget:
            self._drop(next(iter(self._kept)))
        reply_id = secrets.token_urlsafe(12)
        # The first part had the large fields; usage is dropped so that it is not counted twice.
        dropped = dict.fromkeys(("parsed", "tool_calls", "reasoning", "usage", "messages"))
        facts = facts.model_copy(update={**dropped, "content": ""})
        kept = KeptReply(account, f"{REPLIES}{reply_id}", text, facts, ended, self._now() + self._seconds)
        self._kept[reply_id] = kept
        self._size += len(text)
        return kept

    def all(self, account: str) -> list[KeptReply]:
        """Return an account's kept replies, the oldest first."""
        self._drop_old()
        return [kept for kept in self._kept.values() if kept.account == account]

    def find(self, account: str, reply_id: str) -> KeptReply | None:
        """Return an account's reply with that id, if still kept."""
        self._drop_old()
        kept = self._kept.get(reply_id)
        return kept if kept and kept.account == account else None

    def _drop_old(self) -> None:
        now = self._now()
        for reply_id in [reply_id for reply_id, kept in self._kept.items() if kept.until <= now]:
            self._drop(reply_id)

    def _drop(self, reply_id: str) -> None:
        self._size -= len(self._kept.pop(reply_id).text)


class KeptReplies:
    """The large replies of one account."""

    def __init__(self, store: ReplyStore, account: str) -> None:
        self._store = store
        self._account = account

    def keep(self, content: str, facts: ChatResult, ended: TruncatedReason | None) -> KeptReply | None:
        """Keep a reply and return it; None if it is larger than the whole budget."""
        return self._store.keep(self._account, content, facts, ended)

    def all(self) -> list[KeptReply]:
        """Return the kept replies, the oldest first."""
        return self._store.all(self._account)

    def find(self, uri: str) -> tuple[KeptReply, int]:
        """Return the reply that a URI names, and the byte that reading starts from.

        Raises:
            InvalidArguments: unknown URI, or the reply is no longer kept.
        """
        match = _URI.fullmatch(uri)
        if match is None:
            raise InvalidArguments("read_on_unknown")
        kept = self._store.find(self._account, match[1])
        if kept is None:
            raise InvalidArguments("reply_not_kept")
        return kept, min(int(match[2] or 0), len(kept.text))

    def part(self, uri: str, room: int) -> tuple[ChatResult, Remark]:
        """Return the next part of a reply, at most `room` bytes, with the facts of its first part, and a remark.

        Raises:
            InvalidArguments: as `find`.
        """
        kept, start = self.find(uri)
        if start >= len(kept.text):
            raise InvalidArguments("read_on_past_the_end", count=len(kept.text))
        while start < len(kept.text) and kept.text[start] & 0xC0 == 0x80:  # noqa: PLR2004 a continuation byte of UTF-8
            start += 1
        content = cut(kept.text[start : start + room + 4].decode("utf-8", "ignore"), room)
        end = start + len(content.encode())
        more = end < len(kept.text)
        reason = "size_cap" if more else kept.ended
        result = kept.facts.model_copy(
            update={
                "content": content,
                "truncated": reason is not None,
                "truncated_reason": reason,
                "read_on": f"{kept.uri}?from={end}" if more else None,
            }
        )
        return result, Remark("later_part", name=f"{start} to {end}", whole=len(kept.text))
