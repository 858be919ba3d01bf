"""One absolute deadline for a tool call, handed down to whatever waits."""

from dataclasses import dataclass

import anyio


@dataclass(frozen=True, slots=True)
class Deadline:
    """A point on the event loop's clock.

    Attributes:
        at: Seconds on the clock of `anyio.current_time`.
        budget: Seconds that the call was given, for messages.
    """

    at: float
    budget: float

    @classmethod
    def after(cls, seconds: float) -> "Deadline":
        """The deadline `seconds` from now."""
        return cls(anyio.current_time() + seconds, seconds)

    def sooner(self, seconds: float) -> "Deadline":
        """The deadline `seconds` from now, or this one if that comes first."""
        other = Deadline.after(seconds)
        return other if other.at < self.at else self

    def remaining(self) -> float:
        """Seconds left, never below zero."""
        return max(0.0, self.at - anyio.current_time())
