"""What can go wrong, as facts: a cause, and what it is about. Sentences are made by those who show them.

What happened is said by `error_sentences`; what to do about it by `serving.error_steps`, `terminal.error_steps` and the
doctor, each for its own reader.
"""

from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar, get_args

from alaya_mcp import error_causes as of
from alaya_mcp.error_causes import LOADING, MAY_HAVE_BEGUN, Cause, Distrust, Plane, SettingProblem


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting that cannot be used.

    Attributes:
        source: The variable that holds it, or the entry of a profile.
        problem: What is wrong with it.
        variable: The environment variable of this server that sets it, whatever holds it now.
        detail: What it must be, as the end of a sentence about it; empty where the problem says all.
    """

    source: str
    problem: SettingProblem
    variable: str
    detail: str = ""


@dataclass(eq=False)
class AlayaError(Exception):
    """A failure that the caller can act on. No field holds a secret; upstream's words are redacted before.

    Attributes:
        cause: What exactly went wrong.
        plane: Which plane it is about, where it is about one.
        http_status: The HTTP status behind it, where there was one.
        retry_after: Seconds that upstream asked to wait.
        candidates: Valid values to choose from, nearest first.
        words: What upstream said, fit to be quoted.
        service_id: The deployment's id, or what the caller called it.
        name: The deployment's display name.
        alias: The alias that the caller gave, where it stands for `service_id`.
        default: The default deployment, where the caller named none and it is meant.
        model: The model's name as it was asked for.
        is_chosen: Whether that was chosen here, since none was asked for.
        source: The variable, the setting or the entry that it is about.
        file: The file's path.
        detail: Why, as the end of a sentence: a library's words, or the value that was refused.
        known: What there is to choose from, where that is no `candidates`; or what is shown, one entry each.
        count: How many there are in all, where `known` or `candidates` are the first of them.
        near: What was probably meant.
        settings: What is wrong with each setting.
        seconds: The budget, the silence or the wait.
        asked: How much was asked for, with its unit.
        limit: The most that there can be, with its unit.
        ready: Instances that are ready and hold the adapter.
        instances: Instances that there are, or that are ready.
        proxy: What names the proxy that the request went through.
        distrust: Why TLS failed.
        is_page: Whether a page of HTML came.
        because: The error that led to this one.
        is_cut_short: Whether it would have been retried, had the caller's deadline left the time.
        is_chat: Whether a chat was sent.
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
    is_page: bool = False
    because: "AlayaError | None" = None
    is_cut_short: bool = False
    is_chat: bool = False

    @property
    def retryable(self) -> bool:
        """Whether the same call can succeed later without a change."""
        return self.retryable_by_default or self.passes_once_loaded

    @property
    def may_have_begun(self) -> bool:
        """Whether an engine may be generating all the same, so that trying again may cost twice."""
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
    """The deployment answers to no such model name."""

    code = "model_not_served"
    causes = get_args(of.ModelCause)


class ContextTooLong(AlayaError):
    """Prompt, history and max_tokens do not fit the model's context."""

    code = "context_too_long"
    causes = get_args(of.ContextCause)


class RequestRejected(AlayaError):
    """Upstream refused what was asked (400, 413, 422, or code -1 under HTTP 200)."""

    code = "request_rejected"
    causes = get_args(of.RequestCause)


class RateLimited(AlayaError):
    """HTTP 429, after the resends that the deadline allowed."""

    code = "rate_limited"
    causes = get_args(of.RateCause)
    retryable_by_default = True


class UpstreamTimeout(AlayaError):
    """Nothing was received within the deadline or the idle limit, or upstream said 408 or 504."""

    code = "upstream_timeout"
    causes = get_args(of.TimeoutCause)
    retryable_by_default = True


class UpstreamUnavailable(AlayaError):
    """Upstream could not be reached, broke off before an answer, or said 500, 502 or 503."""

    code = "upstream_unavailable"
    causes = get_args(of.UnavailableCause)
    retryable_by_default = True


class UnexpectedResponse(AlayaError):
    """Upstream answered something that is not its API: HTML, a redirect, a body over the cap."""

    code = "unexpected_response"
    causes = get_args(of.UnexpectedCause)


class InternalError(AlayaError):
    """A bug here; its insides stay in the log."""

    code = "internal_error"
    causes = get_args(of.BugCause)
