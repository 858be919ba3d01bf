"""Render typed errors as tool results; the only place that catches broadly."""

import logging
import math
import re
import traceback
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

import mcp_types as types
from mcp.shared.exceptions import MCPError
from pydantic import ValidationError

from alaya_mcp.error_sentences import what_happened
from alaya_mcp.errors import AlayaError, InternalError, InvalidArguments
from alaya_mcp.printable import printable
from alaya_mcp.serving.error_steps import ARGUMENTS, argument_words, next_step
from alaya_mcp.suggestions import did_you_mean
from alaya_mcp.validation import why_refused

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

ERROR_META_KEY: Final = "com.alayanew.mcp/error"

_OPTION = re.compile(r"'([^']*)'")
_MEANT: Final = " (did you mean {}?)"
_LINES: Final = 10
"""Invalid arguments listed in one error."""

_C = TypeVar("_C")
_P = TypeVar("_P")
_R = TypeVar("_R")

_log = logging.getLogger(__name__)


def error_text(error: AlayaError, step: str | None = None) -> str:
    """Return what happened, whether trying again helps, and what to do: the only text that hosts show a model.

    Args:
        error: The error.
        step: What to do, where it is not about a tool's arguments.
    """
    return f"{error.code}: {told(error)} {_again(error)} {step or next_step(error)}"


def told(error: AlayaError) -> str:
    """Return what happened, as a sentence or two."""
    return argument_words(error) if error.cause in ARGUMENTS else what_happened(error)


def _again(error: AlayaError) -> str:
    """Return whether trying again helps, as a sentence."""
    if not error.retryable:
        return "Trying again unchanged will not help."
    if error.passes_once_loaded:
        return "Trying again helps once it is loaded."
    after = "" if error.retry_after is None else f" after {math.ceil(error.retry_after)} s"
    if error.may_have_begun:
        return f"Trying again{after} can help, but the engine may have begun to generate: it may cost twice."
    return f"Trying again{after} can help."


def error_result(error: AlayaError) -> types.CallToolResult:
    """Return an error as a tool result.

    There is no structured content: some clients refuse an error whose content does not match the output schema.
    """
    return types.CallToolResult(
        is_error=True,
        content=[types.TextContent(type="text", text=error_text(error))],
        _meta={ERROR_META_KEY: error_detail(error)},
    )


def error_detail(error: AlayaError) -> dict[str, Any]:
    """Return an error's fields for programs."""
    detail: dict[str, Any] = {
        "code": error.code,
        "retryable": error.retryable,
        "plane": error.plane,
        "http_status": error.http_status,
        "retry_after_seconds": None if error.retry_after is None else round(error.retry_after, 3),
        "candidates": list(error.candidates) or None,
    }
    return {key: value for key, value in detail.items() if value is not None}


def internal_error(tool: str, bug: Exception) -> InternalError:
    """Return the error for a bug and log its place and type: an exception's text may hold secrets."""
    for leaf in _leaves(bug):
        frames = traceback.extract_tb(leaf.__traceback__)
        trail = " < ".join(f"{frame.name}:{frame.lineno}" for frame in reversed(frames[-6:]))
        _log.error("%s failed with %s at %s", tool, type(leaf).__name__, trail)
    return InternalError("bug")


def guarded(handler: Callable[[_C, _P], Awaitable[_R]]) -> Callable[[_C, _P], Awaitable[_R]]:
    """Return a handler for which a bug costs one request, and is logged without the text of its exception."""

    async def handle(context: _C, params: _P) -> _R:
        try:
            return await handler(context, params)
        except MCPError:
            raise
        except Exception as bug:  # noqa: BLE001 as for tools
            text = error_text(internal_error(handler.__name__.lstrip("_"), bug))
            raise MCPError(code=types.INTERNAL_ERROR, message=text) from None

    return handle


def _leaves(bug: Exception) -> list[Exception]:
    if not isinstance(bug, ExceptionGroup):
        return [bug]
    return [leaf for inner in cast("ExceptionGroup[Exception]", bug).exceptions for leaf in _leaves(inner)]


def invalid_arguments(invalid: ValidationError, known: list[str]) -> InvalidArguments:
    """Return an error with one short line per argument, without values: they may be long, or secret."""
    errors = invalid.errors(include_url=False)
    lines = [_line(error, known) for error in errors[:_LINES]]
    more = f"; and {len(errors) - _LINES} more" if len(errors) > _LINES else ""
    is_misspelt = any(error["type"] == "extra_forbidden" and len(error["loc"]) == 1 for error in errors)
    return InvalidArguments(
        "arguments_unusable", detail=f"{'; '.join(lines)}{more}", known=tuple(known) if is_misspelt else ()
    )


def _line(error: "ErrorDetails", known: list[str]) -> str:
    where = ".".join(printable(str(part))[:64] for part in error["loc"])
    match error["type"]:
        case "extra_forbidden":
            own = known if len(error["loc"]) == 1 else []
            return f"{where}: no such argument{did_you_mean(str(error['loc'][-1]), own, _MEANT)}"
        case "literal_error":
            options = _OPTION.findall(error.get("ctx", {}).get("expected", ""))
            meant = did_you_mean(str(error["input"]), options, _MEANT)
            return f"{where}: must be one of {', '.join(options)}{meant}"
        case _:
            return f"{where}: {why_refused(error)}"
