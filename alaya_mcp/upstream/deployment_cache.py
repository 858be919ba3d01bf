"""A cache of ready deployments; concurrent lookups of one deployment share a request."""

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Final

import anyio

from alaya_mcp.deadline import Deadline
from alaya_mcp.deployment.readiness import readiness
from alaya_mcp.deployment.wire import Deployment
from alaya_mcp.errors import AlayaError
from alaya_mcp.upstream.single_flight import Flight, SingleFlight

KEPT_SECONDS: Final = 30.0
"""How long a ready deployment is cached."""
_MOST: Final = 1_000
"""Deployments cached at a time."""

Fetch = Callable[[str, Deadline], Awaitable[Deployment]]


class DeploymentCache:
    """Deployments as the control plane reports them.

    Args:
        fetch: Fetches one within a deadline.
        seconds: How long a ready one is cached.
        now: The event loop's clock.
    """

    def __init__(
        self, fetch: Fetch, seconds: float = KEPT_SECONDS, now: Callable[[], float] = anyio.current_time
    ) -> None:
        self._fetch = fetch
        self._seconds = seconds
        self._now = now
        self._flights = SingleFlight[Deployment](now)
        self._kept: OrderedDict[str, tuple[float, Deployment]] = OrderedDict()

    async def recent(self, service_id: str, deadline: Deadline) -> tuple[Deployment, bool]:
        """Return a deployment, cached or fetched, and whether it was cached.

        Raises:
            AlayaError: each control-plane row of docs/errors.md.
        """
        since = self._now() - self._seconds
        began, kept = self._kept.get(service_id, (0.0, None))
        if kept is not None and began > since:
            return kept, True
        return await self._shared(service_id, deadline, since), False

    async def fresh(self, service_id: str, deadline: Deadline) -> Deployment:
        """Return a deployment from a request that begins now or later.

        Raises:
            AlayaError: each control-plane row of docs/errors.md.
        """
        return await self._shared(service_id, deadline, self._now())

    def forget(self, service_id: str) -> None:
        """Drop a cached deployment at any sign that it has changed."""
        self._kept.pop(service_id, None)
        self._flights.mark_stale(service_id)  # it began before the sign

    async def _shared(self, service_id: str, deadline: Deadline, since: float) -> Deployment:
        async def fetch() -> Deployment:
            try:
                return await self._fetch(service_id, deadline)
            except AlayaError as error:
                if not error.retryable:
                    self.forget(service_id)
                raise

        def keep(deployment: Deployment, flight: Flight[Deployment]) -> None:
            self._kept.pop(service_id, None)
            if readiness(deployment).ready and not flight.is_stale:
                self._kept[service_id] = (flight.began, deployment)
                if len(self._kept) > _MOST:
                    self._kept.popitem(last=False)

        return await self._flights.share(service_id, fetch, deadline, since, keep)
