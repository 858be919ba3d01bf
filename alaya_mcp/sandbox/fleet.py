"""What changes about the deployments while a sandbox runs: their status and whose turn it is to answer."""

import time
from collections import Counter
from collections.abc import Iterable

from alaya_mcp.sandbox.deployments import STARTING, Deployment, Instance
from alaya_mcp.sandbox.faults.shown import fault_deployment

_STARTING = (STARTING, "starting")  # both spellings are documented


class Fleet:
    """The deployments of one sandbox with their present state."""

    def __init__(self, deployments: Iterable[Deployment], starting_seconds: float) -> None:
        self._deployments = {deployment.service_id: deployment for deployment in deployments}
        self._starting_seconds = starting_seconds
        self._first_looked: dict[str, float] = {}
        self._turns: Counter[tuple[str, str]] = Counter()

    def all(self) -> tuple[Deployment, ...]:
        """Every deployment, in catalogue order."""
        return tuple(self._deployments.values())

    def find(self, service_id: str) -> Deployment | None:
        """Find a deployment by its id; those that show a fault are found so and are not among `all`."""
        return self._deployments.get(service_id) or fault_deployment(service_id)

    def look(self, deployment: Deployment) -> None:
        """Note that somebody looked at a deployment; the first look starts the clock of a starting one."""
        self._first_looked.setdefault(deployment.service_id, time.monotonic())

    def status(self, deployment: Deployment) -> str:
        """Return the status of a deployment at this moment, in the spelling that the API answers with."""
        looked = self._first_looked.get(deployment.service_id)
        started = looked is not None and time.monotonic() - looked >= self._starting_seconds
        return "running" if deployment.status in _STARTING and started else deployment.status

    def instances(self, deployment: Deployment) -> tuple[Instance, ...] | None:
        """Return the instances of a deployment; none are known while it starts."""
        return None if self.status(deployment) in _STARTING else deployment.instances

    def next_instance(self, deployment: Deployment, path: str) -> Instance | None:
        """Choose the instance to answer a request; None when no engine listens.

        Assumed: the gateway takes ready instances in turn, for each path apart.
        """
        ready = [instance for instance in deployment.instances if instance.base_model_ready]
        if self.status(deployment) != "running" or not ready:
            return None
        turn = self._turns[deployment.service_id, path]
        self._turns[deployment.service_id, path] += 1
        return ready[turn % len(ready)]
