"""Looking deployments up: one request at a time for each, shared by whoever asks meanwhile, kept while ready."""

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
"""How long a ready deployment is taken as it was."""
_MOST: Final = 1_000
"""Deployments kept at a time."""

Fetch = Callable[[str, Deadline], Awaitable[Deployment]]


class DeploymentCache:
    """Deployments as the control plane tells them.

    Args:
        fetch: Asks for one, for as long as a deadline allows.
        seconds: How long a ready one is kept.
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
        """A deployment as it was a short while ago, and whether it had been kept.

        Raises:
            AlayaError: each control-plane row of docs/errors.md.
        """
        since = self._now() - self._seconds
        began, kept = self._kept.get(service_id, (0.0, None))
        if kept is not None and began > since:
            return kept, True
        return await self._shared(service_id, deadline, since), False

    async def fresh(self, service_id: str, deadline: Deadline) -> Deployment:
        """A deployment as it is now: no request that began earlier counts.

        Raises:
            AlayaError: each control-plane row of docs/errors.md.
        """
        return await self._shared(service_id, deadline, self._now())

    def forget(self, service_id: str) -> None:
        """Drop what is kept, at any sign that it is not true any more."""
        self._kept.pop(service_id, None)
        self._flights.mark_stale(service_id)  # it began before the sign, so it may not know of it

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
