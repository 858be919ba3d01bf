"""Whether a deployment can answer now, and what to do if not. Pure."""

from dataclasses import dataclass

from alaya_mcp.deployment.wire import Deployment
from alaya_mcp.errors import DeploymentNotReady
from alaya_mcp.printable import printable
from alaya_mcp.results import Status


@dataclass(frozen=True, slots=True)
class Readiness:
    """A verdict.

    Attributes:
        ready: Whether a chat can be answered now.
        state: A clause about the state, for a person.
        next_step: What to do, empty when ready.
        may_pass: Whether waiting helps: it starts, or its model is loading.
        warning: A doubt about a ready verdict, or empty.
    """

    ready: bool
    state: str
    next_step: str = ""
    may_pass: bool = False
    warning: str = ""


HELPS_ONCE = "it is loaded"
"""When trying again helps where the state may pass, as a clause: in the same words wherever it is said."""
_LOADING = f"Its model is still loading: trying again helps once {HELPS_ONCE}, which can take minutes."

_NOT_RUNNING: dict[Status, tuple[str, str]] = {
    "starting": (
        "starting",
        _LOADING,
    ),
    "stopping": ("stopping", "It will not answer again until somebody starts it in the Alaya NeW console."),
    "stopped": ("stopped", "Start it in the Alaya NeW console, then look again."),
    "failed": (
        "failed",
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
        return Readiness(ready=False, state=state, next_step=next_step, may_pass=starts)
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
        next_step=_LOADING
        if total
        else f"It may be starting one, or have been scaled down: trying again helps once {HELPS_ONCE}.",
        may_pass=True,
    )


def patience(*, waited: bool = False) -> str:
    """What to do about a deployment that is loading, for the caller of a chat."""
    longer = "a larger wait_seconds (and timeout_seconds)" if waited else "wait_seconds"
    return f"Loading can take minutes: look with get_deployment, or pass {longer} and the chat waits for it."


def not_ready(deployment: Deployment, service_id: str, *, waited: float = 0) -> DeploymentNotReady:
    """The error for a deployment that `readiness` finds not ready, also after waiting for so many seconds."""
    verdict = readiness(deployment)
    after = f" still, after {waited:g} s of waiting" if waited and verdict.may_pass else ""
    name = f" ({deployment.name})" if deployment.name else ""
    return DeploymentNotReady(
        f"Deployment {service_id}{name} is {verdict.state}{after}; nothing was sent to it.",
        next_step=patience(waited=waited > 0) if verdict.may_pass else verdict.next_step,
        retryable=verdict.may_pass,
        plane="control",
        helps_once=HELPS_ONCE if verdict.may_pass else None,
    )
