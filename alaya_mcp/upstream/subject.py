"""What a call to upstream is about, and the errors that are said in one way by all who meet them. Pure."""

from dataclasses import dataclass
from typing import Final

from alaya_mcp.config.precedence import KEY_PAIR_VARIABLES
from alaya_mcp.errors import DeploymentNotFound, Plane, UnexpectedResponse
from alaya_mcp.upstream.error_text import quoted

WHERE: Final[dict[Plane, str]] = {
    "control": "Alaya's control plane",
    "data": "the deployment's engine",
}
LOOK: Final = "Call get_deployment to see the deployment's state."


@dataclass(frozen=True, slots=True)
class Subject:
    """What a call is about.

    Attributes:
        service_id: The deployment asked for; empty where the list of them was.
        secrets: Values that must not be quoted back, should upstream echo them.
        key_pair: What holds the account's key pair, for the one who has to correct it.
        has_api_key: Whether the control plane reported a key for the deployment's engine.
    """

    service_id: str
    secrets: tuple[str, ...] = ()
    key_pair: str = KEY_PAIR_VARIABLES
    has_api_key: bool = True

    @property
    def name(self) -> str:
        """What access is asked to."""
        return self.service_id or "the list of deployments"


def at_start(plane: Plane) -> str:
    """Who answered, at the start of a sentence."""
    return WHERE[plane][0].upper() + WHERE[plane][1:]


def deployment_not_found(
    subject: Subject, http_status: int | None = None, message: str | None = None
) -> DeploymentNotFound:
    """The control plane knows no such deployment."""
    return DeploymentNotFound(
        f"There is no deployment {subject.service_id} for this account.{quoted(message, subject.secrets)}",
        next_step="Call list_deployments for those that there are, and pass a name or id of them. A deployment of "
        "another account cannot be seen with this key pair. If the id is right, check ALAYA_BASE_URL.",
        plane="control",
        http_status=http_status,
    )


def unexpected(plane: Plane, what: str, http_status: int | None = None, words: str = "") -> UnexpectedResponse:
    """Something answered that does not speak this API."""
    return UnexpectedResponse(
        f"{at_start(plane)} answered with {what}.{words}",
        next_step="Check that ALAYA_BASE_URL is the serverless-infer base, and that no login portal intercepts it."
        if plane == "control"
        else "Check the deployment's endpoint with get_deployment: it must be the base of an OpenAI-compatible engine.",
        plane=plane,
        http_status=http_status,
    )
