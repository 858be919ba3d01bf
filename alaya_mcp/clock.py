"""Time, sleep and randomness as arguments, so that tests need not wait."""

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import anyio


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

    now: Callable[[], float] = anyio.current_time
    sleep: Callable[[float], Awaitable[None]] = anyio.sleep
    date: Callable[[], datetime] = _date
    chance: Callable[[], float] = random.random
