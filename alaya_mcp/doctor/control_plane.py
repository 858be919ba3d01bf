"""What the answer to a request for the deployment list says about the control plane and the key pair. Pure."""

from dataclasses import dataclass
from typing import Final

from alaya_mcp.config.settings import DEFAULT_BASE_URL, Settings
from alaya_mcp.deployment.wire import Page
from alaya_mcp.doctor.check import Check, Fact
from alaya_mcp.doctor.connection import distrusted, unresolved
from alaya_mcp.error_causes import Cause
from alaya_mcp.error_same_steps import OF_LOGIN
from alaya_mcp.error_sentences import what_happened
from alaya_mcp.errors import AlayaError, UnexpectedResponse

_SERVER_ERROR: Final = 500
_UNREACHED: Final[dict[Cause, str]] = {
    "connection_refused": "the connection was refused, or no host answers there",
    "connection_timed_out": "no connection in time",
    "connection_closed": "the connection was closed before an answer",
    "dns_failed": "the host name could not be resolved",
}
_LATER: Final = "Try again later. If it persists, ask the provider's support."
_FAILING: Final[dict[Cause, tuple[str, str]]] = {
    "no_answer": ("no_answer", "Try again later. A firewall or proxy that holds answers back looks the same."),
    "rate_limited": ("rate_limited", "Wait and try again; if it comes back, make fewer calls at a time."),
    "upstream_failing": ("control_plane_failing", _LATER),
    "gave_up_waiting": ("control_plane_failing", _LATER),
}
"""Verdict and next step if it is reached and does not answer."""
_WRONG_HOST: Final = (
    f"Check ALAYA_BASE_URL; the default is {DEFAULT_BASE_URL}. If it is right, a portal, firewall or proxy answers in "
    "its place: open it in a browser to see which."
)


@dataclass(frozen=True, slots=True)
class Answer:
    """The checks that follow from the request for the list.

    Attributes:
        control_plane: Whether the control plane answered.
        key: Whether it accepted the key pair; None if only a request for a deployment can show that.
        doubt: The key's check if that request shows nothing either.
    """

    control_plane: Check
    key: Check | None = None
    doubt: Check | None = None


def judged(outcome: Page | AlayaError, settings: Settings, place: str = "") -> Answer:
    """Return the checks that follow from a page of the list, or from the error; `place` as in `Network`."""
    origin = settings.control_plane
    there = Check("control_plane", "ok", "reachable", f"{origin.host}:{origin.port} answers as Alaya's API does")
    if isinstance(outcome, Page):
        plural = "" if outcome.total == 1 else "s"
        count = "" if outcome.total is None else f"; the account has {outcome.total} deployment{plural}"
        return Answer(there, Check("key", "ok", "key_accepted", f"accepted{count}"))
    if check := _not_answering(outcome, settings, place):
        return Answer(check)
    if outcome.cause == "key_pair_rejected":
        return Answer(there, rejected(settings))
    return Answer(there, doubt=_refused(outcome))


def _not_answering(error: AlayaError, settings: Settings, place: str) -> Check | None:
    """Return the failed check of the control plane; None if it answered as it should."""
    origin = settings.control_plane
    match error.cause:
        case _ if isinstance(error, UnexpectedResponse) or (error.is_page and (error.http_status or 0) < _SERVER_ERROR):
            is_without_list = error.cause in {"list_missing", "base_url_path_wrong"} and not error.is_page
            return _no_list(settings) if is_without_list else _not_the_api(error)
        case "tls_distrusted":
            return distrusted("control_plane", "tls_failed", origin, error.distrust or "other")
        case "dns_failed" if not error.proxy:
            return unresolved(origin, what_happened(error), place, "control_plane")
        case cause if cause in _UNREACHED:
            what = f"{origin.host}:{origin.port}: {_UNREACHED[cause]}"
            step = (
                "Check the host and port in ALAYA_BASE_URL, and whether a firewall or VPN blocks them. If only a proxy "
                f"leads out of the network, set HTTPS_PROXY{place}."
            )
            return Check("control_plane", "failed", "unreachable", what, step)
        case "proxy_refused":
            step = "Check the proxy's user name, password and rules: it is there but refuses this connection."
            return Check("control_plane", "failed", "proxy_refused", "the proxy refused the connection", step)
        case cause if cause in _FAILING:
            verdict, step = _FAILING[cause]
            return Check("control_plane", "failed", verdict, what_happened(error), step)
        case _:
            return None


def rejected(settings: Settings) -> Check:
    """Return the check for a key pair that the control plane does not know."""
    step = (
        "Copy both halves of the Open API Key from the Alaya NeW console there again; the fingerprints above show "
        "which keys are in use. A key of another environment needs its own ALAYA_BASE_URL."
    )
    if settings.key_pair.startswith(OF_LOGIN):
        step = (
            "Run `alayanew-mcp login` with an Open API Key from the Alaya NeW console, and with ALAYA_BASE_URL set if "
            "it is of another environment; the fingerprints above show which keys are in use."
        )
    return Check("key", "failed", "key_rejected", f"the pair in {settings.key_pair} was rejected (HTTP 401)", step)


def denied(settings: Settings) -> Check:
    """Return the check for a key pair that the control plane knows and permits nothing."""
    step = "Check in the Alaya NeW console that the key's account may use serverless inference and this deployment."
    return Check("key", "failed", "key_denied", f"the pair in {settings.key_pair} may not do this (HTTP 403)", step)


def _refused(error: AlayaError) -> Check:
    """Return the check for a refusal that may be about the list or the key pair."""
    if error.cause == "list_denied":
        step = "Use deployment ids, since names cannot be looked up; or have its account allowed to list deployments."
        return Check("key", "warning", "list_denied", "not rejected, but it may not list deployments (HTTP 403)", step)
    step = "Upstream's words say why. Meanwhile use the deployment's id, since names cannot be looked up."
    return Check("key", "warning", "list_refused", f"not rejected, but: {what_happened(error)}", step)


def _no_list(settings: Settings) -> Check:
    """Return the check for a missing list; only a request for a deployment shows whether the rest is there."""
    origin = settings.control_plane
    what = f"{origin.host}:{origin.port} answers, but there is no list of deployments (HTTP 404)"
    step = "Use the deployment's id, since names cannot be looked up."
    if settings.base_url != DEFAULT_BASE_URL:
        path = f"Check the path in ALAYA_BASE_URL; the default is {DEFAULT_BASE_URL}."
        step = f"{path} If it is right, use the deployment's id, since names cannot be looked up."
    return Check("control_plane", "warning", "list_missing", what, step)


def _not_the_api(error: AlayaError) -> Check:
    facts = () if error.http_status is None else (Fact("http_status", f"{error.http_status}"),)
    what = f"the answer is not from Alaya's API: {what_happened(error)}"
    return Check("control_plane", "failed", "not_the_api", what, _WRONG_HOST, facts)
