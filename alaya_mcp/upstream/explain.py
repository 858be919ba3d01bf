"""From a failed exchange to the error that the caller reads; the table is in docs/errors.md."""

from datetime import UTC, datetime
from typing import Final

from alaya_mcp.deployment.wire import WrongShape, failure_message, is_failure, json_object
from alaya_mcp.errors import (
    AlayaError,
    NotConfigured,
    Plane,
    RequestRejected,
    UnexpectedResponse,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from alaya_mcp.upstream.error_codes import meaning_in_body
from alaya_mcp.upstream.error_text import (
    is_foreign_not_found,
    message_in_body,
    quoted,
    says_not_found,
)
from alaya_mcp.upstream.failures import Failure, Kind
from alaya_mcp.upstream.retry import retry_after_seconds
from alaya_mcp.upstream.statuses import explain_status
from alaya_mcp.upstream.subject import LOOK, WHERE, Subject, at_start, deployment_not_found, unexpected

_OK, _BAD_REQUEST, _NOT_FOUND, _SERVER_ERROR = 200, 400, 404, 500

_UNREACHED: Final[dict[Kind, str]] = {
    "dns": "The host name of {} could not be resolved.",
    "tls": "The TLS connection to {} failed: its certificate or protocol was not accepted.",
    "refused": "The connection to {} was refused, or no host answers there.",
    "connect_timeout": "No connection to {} came about in time.",
}
_ODD_ANSWERS: Final[dict[Kind, str]] = {
    "encoding": "a body whose compression is broken",
    "broken_http": "something that breaks the rules of HTTP",
    "too_large": "a body larger than this server reads",
    "unusable_url": "an address that no request can be sent to",
}
_MAY_HAVE_BEGUN: Final = " The engine may have begun to generate, so asking again may cost twice."


def explain(failure: Failure, subject: Subject) -> AlayaError:
    """The error for a failure, after whatever was sent again."""
    if failure.plane == "control" and failure.status == _NOT_FOUND and is_foreign_not_found(failure.body):
        return _wrong_base_path(message_in_body(failure.body), subject)
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
            meaning=meaning_in_body(failure.body),
        )
    if failure.kind == "timeout":
        return timed_out(failure.plane)
    if failure.kind == "proxy":
        return NotConfigured(
            f"The proxy in {failure.proxy} refused the connection or cannot be used.",
            next_step=f"Correct or remove {failure.proxy}, and have the host restart this server.",
            plane=failure.plane,
        )
    if odd := _ODD_ANSWERS.get(failure.kind):
        return unexpected(failure.plane, odd)
    what = _UNREACHED.get(failure.kind, "The connection to {} was closed before an answer.").format(
        WHERE[failure.plane]
    )
    proxy = f" It goes through the proxy in {failure.proxy}, which may be the cause." if failure.proxy else ""
    next_step = "Check ALAYA_BASE_URL and the network." if failure.plane == "control" else f"{LOOK} Then call again."
    if failure.plane == "data" and failure.kind == "reset":
        next_step += _MAY_HAVE_BEGUN
    if failure.kind == "tls":
        next_step += (
            " Check this machine's clock. Where the server, or a proxy in between, has a certificate of a private "
            "authority, set SSL_CERT_FILE to a file (PEM) with that authority's certificate."
        )
    return UpstreamUnavailable(what + proxy, next_step=next_step, plane=failure.plane)


def _tells_not_found(failure: Failure) -> bool:
    """Whether an error's body is Alaya's envelope with a message that says so, whatever the status."""
    try:
        answer = json_object(failure.body)
    except WrongShape:
        return False
    return is_failure(answer) and says_not_found(failure_message(answer))


def timed_out(plane: Plane | None, budget: float | None = None) -> UpstreamTimeout:
    """Nothing came in time."""
    within = f" within {budget:g} s" if budget else " in time"
    where = WHERE[plane] if plane else "upstream"
    return UpstreamTimeout(
        f"Nothing was received from {where}{within}.",
        next_step="Call again later."
        if plane == "control"
        else "Call again with a larger timeout_seconds (hosts may give up earlier), a shorter prompt "
        f"or a smaller max_tokens. {LOOK}{_MAY_HAVE_BEGUN}",
        plane=plane,
    )


def stalled(idle: float) -> UpstreamTimeout:
    """The engine fell silent before any text."""
    return UpstreamTimeout(
        f"The deployment's engine began to answer and then was silent for {idle:g} s, before any text.",
        next_step=f"Call again; ALAYA_IDLE_SECONDS is the longest silence that is waited for. {LOOK}",
        plane="data",
    )


def _wrong_base_path(message: str | None, subject: Subject) -> UnexpectedResponse:
    return UnexpectedResponse(
        f"Nothing of Alaya's API is at ALAYA_BASE_URL (HTTP 404).{quoted(message, subject.secrets)}",
        next_step="Correct ALAYA_BASE_URL: it ends in the path of the serverless-infer API, /api/serverless-infer/v1.",
        plane="control",
        http_status=_NOT_FOUND,
    )


def explain_envelope(plane: Plane, message: str | None, subject: Subject) -> AlayaError:
    """The error for a failure code under HTTP 200 (API documentation: code -1, reason in msg)."""
    if plane == "control" and subject.service_id and says_not_found(message):
        return deployment_not_found(subject, _OK, message)
    words = quoted(message, subject.secrets)
    return RequestRejected(
        f"{at_start(plane)} reports a failure (code -1 under HTTP 200).{words}",
        next_step="Correct the call by what upstream said; if that names no cause, look into the console.",
        plane=plane,
        http_status=_OK,
    )
