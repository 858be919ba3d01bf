"""Errors as facts: a cause, and what it is about.

`error_sentences` says what happened; `serving.error_steps`, `terminal.error_steps` and the doctor say what to do about
it, each for its own reader.
"""

from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar, get_args

from alaya_mcp import error_causes as of
from alaya_mcp.error_causes import LOADING, MAY_HAVE_BEGUN, Cause, Distrust, Plane, SettingProblem


@dataclass(frozen=True, slots=True)
class Setting:
    """One unusable setting.

    Attributes:
        source: The variable that holds it, or the entry of a profile.
        problem: What is wrong with it.
        variable: The environment variable that sets it, even if a profile holds it now.
        detail: What it must be, to end a sentence about it; empty if the problem says all.
    """

    source: str
    problem: SettingProblem
    variable: str
    detail: str = ""


@dataclass(eq=False)
class AlayaError(Exception):
    """A failure that the caller can act on. No field holds a secret; upstream's words are redacted.

    Attributes:
        cause: The precise cause.
        plane: The plane it is about, if any.
        http_status: The HTTP status behind it, if any.
        retry_after: Seconds that upstream asked to wait.
        candidates: Valid values to choose from, nearest first.
        words: Upstream's message, fit to be quoted.
        service_id: The deployment's id, or the caller's name for it.
        name: The deployment's display name.
        alias: The caller's alias for `service_id`.
        default: The default deployment, if the caller named none.
        model: The requested name of the model.
        is_chosen: Whether the model was chosen here because none was requested.
        source: The variable, setting or entry it is about.
        file: The file's path.
        detail: Why, to end a sentence: a library's words, or the refused value.
        known: The values to show, one entry each.
        count: The total, if `known` or `candidates` are the first of it.
        near: What was probably meant.
        settings: The unusable settings.
        seconds: The budget, silence or wait.
        asked: The requested amount, with its unit.
        limit: The largest amount, with its unit.
        ready: Ready instances that hold the adapter.
        instances: All instances, or all ready ones.
        proxy: The variable that names the proxy in use.
        distrust: Why TLS failed.
        host: The host name that could not be resolved.
        is_page: Whether an HTML page arrived.
        because: The error that led to this one.
        is_cut_short: Whether only the caller's deadline prevented a retry.
        is_chat: Whether a chat was sent.
        is_guests: Whether the caller is a guest over HTTP, who cannot change this server's settings.
        is_compared: Whether it is of a comparison of models, whose argument is `models`.
        is_of_reply: Whether it was met by reading a reply on: reading again cannot help, asking anew can.
    """

    code: ClassVar[str] = "internal_error"
    causes: ClassVar[tuple[Any, ...]] = ()
    retryable_by_default: ClassVar[bool] = False

    cause: Cause
    _: KW_ONLY
    plane: Plane | None = None
    http_status: int | None = None
    retry_after: float | None = None
    candidates: tuple[str, ...] = ()
    words: str = ""
    service_id: str = ""
    name: str = ""
    alias: str = ""
    default: str = ""
    model: str = ""
    is_chosen: bool = False
    source: str = ""
    file: str = ""
    detail: str = ""
    known: tuple[str, ...] = ()
    count: int = 0
    near: str = ""
    settings: tuple[Setting, ...] = ()
    seconds: float = 0
    asked: str = ""
    limit: str = ""
    ready: int = 0
    instances: int = 0
    proxy: str = ""
    distrust: Distrust | None = None
    host: str = ""
    is_page: bool = False
    because: "AlayaError | None" = None
    is_cut_short: bool = False
    is_chat: bool = False
    is_compared: bool = False
    is_of_reply: bool = False
    is_guests: bool = False

    @property
    def lacks_key_pair(self) -> bool:
        """Whether neither half of a key pair is set anywhere, so that logging in is what helps."""
        halves = {setting.variable for setting in self.settings if setting.source == setting.variable}
        return self.cause == "key_missing" and halves >= {"ALAYA_ACCESS_KEY", "ALAYA_SECRET_KEY"}

    @property
    def retryable(self) -> bool:
        """Whether the same call can succeed later."""
        return not self.is_of_reply and (self.retryable_by_default or self.passes_once_loaded)

    @property
    def may_have_begun(self) -> bool:
        """Whether an engine may have begun to generate, so that trying again may cost twice."""
        return self.is_chat and self.cause in MAY_HAVE_BEGUN

    @property
    def passes_once_loaded(self) -> bool:
        """Whether trying again helps once the deployment's model is loaded."""
        return self.cause in LOADING


class NotConfigured(AlayaError):
    """Keys, base URL, proxy or another setting are missing or unusable."""

    code = "not_configured"
    causes = get_args(of.ConfigurationCause)


class InvalidArguments(AlayaError):
    """The call's arguments were refused before anything was sent."""

    code = "invalid_arguments"
    causes = (*get_args(of.ArgumentCause), *get_args(of.ReferenceCause))


class CredentialsRejected(AlayaError):
    """HTTP 401 from either plane."""

    code = "credentials_rejected"
    causes = get_args(of.CredentialsCause)


class AccessDenied(AlayaError):
    """HTTP 403 from either plane."""

    code = "access_denied"
    causes = get_args(of.AccessCause)


class DeploymentNotFound(AlayaError):
    """The control plane knows no such deployment."""

    code = "deployment_not_found"
    causes = get_args(of.NotFoundCause)


class DeploymentNotReady(AlayaError):
    """The deployment exists but cannot answer now; retryable while it starts or loads its model."""

    code = "deployment_not_ready"
    causes = get_args(of.NotReadyCause)


class ModelNotServed(AlayaError):
    """The deployment does not serve that model name."""

    code = "model_not_served"
    causes = get_args(of.ModelCause)


class ContextTooLong(AlayaError):
    """Prompt, history and max_tokens do not fit the model's context."""

    code = "context_too_long"
    causes = get_args(of.ContextCause)


class RequestRejected(AlayaError):
    """Upstream refused the request (400, 413, 422, or code -1 with HTTP 200)."""

    code = "request_rejected"
    causes = get_args(of.RequestCause)


class RateLimited(AlayaError):
    """HTTP 429, after the retries that the deadline allowed."""

    code = "rate_limited"
    causes = get_args(of.RateCause)
    retryable_by_default = True


class UpstreamTimeout(AlayaError):
    """Nothing arrived within the deadline or the idle limit, or upstream answered 408 or 504."""

    code = "upstream_timeout"
    causes = get_args(of.TimeoutCause)
    retryable_by_default = True


class UpstreamUnavailable(AlayaError):
    """Upstream could not be reached, closed the connection before an answer, or answered 500, 502 or 503."""

    code = "upstream_unavailable"
    causes = get_args(of.UnavailableCause)
    retryable_by_default = True


class UnexpectedResponse(AlayaError):
    """Upstream's answer is not its API's: HTML, a redirect, a body over the cap."""

    code = "unexpected_response"
    causes = get_args(of.UnexpectedCause)


class InternalError(AlayaError):
    """A bug in this program; details are in the log only."""

    code = "internal_error"
    causes = get_args(of.BugCause)
