"""What the answer to a request for the list tells of the control plane and of the key pair. Pure."""

from dataclasses import dataclass
from typing import Final

from alaya_mcp.config.settings import DEFAULT_BASE_URL, Settings
from alaya_mcp.deployment.wire import EnvelopeFailure, Page, WrongShape
from alaya_mcp.doctor.causes import cause_of, is_page
from alaya_mcp.doctor.check import Check, Fact
from alaya_mcp.doctor.connection import distrusted
from alaya_mcp.doctor.network import distrust_in
from alaya_mcp.errors import AlayaError
from alaya_mcp.origins import Origin
from alaya_mcp.upstream.failures import Failure, Kind

_UNAUTHORISED, _FORBIDDEN, _NOT_FOUND, _TOO_MANY, _SERVER_ERROR = 401, 403, 404, 429, 500

_UNREACHED: Final[dict[Kind, str]] = {
    "refused": "the connection was refused, or no host answers there",
    "connect_timeout": "no connection came about in time",
    "reset": "the connection was closed before an answer",
    "dns": "the host name could not be resolved",
}
_WRONG_HOST: Final = (
    f"Check ALAYA_BASE_URL; the default is {DEFAULT_BASE_URL}. If it is right, a portal, firewall or proxy answers in "
    "its place: open it in a browser to see which."
)


_LIST_DENIED: Final = Check(
    "key",
    "warning",
    "list_denied",
    "not rejected, but it may not ask for the list of deployments (HTTP 403)",
    "Name deployments by their ids, since names cannot be looked up; or have its account allowed to see the list.",
)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the request for the list brought.

    Attributes:
        control_plane: Whether the control plane answered.
        key: Whether it took the key pair; None where only asking for a deployment can tell.
        doubt: Why it is not known yet, as a check that holds if nothing else tells.
    """

    control_plane: Check
    key: Check | None = None
    doubt: Check | None = None


def judged(outcome: Page | AlayaError, settings: Settings) -> Answer:
    """What a page, or the error in its place, tells."""
    origin = settings.control_plane
    there = Check("control_plane", "ok", "reachable", f"{origin.host}:{origin.port} answers as Alaya's API does")
    if isinstance(outcome, Page):
        count = "" if outcome.total is None else f"; the account has {_deployments(outcome.total)}"
        return Answer(there, Check("key", "ok", "key_accepted", f"accepted{count}"))
    match cause_of(outcome):
        case Failure(status=None) as failure:
            return Answer(_unanswered(failure, outcome, origin))
        case Failure(status=int(status)) as failure if not is_page(failure) or status >= _SERVER_ERROR:
            return _by_status(status, outcome, there, settings)
        case EnvelopeFailure():
            return Answer(there, doubt=_refused(outcome))
        case Failure() | WrongShape():
            return Answer(_not_the_api(outcome))
        case None:
            return Answer(_silent(outcome))


def _by_status(status: int, error: AlayaError, there: Check, settings: Settings) -> Answer:
    if status == _UNAUTHORISED:
        return Answer(there, rejected(settings))
    if status == _FORBIDDEN:
        return Answer(there, doubt=_LIST_DENIED)
    if status == _TOO_MANY:
        step = "Wait, then ask again; fewer calls at a time help where it comes back."
        return Answer(Check("control_plane", "failed", "rate_limited", error.message, step))
    if status >= _SERVER_ERROR:
        step = "Ask again later. If it stays so, ask the provider's support."
        return Answer(Check("control_plane", "failed", "control_plane_failing", error.message, step))
    if status == _NOT_FOUND:
        return Answer(_no_list(settings))
    if status < 400:  # noqa: PLR2004 where HTTP's errors begin
        return Answer(_not_the_api(error))
    return Answer(there, doubt=_refused(error))


def rejected(settings: Settings) -> Check:
    """The control plane does not know the key pair."""
    step = (
        "Copy both halves of the Open API Key from the Alaya NeW console there again; the fingerprints above tell "
        "whether they are the ones you mean. A key of another account or environment needs its own ALAYA_BASE_URL."
    )
    return Check("key", "failed", "key_rejected", f"the pair in {settings.key_pair} was rejected (HTTP 401)", step)


def denied(settings: Settings) -> Check:
    """The control plane knows the key pair and lets it do nothing."""
    step = "Check in the Alaya NeW console that the key's account may use serverless inference and this deployment."
    return Check("key", "failed", "key_denied", f"the pair in {settings.key_pair} may not do this (HTTP 403)", step)


def _refused(error: AlayaError) -> Check:
    """Something about the list, or about the key pair: only upstream's words tell."""
    step = "What upstream said tells why. Name the deployment by its id meanwhile, since names cannot be looked up."
    return Check("key", "warning", "list_refused", f"not rejected, but: {error.message}", step)


def _unanswered(failure: Failure, error: AlayaError, origin: Origin) -> Check:
    if failure.kind == "tls":
        return distrusted("control_plane", "tls_failed", origin, distrust_in(failure.__context__) or "other")
    if failure.kind == "dns" and not failure.proxy:
        step = "Check the spelling of ALAYA_BASE_URL and this machine's network, VPN and DNS."
        return Check("control_plane", "failed", "dns_failed", error.message, step)
    if failure.kind == "proxy":
        step = "The proxy is there but does not let this through: check its user name, password and rules."
        return Check("control_plane", "failed", "proxy_refused", "the proxy refused the connection", step)
    if failure.kind == "timeout":
        return _silent(error)
    if what := _UNREACHED.get(failure.kind):
        return _unreachable(f"{origin.host}:{origin.port}: {what}")
    return _not_the_api(error)


def _no_list(settings: Settings) -> Check:
    """The list alone may be missing: a deployment that is asked for tells."""
    origin = settings.control_plane
    what = f"{origin.host}:{origin.port} answers, but there is no list of deployments (HTTP 404)"
    step = "Name the deployment by its id, since names cannot be looked up."
    if settings.base_url != DEFAULT_BASE_URL:
        step = f"Check the path in ALAYA_BASE_URL; the default is {DEFAULT_BASE_URL}. If it is right: {step}"
    return Check("control_plane", "warning", "list_missing", what, step)


def _silent(error: AlayaError) -> Check:
    step = (
        "It is reached and says nothing: ask again later. A firewall or proxy that holds answers back looks the same."
    )
    return Check("control_plane", "failed", "no_answer", error.message, step)


def _unreachable(what: str) -> Check:
    step = (
        "Check the host and the port in ALAYA_BASE_URL, and whether a firewall or VPN stands in between. "
        "Where the network can only be left through a proxy, set HTTPS_PROXY."
    )
    return Check("control_plane", "failed", "unreachable", what, step)


def _not_the_api(error: AlayaError) -> Check:
    facts = () if error.http_status is None else (Fact("http_status", f"{error.http_status}"),)
    what = f"something answers there that is not Alaya's API: {error.message}"
    return Check("control_plane", "failed", "not_the_api", what, _WRONG_HOST, facts)


def _deployments(number: int) -> str:
    return f"{number} deployment{'' if number == 1 else 's'}"
