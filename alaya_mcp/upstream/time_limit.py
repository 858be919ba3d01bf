"""The deadline of a call, around what must not take longer."""

from collections.abc import Generator
from contextlib import contextmanager

import anyio

from alaya_mcp.deadline import Deadline
from alaya_mcp.errors import Plane
from alaya_mcp.upstream.explain import timed_out


@contextmanager
def within(deadline: Deadline, plane: Plane, service_id: str = "") -> Generator[anyio.CancelScope]:
    """Cancel what runs inside once the deadline has come.

    Raises:
        UpstreamTimeout: it has come.
    """
    with anyio.CancelScope(deadline=deadline.at) as scope:
        yield scope
    if scope.cancelled_caught:
        raise timed_out(plane, deadline.budget, service_id)
