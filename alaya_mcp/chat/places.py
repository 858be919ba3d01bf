"""Places for chats in flight, shared among accounts so that none holds up the others."""

from collections import Counter, OrderedDict, deque

import anyio


class Places:
    """So many chats at a time.

    One account may have all of them while no other waits; a place that becomes free goes to the account that has the
    fewest among those that wait, and inside of an account to whoever has waited longest.
    """

    def __init__(self, total: int) -> None:
        self._free = total
        self._taken = Counter[str]()
        self._waiting: OrderedDict[str, deque[anyio.Event]] = OrderedDict()

    def taken(self, account: str) -> int:
        """How many places an account has."""
        return self._taken[account]

    def take_nowait(self, account: str) -> bool:
        """Take a place if one is free and nobody waits for it."""
        if not self._free or self._waiting:
            return False
        self._give(account)
        return True

    async def take(self, account: str) -> None:
        """Take a place, as soon as it is this account's turn."""
        if self.take_nowait(account):
            return
        turn = anyio.Event()
        self._waiting.setdefault(account, deque()).append(turn)
        try:
            await turn.wait()
        except BaseException:
            if turn.is_set():  # it came just as the wait was given up
                self.give_back(account)
            else:
                self._waiting[account].remove(turn)
                self._forget_if_done(account)
            raise

    def give_back(self, account: str) -> None:
        """Give a place back, to whoever is next."""
        self._free += 1
        self._taken[account] -= 1
        if not self._taken[account]:
            del self._taken[account]
        if self._waiting:
            following = min(self._waiting, key=self._taken.__getitem__)  # the first of those with the fewest
            turn = self._waiting[following].popleft()
            self._waiting.move_to_end(following)
            self._forget_if_done(following)
            self._give(following)
            turn.set()

    def _give(self, account: str) -> None:
        self._free -= 1
        self._taken[account] += 1

    def _forget_if_done(self, account: str) -> None:
        if not self._waiting[account]:
            del self._waiting[account]
