"""Whether and when a failed exchange is sent again.

The rule is in docs/errors.md: a chat that may be generating is never sent twice.
"""

import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final, TypeVar

from alaya_mcp.clock import Clock
from alaya_mcp.deadline import Deadline
from alaya_mcp.upstream.error_codes import Meaning, meaning_in_body, weighed
from alaya_mcp.upstream.error_text import is_about_model, message_in_body
from alaya_mcp.upstream.failures import NOTHING_WAS_SENT, Failure

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


def read_may_be_resent(failure: Failure) -> bool:
    """Return whether a control-plane read is sent again: it changes nothing, so after any transient failure."""
    is_transient = failure.status in _READ_AGAIN_STATUS and _meaning(failure) in _PASSES
    return failure.kind in NOTHING_WAS_SENT or failure.kind == "reset" or is_transient


def chat_may_be_resent(failure: Failure) -> bool:
    """Return whether a chat is sent again: only if no engine can have started it."""
    # After a time-out the engine may still be generating.
    is_refused = failure.status in _CHAT_AGAIN_STATUS and _meaning(failure) in _NOT_BEGUN
    return failure.kind in NOTHING_WAS_SENT or is_refused


def _meaning(failure: Failure) -> Meaning | None:
    return weighed(meaning_in_body(failure.body), failure.status)


def partial_adapter_chat_may_be_resent(failure: Failure) -> bool:
    """Return `chat_may_be_resent`, or whether the instance lacks the adapter: another may hold it.

    vLLM says so with a 404 (recorded exchanges), SGLang with a 400 that names the adapter (its source).
    """
    is_about_adapter = failure.status == _NOT_FOUND or (
        failure.status == _BAD_REQUEST and is_about_model(message_in_body(failure.body), _BAD_REQUEST)
    )
    return is_about_adapter or chat_may_be_resent(failure)


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
    may_be_resent: Callable[[Failure], bool],
    deadline: Deadline,
    tell: Callable[[Failure, float], None] | None = None,
    clock: Clock = _CLOCK,
) -> _T:
    """Return the result of `send`, called again as `may_be_resent` allows.

    When the wait does not fit the deadline, the last failure is raised. `tell` is called with each failure and the
    seconds until the next try.
    """
    tries = 0
    while True:
        tries += 1
        try:
            return await send()
        except Failure as failure:
            if tries == TRIES or not may_be_resent(failure):
                raise
            asked = retry_after_seconds(failure.retry_after_header, clock.date())
            seconds = backoff_seconds(tries, clock.chance()) if asked is None else asked
            if seconds >= deadline.remaining():
                failure.is_cut_short = True
                raise
            if tell:
                tell(failure, seconds)
        await clock.sleep(seconds)
