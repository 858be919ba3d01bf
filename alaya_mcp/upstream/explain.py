"""From a failed exchange to the error that the caller reads. Pure; the table is in docs/errors.md."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from alaya_mcp.deployment.wire import WrongShape, failure_message, is_failure, json_object
from alaya_mcp.errors import (
    AccessDenied,
    AlayaError,
    CredentialsRejected,
    DeploymentNotFound,
    NotConfigured,
    Plane,
    RateLimited,
    RequestRejected,
    UnexpectedResponse,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from alaya_mcp.sources import KEY_PAIR_VARIABLES
from alaya_mcp.upstream.failures import Failure, Kind
from alaya_mcp.upstream.refusals import engine_refusal
from alaya_mcp.upstream.resend import retry_after_seconds
from alaya_mcp.upstream.words import (
    message_in_body,
    quoted,
    says_not_found,
)

_OK, _MULTIPLE_CHOICES, _BAD_REQUEST, _NOT_FOUND, _SERVER_ERROR = 200, 300, 400, 404, 500

_WHERE: Final[dict[Plane, str]] = {
    "control": "Alaya's control plane",
    "data": "the deployment's engine",
}
_UNREACHED: Final[dict[Kind, str]] = {
    "dns": "The host name of {} could not be resolved.",
    "tls": "The TLS connection to {} failed: its certificate or protocol was not accepted.",
    "refused": "The connection to {} was refused, or no host answers there.",
    "connect_timeout": "No connection to {} came about in time.",
}
_ODD_ANSWERS: Final[dict[Kind, str]] = {
    "encoding": "a body whose compression is broken",
    "too_large": "a body larger than this server reads",
    "unusable_url": "an address that no request can be sent to",
}
_MAY_HAVE_BEGUN: Final = " The engine may have begun to generate, so asking again may cost twice."
_LOOK: Final = "Call get_deployment to see the deployment's state."


@dataclass(frozen=True, slots=True)
class Subject:
    """What a call is about.

    Attributes:
        service_id: The deployment asked for; empty where the list of them was.
        secrets: Values that must not be quoted back, should upstream echo them.
        key_pair: What holds the account's key pair, for the one who has to correct it.
        has_api_key: Whether the control plane told a key for the deployment's engine.
    """

    service_id: str
    secrets: tuple[str, ...] = ()
    key_pair: str = KEY_PAIR_VARIABLES
    has_api_key: bool = True

    @property
    def name(self) -> str:
        """What access is asked to."""
        return self.service_id or "the list of deployments"


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


def explain(failure: Failure, subject: Subject) -> AlayaError:
    """The error for a failure, after whatever was sent again."""
    is_envelope_of_404 = failure.status in {_BAD_REQUEST, _SERVER_ERROR} and _tells_not_found(failure)
    if failure.plane == "control" and subject.service_id and is_envelope_of_404:
        return deployment_not_found(subject, failure.status, message_in_body(failure.body))
    if failure.status is not None:
        return explain_status(
            failure.plane,
            failure.status,
            message_in_body(failure.body),
            subject,
            retry_after=retry_after_seconds(failure.retry_after_header, datetime.now(UTC)),
        )
    if failure.kind == "timeout":
        return timed_out(failure.plane)
    if failure.kind == "proxy":
        return NotConfigured(
            "The proxy configured in the environment or system refused the connection or cannot be used.",
            next_step="Correct or remove HTTPS_PROXY, HTTP_PROXY or ALL_PROXY, and have the host restart this server.",
            plane=failure.plane,
        )
    if odd := _ODD_ANSWERS.get(failure.kind):
        return unexpected(failure.plane, odd)
    what = _UNREACHED.get(failure.kind, "The connection to {} was closed before an answer.").format(
        _WHERE[failure.plane]
    )
    proxy = " A proxy is configured in the environment or system; it may be the cause." if failure.via_proxy else ""
    next_step = "Check ALAYA_BASE_URL and the network." if failure.plane == "control" else f"{_LOOK} Then call again."
    if failure.plane == "data" and failure.kind == "reset":
        next_step += _MAY_HAVE_BEGUN
    if failure.kind == "tls":
        next_step += " Check this machine's clock and certificates, and whether a proxy replaces certificates."
    return UpstreamUnavailable(what + proxy, next_step=next_step, plane=failure.plane)


def _tells_not_found(failure: Failure) -> bool:
    """Whether an error's body is Alaya's envelope with a message that says so, whatever the status."""
    try:
        answer = json_object(failure.body)
    except WrongShape:
        return False
    return is_failure(answer) and says_not_found(failure_message(answer))


def _at_start(plane: Plane) -> str:
    return _WHERE[plane][0].upper() + _WHERE[plane][1:]


def timed_out(plane: Plane | None, budget: float | None = None) -> UpstreamTimeout:
    """Nothing came in time."""
    within = f" within {budget:g} s" if budget else " in time"
    where = _WHERE[plane] if plane else "upstream"
    return UpstreamTimeout(
        f"Nothing was received from {where}{within}.",
        next_step="Call again later."
        if plane == "control"
        else "Call again with a larger timeout_seconds (hosts may give up earlier), a shorter prompt "
        f"or a smaller max_tokens. {_LOOK}{_MAY_HAVE_BEGUN}",
        plane=plane,
    )


def stalled(idle: float) -> UpstreamTimeout:
    """The engine fell silent before any text."""
    return UpstreamTimeout(
        f"The deployment's engine began to answer and then was silent for {idle:g} s, before any text.",
        next_step=f"Call again; ALAYA_IDLE_SECONDS is the longest silence that is waited for. {_LOOK}",
        plane="data",
    )


def unexpected(plane: Plane, what: str, http_status: int | None = None, words: str = "") -> UnexpectedResponse:
    """Something answered that does not speak this API."""
    return UnexpectedResponse(
        f"{_at_start(plane)} answered with {what}.{words}",
        next_step="Check that ALAYA_BASE_URL is the serverless-infer base, and that no portal stands in between."
        if plane == "control"
        else "Check the deployment's endpoint with get_deployment: it must be the base of an OpenAI-compatible engine.",
        plane=plane,
        http_status=http_status,
    )


def explain_status(
    plane: Plane, status: int, message: str | None, subject: Subject, *, retry_after: float | None = None
) -> AlayaError:
    """The error for an HTTP status, or for the code inside an error event, by plane."""
    words = quoted(message, subject.secrets)
    if plane == "data" and (refusal := engine_refusal(status, message, words)):
        return refusal
    match status:
        case 401:
            return _rejected_credentials(plane, subject)
        case 403:
            return AccessDenied(
                f"{_at_start(plane)} denies access to {subject.name} (HTTP 403).",
                next_step="Check in the Alaya NeW console that the key pair's account may use it.",
                plane=plane,
                http_status=status,
            )
        case 404:
            return _not_found(plane, subject, message, words)
        case 408 | 504:
            return UpstreamTimeout(
                f"{_at_start(plane)} gave up waiting (HTTP {status}).{words}",
                next_step="Call again later."
                if plane == "control"
                else "Call again; for a long answer, a smaller max_tokens.",
                plane=plane,
                http_status=status,
                retry_after=retry_after,
            )
        case 429:
            return RateLimited(
                f"{_at_start(plane)} limits the rate of requests (HTTP 429).{words}",
                next_step="Wait, then call again with fewer calls at a time.",
                plane=plane,
                http_status=status,
                retry_after=retry_after,
            )
        case _ if status >= _SERVER_ERROR:
            return UpstreamUnavailable(
                f"{_at_start(plane)} failed (HTTP {status}).{words}",
                next_step=f"Call again later. {_LOOK}" if plane == "data" else "Call again later.",
                plane=plane,
                http_status=status,
                retry_after=retry_after,
            )
        case _ if _MULTIPLE_CHOICES <= status < _BAD_REQUEST:
            return unexpected(plane, f"a redirect (HTTP {status}), which is never followed", status)
        case _ if status < _MULTIPLE_CHOICES:
            return unexpected(plane, f"HTTP {status}, where 200 was expected", status, words)
        case _:
            return RequestRejected(
                f"{_at_start(plane)} rejected the request (HTTP {status}).{words}",
                next_step="Correct the arguments by what upstream said, then call again."
                if words
                else "Upstream gives no reason: shorten the request, or look into the engine's log in the console.",
                plane=plane,
                http_status=status,
            )


def _not_found(plane: Plane, subject: Subject, message: str | None, words: str) -> AlayaError:
    if plane == "control" and subject.service_id:
        return deployment_not_found(subject, _NOT_FOUND, message)
    if plane == "control":
        return unexpected(plane, "HTTP 404: there is no list of deployments at ALAYA_BASE_URL", _NOT_FOUND, words)
    return unexpected(plane, "HTTP 404: there is no chat endpoint at the serviceUrl", _NOT_FOUND, words)


def explain_envelope(plane: Plane, message: str | None, subject: Subject) -> AlayaError:
    """The error for a failure code under HTTP 200 (API documentation: code -1, reason in msg)."""
    if plane == "control" and subject.service_id and says_not_found(message):
        return deployment_not_found(subject, _OK, message)
    words = quoted(message, subject.secrets)
    return RequestRejected(
        f"{_at_start(plane)} reports a failure (code -1 under HTTP 200).{words}",
        next_step="Correct the call by what upstream said; if that names no cause, look into the console.",
        plane=plane,
        http_status=_OK,
    )


def _rejected_credentials(plane: Plane, subject: Subject) -> CredentialsRejected:
    if plane == "control":
        return CredentialsRejected(
            f"Alaya's control plane rejected the key pair in {subject.key_pair} (HTTP 401).",
            next_step="Copy both halves of the Open API Key from the Alaya NeW console there again, and have the host "
            "restart this server.",
            plane=plane,
            http_status=401,
        )
    if not subject.has_api_key:
        return CredentialsRejected(
            "The deployment's engine wants an apikey (HTTP 401), and the control plane tells none for this deployment; "
            "the account's key pair was accepted.",
            next_step="Look up the deployment's apikey in the Alaya NeW console; it may have to be made first.",
            plane=plane,
            http_status=401,
        )
    return CredentialsRejected(
        "The deployment's engine rejected the deployment's own apikey (HTTP 401), which the control plane gave; "
        "the account's key pair was accepted.",
        next_step="If the deployment's apikey was just changed, call again in a minute; else renew it in the console.",
        plane=plane,
        http_status=401,
    )
