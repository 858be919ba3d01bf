"""Time, sleep and randomness as arguments, so that tests need not wait."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import anyio


def now() -> float:
    """Return the seconds on the event loop's clock, which deadlines are on.

    It is asked some ten times in each call; `anyio.current_time` takes three times as long.
    """
    return asyncio.get_running_loop().time()


def _date() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Clock:
    """The source of time, sleep and randomness.

    Attributes:
        now: Seconds on the event loop's clock, which deadlines are on.
        sleep: Waits a number of seconds.
        date: The time of day, for dates that upstream names.
        chance: A number from 0 to 1.
    """

    now: Callable[[], float] = now
    sleep: Callable[[float], Awaitable[None]] = anyio.sleep
    date: Callable[[], datetime] = _date
    chance: Callable[[], float] = random.random
