"""What can go wrong, as types with fields; `serving.errors` renders them for hosts."""

import math
from typing import ClassVar, Literal, Self

Plane = Literal["control", "data"]
"""Which half of Alaya answered: the account's API, or one deployment's engine."""


class AlayaError(Exception):
    """A failure that the caller can read and act on.

    Attributes:
        code: Stable snake_case name, one per subclass.
        message: What happened, one or two sentences, free of secrets.
        next_step: What to do about it.
        retryable: Whether the same call can succeed later without a change.
        plane: Which plane refused, where one did.
        http_status: The HTTP status behind it, where there was one.
        retry_after: Seconds that upstream asked to wait.
        candidates: Valid values to choose from, nearest first.
        helps_once: When trying again helps, as a clause; None where nobody can say.
    """

    code: ClassVar[str] = "internal_error"
    retryable_by_default: ClassVar[bool] = False

    def __init__(
        self,
        message: str,
        *,
        next_step: str,
        retryable: bool | None = None,
        plane: Plane | None = None,
        http_status: int | None = None,
        retry_after: float | None = None,
        candidates: tuple[str, ...] = (),
        helps_once: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.next_step = next_step
        self.retryable = self.retryable_by_default if retryable is None else retryable
        self.plane: Plane | None = plane
        self.http_status = http_status
        self.retry_after = retry_after
        self.candidates = candidates
        self.helps_once = helps_once

    def saying(self, more: str, *, next_step: str = "") -> Self:
        """The same with more to say; the error itself may be raised for several callers, and stays as it is."""
        return type(self)(
            f"{self.message} {more}",
            next_step=" ".join(filter(None, (self.next_step, next_step))),
            retryable=self.retryable,
            plane=self.plane,
            http_status=self.http_status,
            retry_after=self.retry_after,
            candidates=self.candidates,
            helps_once=self.helps_once,
        )

    @property
    def again(self) -> str:
        """Whether trying again helps, as a sentence."""
        if not self.retryable:
            return "Trying again unchanged will not help."
        if self.helps_once:
            return f"Trying again helps once {self.helps_once}."
        if self.retry_after is None:
            return "Trying again can help."
        return f"Trying again after {math.ceil(self.retry_after)} s can help."


class NotConfigured(AlayaError):
    """Keys, base URL, proxy or another setting are missing or unusable."""

    code = "not_configured"


class InvalidArguments(AlayaError):
    """The call's arguments were refused before anything was sent."""

    code = "invalid_arguments"


class CredentialsRejected(AlayaError):
    """HTTP 401 from either plane."""

    code = "credentials_rejected"


class AccessDenied(AlayaError):
    """HTTP 403 from either plane."""

    code = "access_denied"


class DeploymentNotFound(AlayaError):
    """The control plane knows no such deployment."""

    code = "deployment_not_found"


class DeploymentNotReady(AlayaError):
    """The deployment exists but cannot answer now; retryable while it starts or loads its model."""

    code = "deployment_not_ready"


class ModelNotServed(AlayaError):
    """The deployment answers to no such model name."""

    code = "model_not_served"


class ContextTooLong(AlayaError):
    """Prompt, history and max_tokens do not fit the model's context."""

    code = "context_too_long"


class RequestRejected(AlayaError):
    """Upstream refused what was asked (400, 413, 422, or code -1 under HTTP 200)."""

    code = "request_rejected"


class RateLimited(AlayaError):
    """HTTP 429, after the resends that the deadline allowed."""

    code = "rate_limited"
    retryable_by_default = True


class UpstreamTimeout(AlayaError):
    """Nothing was received within the deadline or the idle limit, or upstream said 408 or 504."""

    code = "upstream_timeout"
    retryable_by_default = True


class UpstreamUnavailable(AlayaError):
    """Upstream could not be reached, broke off before an answer, or said 500, 502 or 503."""

    code = "upstream_unavailable"
    retryable_by_default = True


class UnexpectedResponse(AlayaError):
    """Upstream answered something that is not its API: HTML, a redirect, a body over the cap."""

    code = "unexpected_response"


class InternalError(AlayaError):
    """A bug here; its insides stay in the log."""

    code = "internal_error"
