"""Looking deployments up: one request at a time for each, shared by whoever asks meanwhile, kept while ready."""

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

import anyio

from alaya_mcp.deadline import Deadline
from alaya_mcp.deployment.readiness import readiness
from alaya_mcp.deployment.wire import Deployment
from alaya_mcp.errors import AlayaError, UpstreamTimeout
from alaya_mcp.upstream.explain import timed_out

KEPT_SECONDS: Final = 30.0
"""How long a ready deployment is taken as it was."""
_MOST: Final = 1_000
"""Deployments kept at a time."""

Fetch = Callable[[str, Deadline], Awaitable[Deployment]]


@dataclass(slots=True)
class _Flight:
    """One request under way."""

    began: float
    landed: anyio.Event = field(default_factory=anyio.Event)
    is_stale: bool = False
    outcome: Deployment | AlayaError | None = None


class Lookups:
    """Deployments as the control plane tells them.

    Args:
        fetch: Asks for one, for as long as a deadline allows.
        seconds: How long a ready one is kept.
    """

    def __init__(self, fetch: Fetch, seconds: float = KEPT_SECONDS) -> None:
        self._fetch = fetch
        self._seconds = seconds
        self._flights: dict[str, _Flight] = {}
        self._kept: OrderedDict[str, tuple[float, Deployment]] = OrderedDict()

    async def recent(self, service_id: str, deadline: Deadline) -> tuple[Deployment, bool]:
        """A deployment as it was a short while ago, and whether it had been kept.

        Raises:
            AlayaError: each control-plane row of docs/errors.md.
        """
        since = anyio.current_time() - self._seconds
        began, kept = self._kept.get(service_id, (0.0, None))
        if kept is not None and began > since:
            return kept, True
        return await self._shared(service_id, deadline, since), False

    async def fresh(self, service_id: str, deadline: Deadline) -> Deployment:
        """A deployment as it is now: no request that began earlier counts.

        Raises:
            AlayaError: each control-plane row of docs/errors.md.
        """
        return await self._shared(service_id, deadline, anyio.current_time())

    def forget(self, service_id: str) -> None:
        """Drop what is kept, at any sign that it is not true any more."""
        self._kept.pop(service_id, None)
        if flight := self._flights.get(service_id):  # it began before the sign, so it may not know of it
            flight.is_stale = True

    async def _shared(self, service_id: str, deadline: Deadline, since: float) -> Deployment:
        """The outcome of a request that began at `since` or later: one under way, or a new one."""
        while flight := self._flights.get(service_id):
            with anyio.CancelScope(deadline=deadline.at) as waiting:
                await flight.landed.wait()
            if waiting.cancelled_caught:
                raise timed_out("control", deadline.budget, service_id)
            if flight.began < since or flight.outcome is None:
                continue
            if isinstance(flight.outcome, AlayaError):
                raise flight.outcome.with_traceback(None) from None
            return flight.outcome
        return await self._lead(service_id, deadline)

    async def _lead(self, service_id: str, deadline: Deadline) -> Deployment:
        flight = self._flights[service_id] = _Flight(anyio.current_time())
        try:
            flight.outcome = deployment = await self._fetch(service_id, deadline)
        except AlayaError as error:
            if not (isinstance(error, UpstreamTimeout) and error.http_status is None):
                flight.outcome = error  # a local time-out is this caller's: whoever waits asks for itself
            if not error.retryable:
                self.forget(service_id)
            raise
        finally:  # a cancelled leader leaves no outcome, and the next one that waits takes over
            del self._flights[service_id]
            flight.landed.set()
        self._keep(service_id, flight, deployment)
        return deployment

    def _keep(self, service_id: str, flight: _Flight, deployment: Deployment) -> None:
        self._kept.pop(service_id, None)
        if readiness(deployment).ready and not flight.is_stale:
            self._kept[service_id] = (flight.began, deployment)
            if len(self._kept) > _MOST:
                self._kept.popitem(last=False)
