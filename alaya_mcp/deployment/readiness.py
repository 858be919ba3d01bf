"""Whether a deployment can answer now. Pure."""

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
    """A verdict.

    Attributes:
        cause: Why a chat cannot be answered now; None where it can.
        instances: How many there are; None where the control plane reports none of them.
        ready_instances: Those that have the base model ready.
        status_raw: A status that is not known, as it was sent.
    """

    cause: NotReadyCause | None = None
    instances: int | None = None
    ready_instances: int = 0
    status_raw: str = ""

    @property
    def ready(self) -> bool:
        """Whether a chat can be answered now."""
        return self.cause is None

    @property
    def may_pass(self) -> bool:
        """Whether waiting helps: it starts, or its model is loading."""
        return self.cause in LOADING

    @property
    def state(self) -> str:
        """The state, as the end of a sentence about the deployment."""
        if self.cause:
            return state_words(self.cause, self.instances or 0, self.status_raw)
        counted = "" if self.instances is None else f", {self.ready_instances} of {self.instances} instances ready"
        return f"running{counted}"

    @property
    def doubt(self) -> str:
        """A doubt about a verdict that it is ready, or empty."""
        rests_on_status = self.ready and self.instances is None
        return "The control plane reports no instances, so ready rests on the status alone." if rests_on_status else ""


_NOT_RUNNING: Final[dict[Status, NotReadyCause]] = {
    "starting": "deployment_starting",
    "stopping": "deployment_stopping",
    "stopped": "deployment_stopped",
    "failed": "deployment_failed",
    "unknown": "deployment_state_unknown",
}


def readiness(deployment: Deployment) -> Readiness:
    """The verdict by status and instances.

    A deployment whose answer has no instance field (older pages, LoRA services) is taken at its status.
    """
    if cause := _NOT_RUNNING.get(deployment.status):
        raw = f"'{printable(deployment.status_raw)[:60]}'" if deployment.status_raw else "missing"
        return Readiness(cause, status_raw=raw)
    if not deployment.tells_instances:
        return Readiness()
    total = len(deployment.instances)
    ready = sum(instance.base_model_ready is True for instance in deployment.instances)
    not_ready: NotReadyCause = "model_loading" if total else "no_instance"
    return Readiness(None if ready else not_ready, total, ready)


def not_ready(
    deployment: Deployment, service_id: str, *, waited: float = 0, refusal: AlayaError | None = None
) -> DeploymentNotReady:
    """The error for a deployment that `readiness` finds not ready.

    Args:
        deployment: As it is now.
        service_id: As it was asked for.
        waited: Seconds that were waited for it.
        refusal: What its engine answered, where it was asked.
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
