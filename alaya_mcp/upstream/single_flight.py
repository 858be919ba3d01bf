"""One request at a time for each key, shared by concurrent callers."""

import asyncio
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

import anyio.lowlevel

from alaya_mcp.deadline import Deadline
from alaya_mcp.errors import AlayaError, UpstreamTimeout

T = TypeVar("T")

_TURNS: Final = 4
"""Turns of the event loop from a line on stdin to the call that it makes."""
_MOST_ROUNDS: Final = 64
"""Of that many turns: callers who never stop coming do not hold up the request."""


@dataclass(slots=True)
class Flight(Generic[T]):
    """One request under way.

    Attributes:
        began: On the event loop's clock; infinity until it has.
        followers: Callers that have waited for it.
        landed: Set at its end.
        is_stale: Whether its result is known to be out of date already.
        outcome: Its result; None if it was cancelled or ran into its own caller's deadline.
    """

    began: float = math.inf
    followers: int = 0
    landed: asyncio.Event = field(default_factory=asyncio.Event)
    is_stale: bool = False
    outcome: T | AlayaError | None = None


class SingleFlight(Generic[T]):
    """Requests under way, by key. The first caller sends the request, the others wait for it."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._flights: dict[str, Flight[T]] = {}

    def mark_stale(self, key: str) -> None:
        """Mark the request under way for a key as stale: present waiters use it, later callers and the cache do not."""
        if flight := self._flights.get(key):
            flight.is_stale = True

    async def share(
        self,
        key: str,
        fetch: Callable[[], Awaitable[T]],
        deadline: Deadline,
        since: float,
        keep: Callable[[T, Flight[T]], None],
    ) -> T:
        """Return the outcome of a request that began at `since` or later: one under way, or a new one.

        Args:
            key: What is asked for.
            fetch: Fetches it within the caller's own deadline.
            deadline: Of this caller.
            since: On the event loop's clock.
            keep: Is called with the result of a new request, before the others see it.

        Raises:
            AlayaError: the request failed, or this caller's deadline passed.
        """
        is_followed = False
        while flight := self._flights.get(key):
            was_stale, is_followed = flight.is_stale, True
            flight.followers += 1
            with deadline.limit("control"):
                await flight.landed.wait()
            if was_stale or flight.began < since or flight.outcome is None:
                continue
            if isinstance(flight.outcome, AlayaError):
                raise flight.outcome.with_traceback(None) from None
            return flight.outcome
        return await self._lead(key, fetch, keep, is_followed=is_followed)

    async def _lead(
        self, key: str, fetch: Callable[[], Awaitable[T]], keep: Callable[[T, Flight[T]], None], *, is_followed: bool
    ) -> T:
        flight: Flight[T] = Flight()
        self._flights[key] = flight
        try:
            if is_followed:
                await _gathered(flight)
            flight.began = self._now()
            flight.outcome = outcome = await fetch()
            keep(outcome, flight)
        except AlayaError as error:
            is_own = error.is_cut_short or (isinstance(error, UpstreamTimeout) and error.http_status is None)
            if not is_own:  # what came of this caller's own deadline is not the others': they send their own request
                flight.outcome = error
            raise
        finally:  # a cancelled leader leaves no outcome, and the next caller takes over
            del self._flights[key]
            flight.landed.set()
        return outcome


async def _gathered(flight: Flight[T]) -> None:
    """Wait while more callers come: those whose requests have been read already share this one."""
    for _ in range(_MOST_ROUNDS):
        before = flight.followers
        for _ in range(_TURNS):
            await anyio.lowlevel.checkpoint()
        if flight.followers == before:
            return
