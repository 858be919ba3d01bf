"""Places for chats in flight, shared fairly among accounts."""

from collections import Counter, OrderedDict, deque

import anyio


class Places:
    """A limited number of places.

    One account may take all of them while no other waits. A free place goes to the waiting account with the fewest
    places and, within an account, to the chat that has waited longest.
    """

    def __init__(self, total: int) -> None:
        self._free = total
        self._taken = Counter[str]()
        self._waiting: OrderedDict[str, deque[anyio.Event]] = OrderedDict()

    def taken(self, account: str) -> int:
        """Return how many places an account has."""
        return self._taken[account]

    def take_nowait(self, account: str) -> bool:
        """Take a place if one is free and no chat waits; return whether it was taken."""
        if not self._free or self._waiting:
            return False
        self._assign(account)
        return True

    async def take(self, account: str) -> None:
        """Take a place as soon as it is this account's turn."""
        if self.take_nowait(account):
            return
        turn = anyio.Event()
        self._waiting.setdefault(account, deque()).append(turn)
        try:
            await turn.wait()
        except BaseException:
            if turn.is_set():  # the place was assigned as the wait was cancelled
                self.give_back(account)
            else:
                self._waiting[account].remove(turn)
                self._forget_if_done(account)
            raise

    def give_back(self, account: str) -> None:
        """Return a place, to the next waiting chat if there is one."""
        self._free += 1
        self._taken[account] -= 1
        if not self._taken[account]:
            del self._taken[account]
        if self._waiting:
            following = min(self._waiting, key=self._taken.__getitem__)  # the first of those with the fewest
            turn = self._waiting[following].popleft()
            self._waiting.move_to_end(following)
            self._forget_if_done(following)
            self._assign(following)
            turn.set()

    def _assign(self, account: str) -> None:
        self._free -= 1
        self._taken[account] += 1

    def _forget_if_done(self, account: str) -> None:
        if not self._waiting[account]:
            del self._waiting[account]
