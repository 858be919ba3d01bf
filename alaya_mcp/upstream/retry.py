"""Whether and when a failed exchange is sent again.

The rule is in docs/errors.md: a chat that may be generating is never sent twice.
"""

import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final, TypeVar

from alaya_mcp.clock import Clock
from alaya_mcp.deadline import Deadline
from alaya_mcp.upstream.error_codes import Meaning, meaning_in_body, weighed
from alaya_mcp.upstream.error_text import is_about_model, message_in_body
from alaya_mcp.upstream.failures import NOTHING_WAS_SENT, Failure

if TYPE_CHECKING:
    from tenacity import AsyncRetrying, RetryCallState

_T = TypeVar("_T")

TRIES: Final = 4
"""Sends of one request at most, the first included."""

_SHORTEST_SECONDS: Final = 0.05
_FIRST_SECONDS: Final = 0.25
_LONGEST_SECONDS: Final = 4.0
_CLOCK: Final = Clock()

_READ_AGAIN_STATUS: Final = frozenset({408, 429, 500, 502, 503, 504})
_CHAT_AGAIN_STATUS: Final = frozenset({429, 503})
_NOT_BEGUN: Final = frozenset[Meaning | None]({None, "rate", "overloaded"})
_PASSES: Final = _NOT_BEGUN | {"timeout"}
"""Transient meanings of an error body, whatever the status; an exhausted quota is not one."""
_SECONDS: Final = re.compile(r"[0-9]{1,20}(?:\.[0-9]{0,9})?")
"""Some gateways send fractions, which the RFC does not allow."""
_BAD_REQUEST: Final = 400
_NOT_FOUND: Final = 404


def read_may_be_resent(failure: BaseException) -> bool:
    """Return whether a control-plane read is sent again: it changes nothing, so after any transient failure."""
    return isinstance(failure, Failure) and (
        failure.kind in NOTHING_WAS_SENT
        or failure.kind == "reset"
        or (failure.status in _READ_AGAIN_STATUS and _meaning(failure) in _PASSES)
    )


def chat_may_be_resent(failure: BaseException) -> bool:
    """Return whether a chat is sent again: only if no engine can have started it."""
    return isinstance(failure, Failure) and (
        failure.kind in NOTHING_WAS_SENT
        or (
            failure.status in _CHAT_AGAIN_STATUS
            and _meaning(failure) in _NOT_BEGUN  # after a time-out the engine may still be generating
        )
    )


def _meaning(failure: Failure) -> Meaning | None:
    return weighed(meaning_in_body(failure.body), failure.status)


def partial_adapter_chat_may_be_resent(failure: BaseException) -> bool:
    """Return `chat_may_be_resent`, or whether the instance lacks the adapter: another may hold it.

    vLLM says so with a 404 (recorded exchanges), SGLang with a 400 that names the adapter (its source).
    """
    if not isinstance(failure, Failure) or chat_may_be_resent(failure):
        return chat_may_be_resent(failure)
    return failure.status == _NOT_FOUND or (
        failure.status == _BAD_REQUEST and is_about_model(message_in_body(failure.body), _BAD_REQUEST)
    )


def retry_after_seconds(header: str | None, now: datetime) -> float | None:
    """Return the seconds in a Retry-After header (RFC 9110, 10.2.3: seconds or a date), None if it is invalid."""
    if header is None:
        return None
    text = header.strip()
    if _SECONDS.fullmatch(text):
        return float(text)
    try:
        at = parsedate_to_datetime(text)
        return max(0.0, (at.replace(tzinfo=at.tzinfo or UTC) - now).total_seconds())
    except (ValueError, OverflowError):
        return None


def backoff_seconds(tries: int, chance: float) -> float:
    """Return the seconds before the next try if upstream names none: exponential backoff with full jitter.

    Args:
        tries: Made so far.
        chance: From 0 to 1.
    """
    return max(_SHORTEST_SECONDS, min(_LONGEST_SECONDS, _FIRST_SECONDS * 2 ** (tries - 1)) * chance)


async def resending(
    send: Callable[[], Awaitable[_T]],
    may_be_resent: Callable[[BaseException], bool],
    deadline: Deadline,
    tell: Callable[[Failure, float], None] | None = None,
    clock: Clock = _CLOCK,
) -> _T:
    """Return the result of `send`, called again as `may_be_resent` allows.

    When the wait does not fit the deadline, the last failure is raised. `tell` is called with each failure and the
    seconds until the next try.
    """
    try:
        return await send()
    except Failure as failure:
        if not may_be_resent(failure):
            raise
        first = [failure]

    async def first_failure_or_send() -> _T:
        if first:
            raise first.pop()
        return await send()

    return await _policy(may_be_resent, deadline, tell, clock)(first_failure_or_send)


def _policy(
    may_be_resent: Callable[[BaseException], bool],
    deadline: Deadline,
    tell: Callable[[Failure, float], None] | None,
    clock: Clock,
) -> "AsyncRetrying":
    from tenacity import AsyncRetrying, retry_if_exception  # noqa: PLC0415 seldom needed

    def wait(state: "RetryCallState") -> float:
        failure = _failure(state)
        header = failure.retry_after_header if isinstance(failure, Failure) else None
        asked = retry_after_seconds(header, clock.date())
        return backoff_seconds(state.attempt_number, clock.chance()) if asked is None else asked

    def stop(state: "RetryCallState") -> bool:
        if state.attempt_number >= TRIES:
            return True
        is_cut_short = state.upcoming_sleep >= deadline.remaining()
        if is_cut_short and isinstance(failure := _failure(state), Failure):
            failure.is_cut_short = True
        return is_cut_short

    def before_sleep(state: "RetryCallState") -> None:
        if tell and isinstance(failure := _failure(state), Failure):
            tell(failure, state.upcoming_sleep)

    return AsyncRetrying(
        retry=retry_if_exception(may_be_resent),
        wait=wait,
        stop=stop,
        sleep=clock.sleep,
        before_sleep=before_sleep,
        reraise=True,
    )


def _failure(state: "RetryCallState") -> BaseException | None:
    return state.outcome.exception() if state.outcome else None
