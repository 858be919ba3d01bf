"""Fields of an answer as engines and gateways send them: finish reason, token counts, errors. Pure.

They have their own values besides OpenAI's (public documentation of each, SGLang's source).
"""

import re
from dataclasses import dataclass
from typing import Any, Final, cast

from alaya_mcp.deployment.wire import is_failure
from alaya_mcp.printable import encodable, printable
from alaya_mcp.results import TruncatedReason, Usage
from alaya_mcp.upstream.error_text import message_in

_NONE: Final = frozenset({"", "null", "none", "undefined"})
"""Strings that gateways send for null."""

_CUT_BY: Final[dict[str, TruncatedReason]] = {
    "length": "max_tokens",
    "max_tokens": "max_tokens",
    "model_length": "max_tokens",  # Mistral: the end of the context
    "max_output_tokens": "max_tokens",  # OpenAI's Responses, through gateways
    "model_context_window_exceeded": "max_tokens",  # Anthropic
    "content_filter": "content_filter",
    "content_filtered": "content_filter",  # Bedrock
    "guardrail_intervened": "content_filter",  # Bedrock
    "refusal": "content_filter",  # Anthropic
    "content-filter": "content_filter",
    "sensitive": "content_filter",  # Zhipu
    "safety": "content_filter",  # Gemini, and the next three
    "recitation": "content_filter",
    "prohibited_content": "content_filter",
    "blocklist": "content_filter",
    "abort": "upstream_error",  # SGLang: a generation that was given up
    "error": "upstream_error",  # OpenRouter
    "network_error": "upstream_error",  # Zhipu
    "insufficient_system_resource": "upstream_error",  # DeepSeek
}


def finish_reason(value: Any) -> str | None:  # noqa: ANN401 any JSON value may come
    """Return the reason as sent, None if there is none."""
    word = printable(value) if isinstance(value, str) else ""
    return None if word.casefold() in _NONE else word


def cut_by(reason: str | None) -> TruncatedReason | None:
    """Return what truncated a reply with this finish reason; None for a complete reply."""
    return _CUT_BY.get(reason.casefold()) if reason else None


_DIGITS: Final = 15
_TOTALS: Final = ("prompt_tokens", "completion_tokens", "total_tokens")


def usage_in(value: Any) -> Usage | None:  # noqa: ANN401 any JSON value may come
    """Return the counts in an answer's `usage`, None if there are none.

    Details are nested as OpenAI's, or flat as SGLang's (`reasoning_tokens`) and DeepSeek's (`prompt_cache_hit_tokens`).
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
    """Return whether a `usage` counts nothing; some gateways end a stream with one."""
    return not any(_object(value).get(name) for name in _TOTALS)


def _object(value: Any) -> dict[str, Any]:  # noqa: ANN401 any JSON value may come
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _count(value: Any) -> int | None:  # noqa: ANN401 any JSON value may come
    """Return a token count: some gateways send floats or strings."""
    if isinstance(value, str):
        head, _, zeros = value.strip().partition(".")
        is_whole = head.isascii() and head.isdigit() and len(head) <= _DIGITS and not zeros.strip("0")
        return int(head) if is_whole else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if 0 <= value < 10**_DIGITS and value == int(value) else None


_ERROR_STATUS = re.compile(r"[45][0-9]{2}")
_ERROR_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_SUCCESS: Final = frozenset({0, 200, "0", "200"})
_DEPTH: Final = 8
"""Levels of nesting that are read."""


@dataclass(eq=False)
class EngineError(Exception):
    """The engine reported an error in its answer.

    Attributes:
        status: The HTTP-like code inside it, if any.
        message: Its message.
        code: Its error code such as `rate_limit_exceeded`, if any.
    """

    status: int | None = None
    message: str | None = None
    code: str | None = None


def engine_error(chunk: dict[str, Any]) -> EngineError | None:
    """Return the error in a chunk, in vLLM's, SGLang's or the envelope's shape; None if there is none."""
    error = chunk.get("error")
    flat = chunk.get("object") == "error"
    envelope = not chunk.get("choices") and (is_failure(chunk) or bool(chunk.get("error_code")))
    if not (flat or envelope) and _is_blank(error):
        return None
    inside = cast("dict[str, Any]", error) if isinstance(error, dict) else chunk
    code = next((inside[key] for key in ("code", "status_code", "error_code") if key in inside), None)
    if chunk.get("choices") and isinstance(code, int | str) and code in _SUCCESS:
        return None
    status = str(code)[:4] if isinstance(code, int | str) else ""
    word = error if isinstance(error, str) else inside.get("type")
    words_of_code = (str(each) for each in (code, word) if isinstance(each, int | str))
    return EngineError(
        int(status) if _ERROR_STATUS.fullmatch(status) else None,
        encodable(message_in(error) or message_in(inside) or "") or None,
        next((text for text in words_of_code if _ERROR_CODE.fullmatch(text)), None),
    )


def _is_blank(error: Any, depth: int = _DEPTH) -> bool:  # noqa: ANN401 any JSON value may come
    """Return whether an `error` is no error: empty, or all empty inside, as gateways fill it in."""
    if isinstance(error, dict):
        return depth > 0 and all(_is_blank(value, depth - 1) for value in cast("dict[str, Any]", error).values())
    if isinstance(error, str):
        return error.strip().casefold() in {"", "0", "null", "none", "ok", "success", "false"}
    return not error
