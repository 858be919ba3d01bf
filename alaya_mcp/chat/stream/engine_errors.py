"""Errors that engines and gateways put into their answers, in whatever shape. Pure."""

import re
from dataclasses import dataclass
from typing import Any, Final, cast

from alaya_mcp.deployment.wire import is_failure
from alaya_mcp.printable import encodable
from alaya_mcp.upstream.error_text import message_in

_ERROR_STATUS = re.compile(r"[45][0-9]{2}")
_ERROR_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_SUCCESS: Final = frozenset({0, 200, "0", "200"})
_DEPTH: Final = 8
"""Of what is looked into; nobody puts words deeper than that."""


@dataclass(eq=False)
class EngineError(Exception):
    """The engine reported an error in its answer.

    Attributes:
        status: The HTTP-like code inside it, where it has one.
        message: Its words.
        code: Its word for the kind of error, as `rate_limit_exceeded`, where it has one.
    """

    status: int | None = None
    message: str | None = None
    code: str | None = None


def engine_error(chunk: dict[str, Any]) -> EngineError | None:
    """The error in a chunk, in vLLM's, SGLang's or the envelope's shape; None where there is none."""
    error = chunk.get("error")
    flat = chunk.get("object") == "error"
    envelope = not chunk.get("choices") and (is_failure(chunk) or bool(chunk.get("error_code")))
    if not (flat or envelope) and _says_nothing(error):
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


def _says_nothing(error: Any, depth: int = _DEPTH) -> bool:  # noqa: ANN401 any JSON value may come
    """Whether an `error` beside an answer is none, as gateways fill it in: empty, or all empty inside."""
    if isinstance(error, dict):
        return depth > 0 and all(_says_nothing(value, depth - 1) for value in cast("dict[str, Any]", error).values())
    if isinstance(error, str):
        return error.strip().casefold() in {"", "0", "null", "none", "ok", "success", "false"}
    return not error
