"""Tokens as engines count them. Pure."""

from typing import Any, Final, cast

from alaya_mcp.results import Usage

_DIGITS: Final = 15
_TOTALS: Final = ("prompt_tokens", "completion_tokens", "total_tokens")


def usage_in(value: Any) -> Usage | None:  # noqa: ANN401 any JSON value may come
    """The counts in an answer's `usage`, None where there are none.

    Details are where OpenAI has them, or flat as SGLang (`reasoning_tokens`) and DeepSeek (`prompt_cache_hit_tokens`)
    have them.
    """
    fields = _object(value)
    counts = {name: _count(fields.get(name)) for name in _TOTALS}
    if all(count is None for count in counts.values()):
        return None
    cached = _count(_object(fields.get("prompt_tokens_details")).get("cached_tokens"))
    thought = _count(_object(fields.get("completion_tokens_details")).get("reasoning_tokens"))
    return Usage(
        **counts,
        cached_tokens=_count(fields.get("prompt_cache_hit_tokens")) if cached is None else cached,
        reasoning_tokens=_count(fields.get("reasoning_tokens")) if thought is None else thought,
    )


def is_empty(value: Any) -> bool:  # noqa: ANN401 any JSON value may come
    """Whether a `usage` counts nothing, as some gateways end a stream with."""
    return not any(_object(value).get(name) for name in _TOTALS)


def _object(value: Any) -> dict[str, Any]:  # noqa: ANN401 any JSON value may come
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _count(value: Any) -> int | None:  # noqa: ANN401 any JSON value may come
    """A number of tokens: some gateways send floats or text."""
    if isinstance(value, str):
        head, _, zeros = value.strip().partition(".")
        is_whole = head.isascii() and head.isdigit() and len(head) <= _DIGITS and not zeros.strip("0")
        return int(head) if is_whole else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if 0 <= value < 10**_DIGITS and value == int(value) else None
