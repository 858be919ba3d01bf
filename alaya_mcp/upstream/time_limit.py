"""Cancel a block at the deadline of its call."""

from collections.abc import Generator
from contextlib import contextmanager

import anyio

from alaya_mcp.deadline import Deadline
from alaya_mcp.errors import Plane
from alaya_mcp.upstream.explain import timed_out


@contextmanager
def within(deadline: Deadline, plane: Plane, service_id: str = "") -> Generator[anyio.CancelScope]:
    """Cancel the block at the deadline.

    Raises:
        UpstreamTimeout: the deadline has passed.
    """
    with anyio.CancelScope(deadline=deadline.at) as scope:
        yield scope
    if scope.cancelled_caught:
        raise timed_out(plane, deadline.budget, service_id)
