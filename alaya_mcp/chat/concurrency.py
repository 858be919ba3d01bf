"""Places for chats in flight, shared fairly among accounts."""

import sys
from collections import Counter, OrderedDict, deque
from typing import Final

import anyio

from alaya_mcp.errors import RateLimited

_RETRY_SECONDS: Final = 10.0


class Places:
    """A limited number of places.

    A free place goes to the waiting account with the fewest places and, within an account, to the chat that has waited
    longest.

    Args:
        total: How many there are.
        share: How many one account may have, and half of how many of its chats may wait; by default it may have all,
            and any number may wait.

    Attributes:
        total: How many there are.
        queued: How many chats wait for one.
    """

    def __init__(self, total: int, share: int | None = None) -> None:
        self.total = self._free = total
        self._share = share or total
        self._most_waiting = 2 * share if share else sys.maxsize
        self._taken = Counter[str]()
        self._waiting: OrderedDict[str, deque[anyio.Event]] = OrderedDict()
        self.queued = 0

    @property
    def running(self) -> int:
        """How many are taken."""
        return self.total - self._free

    @property
    def are_shared(self) -> bool:
        """Whether one account may have a part of them only."""
        return self._share < self.total

    def taken(self, account: str) -> int:
        """Return how many places an account has."""
        return self._taken[account]

    def take_nowait(self, account: str) -> bool:
        """Take a place if one is free and no chat waits that could have it; return whether it was taken."""
        if not self._free or self._taken[account] >= self._share or self._next() is not None:
            return False
        self._assign(account)
        return True

    async def take(self, account: str) -> None:
        """Take a place as soon as it is this account's turn.

        Raises:
            RateLimited: too many of its chats wait.
        """
        if self.take_nowait(account):
            return
        if len(self._waiting.get(account, ())) >= self._most_waiting:
            raise RateLimited("places_full", count=self._share, retry_after=_RETRY_SECONDS)
        turn = anyio.Event()
        self._waiting.setdefault(account, deque()).append(turn)
        self.queued += 1
        try:
            await turn.wait()
        except BaseException:
            if turn.is_set():  # the place was assigned as the wait was cancelled
                self.give_back(account)
            else:
                self._waiting[account].remove(turn)
                self._forget_if_done(account)
            raise
        finally:
            self.queued -= 1

    def give_back(self, account: str) -> None:
        """Return a place, to the next waiting chat if there is one."""
        self._free += 1
        self._taken[account] -= 1
        if not self._taken[account]:
            del self._taken[account]
        if (following := self._next()) is not None:
            turn = self._waiting[following].popleft()
            self._waiting.move_to_end(following)
            self._forget_if_done(following)
            self._assign(following)
            turn.set()

    def _next(self) -> str | None:
        """Return the account whose turn it is: the first of those with the fewest places, none with its whole share."""
        following = min(self._waiting, key=self._taken.__getitem__, default=None)
        return None if following is None or self._taken[following] >= self._share else following

    def _assign(self, account: str) -> None:
        self._free -= 1
        self._taken[account] += 1

    def _forget_if_done(self, account: str) -> None:
        if not self._waiting[account]:
            del self._waiting[account]
