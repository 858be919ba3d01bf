"""Map a failed exchange to the caller's error; the table is in docs/errors.md."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from alaya_mcp.deployment.wire import EnvelopeFailure, WrongShape, failure_message, is_failure, json_object
from alaya_mcp.error_causes import Plane, UnavailableCause, UnexpectedCause
from alaya_mcp.errors import (
    AlayaError,
    DeploymentNotFound,
    NotConfigured,
    RequestRejected,
    UnexpectedResponse,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from alaya_mcp.upstream.error_codes import meaning_in_body
from alaya_mcp.upstream.error_text import is_foreign_not_found, message_in_body, says_not_found
from alaya_mcp.upstream.failures import Failure, Kind
from alaya_mcp.upstream.retry import retry_after_seconds
from alaya_mcp.upstream.statuses import explain_status
from alaya_mcp.upstream.subject import Subject

_OK, _BAD_REQUEST, _NOT_FOUND, _SERVER_ERROR = 200, 400, 404, 500

_UNREACHED: Final[dict[Kind, UnavailableCause]] = {
    "dns": "dns_failed",
    "tls": "tls_distrusted",
    "refused": "connection_refused",
    "connect_timeout": "connection_timed_out",
}
_NOT_PUBLIC: Final = "leads to an address that is not public, and this server's operator has not listed its host"
_ODD_ANSWERS: Final[dict[Kind, UnexpectedCause]] = {
    "encoding": "broken_encoding",
    "broken_http": "broken_http",
    "too_large": "body_too_large",
    "unusable_url": "url_unusable",
}


def explain_answer(plane: Plane, wrong: Failure | EnvelopeFailure | WrongShape, subject: Subject) -> AlayaError:
    """Return the error for a request that brought no usable answer, whatever was wrong with it."""
    match wrong:
        case Failure():
            return explain(wrong, subject)
        case EnvelopeFailure(message=message):
            return explain_envelope(plane, message, subject)
        case WrongShape(cause=cause):
            return UnexpectedResponse(cause, plane=plane, http_status=_OK, service_id=subject.service_id)


def explain(failure: Failure, subject: Subject) -> AlayaError:
    """Return the error for a failure that is not retried any more."""
    return replace(_explained(failure, subject), is_cut_short=failure.is_cut_short, is_chat=failure.is_chat)


def _explained(failure: Failure, subject: Subject) -> AlayaError:
    service_id, plane = subject.service_id, failure.plane
    if failure.status is not None:
        return replace(_by_status(failure, failure.status, subject), is_page=failure.is_page)
    if failure.kind == "timeout":
        return UpstreamTimeout("no_answer", plane=plane, service_id=service_id)
    if failure.kind == "proxy":
        return NotConfigured("proxy_refused", plane=plane, proxy=failure.proxy)
    if failure.kind == "not_public":
        return UnexpectedResponse("service_url_refused", plane="control", service_id=service_id, detail=_NOT_PUBLIC)
    if odd := _ODD_ANSWERS.get(failure.kind):
        return UnexpectedResponse(odd, plane=plane, service_id=service_id)
    return UpstreamUnavailable(
        _UNREACHED.get(failure.kind, "connection_closed"),
        plane=plane,
        service_id=service_id,
        proxy=failure.proxy,
        distrust=failure.distrust,
        host=failure.host,
    )


def _by_status(failure: Failure, status: int, subject: Subject) -> AlayaError:
    message = message_in_body(failure.body)
    if failure.plane == "control" and status == _NOT_FOUND and is_foreign_not_found(failure.body):
        words = subject.words(message)
        return UnexpectedResponse("base_url_path_wrong", plane="control", http_status=status, words=words)
    is_envelope_of_404 = status in {_BAD_REQUEST, _SERVER_ERROR} and _envelope_says_not_found(failure)
    if failure.plane == "control" and subject.service_id and is_envelope_of_404:
        return _unknown(subject, status, message)
    return explain_status(
        failure.plane,
        status,
        message,
        subject,
        retry_after=retry_after_seconds(failure.retry_after_header, datetime.now(UTC)),
        meaning=meaning_in_body(failure.body),
    )


def _envelope_says_not_found(failure: Failure) -> bool:
    """Return whether an error's body is Alaya's envelope and says "not found", whatever the status."""
    try:
        answer = json_object(failure.body)
    except WrongShape:
        return False
    return is_failure(answer) and says_not_found(failure_message(answer))


def _unknown(subject: Subject, status: int, message: str | None) -> DeploymentNotFound:
    service_id, words = subject.service_id, subject.words(message)
    return DeploymentNotFound(
        "deployment_unknown", plane="control", http_status=status, service_id=service_id, words=words
    )


def explain_envelope(plane: Plane, message: str | None, subject: Subject) -> AlayaError:
    """Return the error for a failure code under HTTP 200 (API documentation: code -1, reason in msg)."""
    if plane == "control" and subject.service_id and says_not_found(message):
        return _unknown(subject, _OK, message)
    return RequestRejected(
        "failure_reported",
        plane=plane,
        http_status=_OK,
        service_id=subject.service_id,
        words=subject.words(message),
    )
