"""The one place where typed errors become what a host shows; nothing else catches broadly."""

import logging
import re
import traceback
from typing import Any, Final, cast

import mcp_types as types
from pydantic import ValidationError

from alaya_mcp.errors import AlayaError, InternalError, InvalidArguments
from alaya_mcp.printable import printable
from alaya_mcp.suggestions import did_you_mean

ERROR_META_KEY: Final = "com.alayanew.mcp/error"

_OPTION = re.compile(r"'([^']*)'")
_MEANT: Final = " (did you mean {}?)"
_LINES: Final = 10
"""Wrong arguments that one error names."""

_log = logging.getLogger(__name__)


def error_text(error: AlayaError) -> str:
    """What happened, whether trying again helps, what to do: hosts show a model nothing but this."""
    return f"{error.code}: {error.message} {error.again} {error.next_step}"


def error_result(error: AlayaError) -> types.CallToolResult:
    """An error as a tool result.

    There is no structured content: some clients refuse an error whose content does not match the output schema.
    """
    return types.CallToolResult(
        is_error=True,
        content=[types.TextContent(type="text", text=error_text(error))],
        _meta={ERROR_META_KEY: error_detail(error)},
    )


def error_detail(error: AlayaError) -> dict[str, Any]:
    """What programs can read of an error."""
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
    """The error for a bug, logged by place and type: an exception's own text can hold anything."""
    for leaf in _leaves(bug):
        frames = traceback.extract_tb(leaf.__traceback__)
        trail = " < ".join(f"{frame.name}:{frame.lineno}" for frame in reversed(frames[-6:]))
        _log.error("%s failed with %s at %s", tool, type(leaf).__name__, trail)
    return InternalError(
        "This server failed at this call; it is a bug in the server, not in the arguments.",
        next_step="Report it with the server's stderr log, which says where it happened.",
    )


def _leaves(bug: Exception) -> list[Exception]:
    if not isinstance(bug, ExceptionGroup):
        return [bug]
    return [leaf for inner in cast("ExceptionGroup[Exception]", bug).exceptions for leaf in _leaves(inner)]


def invalid_arguments(invalid: ValidationError, known: list[str]) -> InvalidArguments:
    """One short line for each argument, without the values: they may be long, or secret."""
    lines: list[str] = []
    next_step = "Correct this and call again."
    for error in invalid.errors(include_url=False):
        where = ".".join(printable(str(part))[:64] for part in error["loc"])
        match error["type"]:
            case "extra_forbidden":
                own = known if len(error["loc"]) == 1 else []
                lines.append(f"{where}: no such argument{did_you_mean(str(error['loc'][-1]), own, _MEANT)}")
                if len(error["loc"]) == 1:
                    next_step = f"Correct this and call again. The arguments are: {', '.join(known)}."
            case "missing":
                lines.append(f"{where}: is required")
            case "literal_error":
                options = _OPTION.findall(error.get("ctx", {}).get("expected", ""))
                meant = did_you_mean(str(error["input"]), options, _MEANT)
                lines.append(f"{where}: must be one of {', '.join(options)}{meant}")
            case "too_long":
                lines.append(f"{where}: at most {error.get('ctx', {}).get('max_length')} entries")
            case _:
                lines.append(f"{where}: {error['msg'].removeprefix('Value error, ')}")
    more = f"; and {len(lines) - _LINES} more" if len(lines) > _LINES else ""
    return InvalidArguments(f"{'; '.join(lines[:_LINES])}{more}.", next_step=next_step)
