"""Map an HTTP status, or an error code in the body, to the caller's error. Pure."""

from typing import Final

from alaya_mcp.error_causes import Cause, Plane
from alaya_mcp.errors import (
    AccessDenied,
    AlayaError,
    CredentialsRejected,
    DeploymentNotFound,
    RateLimited,
    RequestRejected,
    UnexpectedResponse,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from alaya_mcp.upstream.error_codes import Meaning, weighed
from alaya_mcp.upstream.refusals import engine_refusal
from alaya_mcp.upstream.subject import Subject

_OK, _MULTIPLE_CHOICES, _BAD_REQUEST, _UNAUTHORIZED, _SERVER_ERROR = 200, 300, 400, 401, 500

_ACTS_AS: Final[dict[Meaning, int]] = {
    "credentials": 401,
    "quota": 402,
    "access": 403,
    "rate": 429,
    "overloaded": 503,
    "timeout": 504,
    "filter": 400,
    "request": 400,
}
"""The status equivalent to a code; model names and context length are recognised by text alone."""
_OF_THE_ENGINE: Final[dict[int, tuple[type[AlayaError], Cause]]] = {
    401: (CredentialsRejected, "apikey_rejected"),
    404: (UnexpectedResponse, "endpoint_missing"),
}
_OF_THE_LIST: Final[dict[int, tuple[type[AlayaError], Cause]]] = {
    403: (AccessDenied, "list_denied"),
    404: (UnexpectedResponse, "list_missing"),
}
_OF_EITHER: Final[dict[int, tuple[type[AlayaError], Cause]]] = {
    401: (CredentialsRejected, "key_pair_rejected"),
    402: (AccessDenied, "quota_used_up"),
    403: (AccessDenied, "deployment_denied"),
    404: (DeploymentNotFound, "deployment_unknown"),
    408: (UpstreamTimeout, "gave_up_waiting"),
    429: (RateLimited, "rate_limited"),
    504: (UpstreamTimeout, "gave_up_waiting"),
}
_NOT_QUOTED: Final = frozenset[Cause](
    {"key_pair_rejected", "apikey_rejected", "apikey_missing", "list_denied", "deployment_denied", "redirect"}
)
"""Causes that need no quote; upstream's text about a credential may contain it."""


def explain_status(
    plane: Plane,
    status: int | None,
    message: str | None,
    subject: Subject,
    *,
    retry_after: float | None = None,
    meaning: Meaning | None = None,
) -> AlayaError:
    """Return the error for an HTTP status, or for the code inside an error event, by plane.

    Args:
        plane: The plane that answered.
        status: The status; None if an error event has none.
        message: Upstream's message.
        subject: What the call is about.
        retry_after: Seconds to wait, from upstream.
        meaning: Of upstream's error code; it outweighs the status.
    """
    meaning = weighed(meaning, status)
    if plane == "data" and (refusal := engine_refusal(status, message, subject, meaning)):
        return refusal
    acts_as = _ACTS_AS.get(meaning, status or _OK) if meaning else status or _OK
    kind, cause = _meant(acts_as, plane, subject, is_filtered=meaning == "filter")
    return kind(
        cause,
        plane=plane,
        http_status=status or _OK,
        service_id=subject.service_id,
        words="" if cause in _NOT_QUOTED else subject.words(message),
        source=subject.key_pair if cause == "key_pair_rejected" else "",
        retry_after=retry_after if kind.retryable_by_default else None,
    )


def _meant(status: int, plane: Plane, subject: Subject, *, is_filtered: bool) -> tuple[type[AlayaError], Cause]:
    own = _OF_THE_ENGINE if plane == "data" else {} if subject.service_id else _OF_THE_LIST
    if status == _UNAUTHORIZED and plane == "data" and not subject.has_api_key:
        return CredentialsRejected, "apikey_missing"
    if meant := own.get(status) or _OF_EITHER.get(status):
        return meant
    if status >= _SERVER_ERROR:
        return UpstreamUnavailable, "upstream_failing"
    if status < _BAD_REQUEST:
        return UnexpectedResponse, "redirect" if status >= _MULTIPLE_CHOICES else "odd_status"
    return RequestRejected, "content_filtered" if is_filtered else "request_refused"
