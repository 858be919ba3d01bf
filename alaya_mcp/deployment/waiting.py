"""Wait until a deployment is ready: poll at growing intervals."""

from collections.abc import Awaitable, Callable
from typing import Final

import anyio

from alaya_mcp.deadline import Deadline
from alaya_mcp.deployment.readiness import readiness
from alaya_mcp.deployment.wire import Deployment
from alaya_mcp.errors import AlayaError
from alaya_mcp.progress import Notes

_FIRST_SECONDS: Final = 1.0
_GROWTH: Final = 1.5
_LONGEST_SECONDS: Final = 10.0


def poll_interval(polls: int) -> float:
    """Return the seconds before the next poll."""
    return min(_FIRST_SECONDS * _GROWTH ** min(polls, 20), _LONGEST_SECONDS)


def ready_instances(deployment: Deployment) -> str:
    """Return "2 of 3 instances ready"; empty if the control plane reports no instances."""
    total = len(deployment.instances)
    ready = sum(instance.base_model_ready is True for instance in deployment.instances)
    return f"{ready} of {total} instances ready" if total else ""


async def wait_until_ready(
    deployment: Deployment,
    look: Callable[[], Awaitable[Deployment]],
    until: Deadline,
    notes: Notes,
) -> Deployment:
    """Return the deployment once it is ready, once waiting does not help, or when the time is up.

    Args:
        deployment: Its current state.
        look: Reads it again.
        until: When waiting ends.
        notes: Receives its state and its ready instances, before each wait.

    Raises:
        AlayaError: reading it failed permanently.
    """
    polls = 0
    while not (verdict := readiness(deployment)).ready and verdict.may_pass and (left := until.remaining()) > 0:
        state = verdict.state if deployment.status == "starting" else "loading its model"
        notes.status("waiting", state, ready_instances(deployment))
        await anyio.sleep(min(poll_interval(polls), left))
        polls += 1
        try:
            deployment = await look()
        except AlayaError as error:
            if not error.retryable:
                raise
    return deployment
