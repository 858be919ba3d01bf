"""Whether a deployment can answer now, and what to do if not. Pure."""

from dataclasses import dataclass

from alaya_mcp.deployment.lenient import printable
from alaya_mcp.deployment.wire import Deployment, Status
from alaya_mcp.errors import DeploymentNotReady


@dataclass(frozen=True, slots=True)
class Readiness:
    """A verdict.

    Attributes:
        ready: Whether a chat can be answered now.
        state: A clause about the state, for a person.
        next_step: What to do, empty when ready.
        will_pass: Whether waiting alone helps.
        may_pass: Whether waiting may help: it starts, or its model may be loading.
        warning: A doubt about a ready verdict, or empty.
    """

    ready: bool
    state: str
    next_step: str = ""
    will_pass: bool = False
    may_pass: bool = False
    warning: str = ""


_NOT_RUNNING: dict[Status, tuple[str, str]] = {
    "starting": (
        "starting",
        "A large model takes minutes to load: wait a minute, then look again with get_deployment.",
    ),
    "stopping": ("stopping", "It will not answer again until somebody starts it in the Alaya NeW console."),
    "stopped": ("stopped", "Start it in the Alaya NeW console, then look again."),
    "failed": (
        "in the state failed",
        "Look at its events and logs in the Alaya NeW console; it needs a change before it can run.",
    ),
}


def readiness(deployment: Deployment) -> Readiness:
    """The verdict by status and instances.

    A deployment whose answer has no instance field (older pages, LoRA services) is taken at its status.
    """
    status = deployment.status
    if status in _NOT_RUNNING:
        state, next_step = _NOT_RUNNING[status]
        starts = status == "starting"
        return Readiness(ready=False, state=state, next_step=next_step, will_pass=starts, may_pass=starts)
    if status == "unknown":
        raw = f"'{printable(deployment.status_raw)[:60]}'" if deployment.status_raw else "missing"
        return Readiness(
            ready=False,
            state=f"in a state this server does not know ({raw})",
            next_step="Look at it in the Alaya NeW console.",
        )
    if not deployment.tells_instances:
        warning = "The control plane tells no instances, so ready rests on the status alone."
        return Readiness(ready=True, state="running", warning=warning)
    total = len(deployment.instances)
    ready = sum(instance.base_model_ready is True for instance in deployment.instances)
    if ready:
        return Readiness(ready=True, state=f"running, {ready} of {total} instances ready")
    return Readiness(
        ready=False,
        state=f"running, but none of its {total} instances has the base model ready"
        if total
        else "running, but without an instance",
        next_step="Its model may be loading, or it was scaled down: look with get_deployment until it is ready.",
        may_pass=True,
    )


def not_ready(deployment: Deployment, service_id: str, *, waited: float = 0) -> DeploymentNotReady:
    """The error for a deployment that `readiness` finds not ready, also after waiting for so many seconds."""
    verdict = readiness(deployment)
    longer = "a larger wait_seconds (and timeout_seconds)" if waited else "wait_seconds"
    patience = f" Or pass {longer}, and the chat waits for it." if verdict.may_pass else ""
    after = f" still, after {waited:g} s of waiting" if waited and verdict.may_pass else ""
    name = f" ({deployment.name})" if deployment.name else ""
    return DeploymentNotReady(
        f"Deployment {service_id}{name} is {verdict.state}{after}; nothing was sent to it.",
        next_step=f"{verdict.next_step}{patience}",
        retryable=verdict.will_pass,
        plane="control",
    )
