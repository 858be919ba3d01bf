"""From an HTTP status, or the word for a kind of error, to the error that the caller reads. Pure."""

from typing import Final

from alaya_mcp.errors import (
    AccessDenied,
    AlayaError,
    CredentialsRejected,
    Plane,
    RateLimited,
    RequestRejected,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from alaya_mcp.upstream.error_codes import Meaning, weighed
from alaya_mcp.upstream.error_text import quoted
from alaya_mcp.upstream.refusals import engine_refusal
from alaya_mcp.upstream.subject import LOOK, Subject, at_start, deployment_not_found, unexpected

_OK, _MULTIPLE_CHOICES, _BAD_REQUEST, _NOT_FOUND, _SERVER_ERROR = 200, 300, 400, 404, 500

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
"""The status that means the same as a word; a model's name and the context are read from words alone."""


def explain_status(
    plane: Plane,
    status: int | None,
    message: str | None,
    subject: Subject,
    *,
    retry_after: float | None = None,
    meaning: Meaning | None = None,
) -> AlayaError:
    """The error for an HTTP status, or for the code inside an error event, by plane.

    Args:
        plane: Who answered.
        status: The status; None where an error event has none.
        message: What was said.
        subject: What the call is about.
        retry_after: Seconds that upstream asked to wait.
        meaning: What upstream's word for the kind of error means; it is worth more than the status.
    """
    words = quoted(message, subject.secrets)
    meaning = weighed(meaning, status)
    if plane == "data" and (refusal := engine_refusal(status, message, words, meaning)):
        return refusal
    shown, status = f" (HTTP {status})" if status else "", status or _OK
    match _ACTS_AS.get(meaning, status) if meaning else status:
        case 401:
            return _rejected_credentials(plane, subject, status, shown)
        case 402:
            return AccessDenied(
                f"{at_start(plane)} says that the quota or the balance is used up{shown}.{words}",
                next_step="Look into the quota and the balance in the console of the engine's provider.",
                plane=plane,
                http_status=status,
            )
        case 403:
            return AccessDenied(
                f"{at_start(plane)} denies access to {subject.name}{shown}.",
                next_step="Check in the Alaya NeW console that the key pair's account may use it.",
                plane=plane,
                http_status=status,
            )
        case 404:
            return _not_found(plane, subject, message, words)
        case 408 | 429 as code:
            return _may_pass(plane, code, status, f"{shown}.{words}", retry_after)
        case code if code >= _SERVER_ERROR:
            return _may_pass(plane, code, status, f"{shown}.{words}", retry_after)
        case code if _MULTIPLE_CHOICES <= code < _BAD_REQUEST:
            return unexpected(plane, f"a redirect (HTTP {status}), which is never followed", status)
        case code if code < _MULTIPLE_CHOICES:
            return unexpected(plane, f"HTTP {status}, where an answer was expected", status, words)
        case _:
            filtered = meaning == "filter"
            what = "refused the request by a content filter" if filtered else "rejected the request"
            return RequestRejected(
                f"{at_start(plane)} {what}{shown}.{words}",
                next_step=_next_step_after_a_refusal(words, filtered=filtered),
                plane=plane,
                http_status=status,
            )


def _may_pass(
    plane: Plane, acts_as: int, status: int, said: str, retry_after: float | None
) -> UpstreamTimeout | RateLimited | UpstreamUnavailable:
    where = at_start(plane)
    if acts_as in {408, 504}:
        step = "Call again later." if plane == "control" else "Call again; for a long answer, a smaller max_tokens."
        what, kind = "gave up waiting", UpstreamTimeout
    elif acts_as == 429:  # noqa: PLR2004 an HTTP status reads best as itself
        what, kind, step = (
            "limits the rate of requests",
            RateLimited,
            "Wait, then call again with fewer calls at a time.",
        )
    else:
        what, kind = "failed", UpstreamUnavailable
        step = f"Call again later. {LOOK}" if plane == "data" else "Call again later."
    return kind(f"{where} {what}{said}", next_step=step, plane=plane, http_status=status, retry_after=retry_after)


def _next_step_after_a_refusal(words: str, *, filtered: bool) -> str:
    if filtered:
        return "Change what is asked, then call again."
    if words:
        return "Correct the arguments by what upstream said, then call again."
    return "Upstream gives no reason: shorten the request, or look into the engine's log in the console."


def _not_found(plane: Plane, subject: Subject, message: str | None, words: str) -> AlayaError:
    if plane == "control" and subject.service_id:
        return deployment_not_found(subject, _NOT_FOUND, message)
    if plane == "control":
        return unexpected(plane, "HTTP 404: there is no list of deployments at ALAYA_BASE_URL", _NOT_FOUND, words)
    return unexpected(plane, "HTTP 404: there is no chat endpoint at the serviceUrl", _NOT_FOUND, words)


def _rejected_credentials(plane: Plane, subject: Subject, status: int, shown: str) -> CredentialsRejected:
    if plane == "control":
        return CredentialsRejected(
            f"Alaya's control plane rejected the key pair in {subject.key_pair}{shown}.",
            next_step="Copy both halves of the Open API Key from the Alaya NeW console there again, and have the host "
            "restart this server.",
            plane=plane,
            http_status=status,
        )
    if not subject.has_api_key:
        return CredentialsRejected(
            f"The deployment's engine requires an apikey{shown}, and the control plane reports none for this "
            "deployment; the account's key pair was accepted.",
            next_step="Look up the deployment's apikey in the Alaya NeW console; it may have to be made first.",
            plane=plane,
            http_status=status,
        )
    return CredentialsRejected(
        f"The deployment's engine rejected the deployment's own apikey{shown}, which the control plane gave; "
        "the account's key pair was accepted.",
        next_step="If the deployment's apikey was just changed, call again in a minute; else renew it in the console.",
        plane=plane,
        http_status=status,
    )
