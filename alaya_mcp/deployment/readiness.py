"""Whether a deployment is ready for chats. Pure."""

from dataclasses import dataclass
from typing import Final

from alaya_mcp.deployment.wire import Deployment
from alaya_mcp.error_causes import LOADING, NotReadyCause
from alaya_mcp.error_sentences import state_words
from alaya_mcp.errors import AlayaError, DeploymentNotReady
from alaya_mcp.printable import printable
from alaya_mcp.results import Status


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether a deployment is ready, and if not, why.

    Attributes:
        cause: Why it is not ready; None if it is.
        instances: How many there are; None if the control plane does not report instances.
        ready_instances: How many have the base model ready.
        status_raw: An unknown status, as sent.
    """

    cause: NotReadyCause | None = None
    instances: int | None = None
    ready_instances: int = 0
    status_raw: str = ""

    @property
    def ready(self) -> bool:
        """Whether it can answer chats."""
        return self.cause is None

    @property
    def may_pass(self) -> bool:
        """Whether waiting helps: it is starting, or its model is loading."""
        return self.cause in LOADING

    @property
    def state(self) -> str:
        """The state, to end a sentence about the deployment."""
        if self.cause:
            return state_words(self.cause, self.instances or 0, self.status_raw)
        counted = "" if self.instances is None else f", {self.ready_instances} of {self.instances} instances ready"
        return f"running{counted}"

    @property
    def doubt(self) -> str:
        """Why `ready` may be wrong; empty if nothing suggests it."""
        rests_on_status = self.ready and self.instances is None
        return "The control plane reports no instances, so ready follows the status alone." if rests_on_status else ""


_NOT_RUNNING: Final[dict[Status, NotReadyCause]] = {
    "starting": "deployment_starting",
    "stopping": "deployment_stopping",
    "stopped": "deployment_stopped",
    "failed": "deployment_failed",
    "unknown": "deployment_state_unknown",
}


def readiness(deployment: Deployment) -> Readiness:
    """Return the readiness by status and instances.

    Without an instance field (older pages, LoRA services) the status decides.
    """
    return deployment.once(_readiness)


def _readiness(deployment: Deployment) -> Readiness:
    if cause := _NOT_RUNNING.get(deployment.status):
        raw = f"'{printable(deployment.status_raw)[:60]}'" if deployment.status_raw else "missing"
        return Readiness(cause, status_raw=raw)
    if not deployment.reports_instances:
        return Readiness()
    total = len(deployment.instances)
    ready = sum(instance.base_model_ready is True for instance in deployment.instances)
    not_ready: NotReadyCause = "model_loading" if total else "no_instance"
    return Readiness(None if ready else not_ready, total, ready)


def not_ready(
    deployment: Deployment, service_id: str, *, waited: float = 0, refusal: AlayaError | None = None
) -> DeploymentNotReady:
    """Return the error for a deployment that `readiness` finds not ready.

    Args:
        deployment: Its current state.
        service_id: As requested.
        waited: Seconds waited for it.
        refusal: The engine's error, if it was asked.
    """
    verdict = readiness(deployment)
    return DeploymentNotReady(
        verdict.cause or "model_loading",
        plane="data" if refusal else "control",
        http_status=refusal.http_status if refusal else None,
        retry_after=refusal.retry_after if refusal else None,
        service_id=service_id,
        name=deployment.name or "",
        instances=verdict.instances or 0,
        detail=verdict.status_raw,
        seconds=waited if verdict.may_pass else 0,
    )
