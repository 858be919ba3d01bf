"""When a run stops early: no further question would be answered either. Pure."""

from typing import Final

from alaya_mcp.comparison.result import AnswerError

FEWEST: Final = 20
"""Failures in a row after which a run stops, or twice as many as are asked at once."""
_OF_ALL: Final = frozenset(
    {
        "not_configured",
        "invalid_arguments",
        "credentials_rejected",
        "access_denied",
        "deployment_not_found",
        "deployment_not_ready",
    }
)
"""Codes about the account or the whole deployment; unless trying again can help, the next question fails alike."""
_OF_MANY: Final = frozenset(
    {"rate_limited", "upstream_timeout", "upstream_unavailable", "unexpected_response", "deployment_not_ready"}
)
"""Codes about the network or the engine: a few failures may pass."""


class Failures:
    """Counts failures in a row.

    Args:
        concurrency: How many questions are asked at once.
    """

    def __init__(self, concurrency: int) -> None:
        self._most = max(FEWEST, 2 * concurrency)
        self._in_a_row = 0

    def answered(self) -> None:
        """Record an answer."""
        self._in_a_row = 0

    def are_enough(self, error: AnswerError | None) -> bool:
        """Record a failure, without an error an answer that was cut off; return whether the run stops.

        One that is about its question alone is not counted.
        """
        if error and error.code in _OF_ALL and not error.retryable:
            return True
        self._in_a_row += error is None or error.code in _OF_MANY
        return self._in_a_row >= self._most
