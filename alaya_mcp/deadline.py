"""The absolute deadline of a call, passed down to everything that waits."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass

import anyio

from alaya_mcp.clock import now
from alaya_mcp.error_causes import Plane
from alaya_mcp.errors import UpstreamTimeout


@dataclass(frozen=True, slots=True)
class Deadline:
    """A point on the event loop's clock.

    Attributes:
        at: Seconds on the event loop's clock.
        budget: Seconds that the call was given, for messages.
    """

    at: float
    budget: float

    @classmethod
    def after(cls, seconds: float) -> "Deadline":
        """Return the deadline `seconds` from now."""
        return cls(now() + seconds, seconds)

    def sooner(self, seconds: float) -> "Deadline":
        """Return the deadline `seconds` from now, or this one if that comes first."""
        other = Deadline.after(seconds)
        return other if other.at < self.at else self

    def remaining(self) -> float:
        """Return the seconds left, at least 0."""
        return max(0.0, self.at - now())

    @contextmanager
    def limit(self, plane: Plane, service_id: str = "", *, is_chat: bool = False) -> Generator[anyio.CancelScope]:
        """Cancel the block at the deadline.

        Raises:
            UpstreamTimeout: it has come.
        """
        with anyio.CancelScope(deadline=self.at) as scope:
            yield scope
        if scope.cancelled_caught:
            raise UpstreamTimeout("no_answer", plane=plane, seconds=self.budget, service_id=service_id, is_chat=is_chat)
