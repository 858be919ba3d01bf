"""Reports each message of a host to the observer: names from known sets, and how it ended."""

from typing import Any, Final, cast

import mcp_types as types
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.shared.exceptions import MCPError
from mcp_types.version import KNOWN_PROTOCOL_VERSIONS
from pydantic import ValidationError

from alaya_mcp.errors import InternalError
from alaya_mcp.observer import OTHER, Observer, Operation, OperationWatch
from alaya_mcp.serving.errors import ERROR_META_KEY

_METHODS: Final = frozenset(
    {
        "initialize",
        "ping",
        "server/discover",
        "tools/list",
        "tools/call",
        "resources/list",
        "resources/read",
        "resources/templates/list",
        "prompts/list",
        "prompts/get",
        "completion/complete",
        "notifications/initialized",
        "notifications/cancelled",
        "notifications/progress",
        "notifications/roots/list_changed",
    }
)
"""Of hosts; another is a caller's own words."""


class Observation:
    """Reports each message to an observer; middleware of the SDK's server.

    Args:
        observer: Follows it.
        tools: The names of all tools.
        prompts: The names of all prompts.
    """

    def __init__(self, observer: Observer, tools: frozenset[str], prompts: frozenset[str]) -> None:
        self._observer = observer
        self._tools = tools
        self._prompts = prompts

    async def __call__(self, ctx: ServerRequestContext[Any], call_next: CallNext) -> HandlerResult:
        """Pass a message on, and report how it ended."""
        with self._observer.operation(self._operation(ctx)) as watch:
            try:
                result = await call_next(ctx)
            except MCPError as error:
                watch.failed(_code_in(error.error.data) or str(error.error.code), error.error.code)
                raise
            except ValidationError:
                watch.failed(str(types.INVALID_PARAMS), types.INVALID_PARAMS)
                raise
            if ctx.method == "tools/call" and isinstance(result, dict):
                _report(watch, result)
            return result

    def _operation(self, context: ServerRequestContext[Any]) -> Operation:
        name, number = (context.params or {}).get("name"), context.request_id
        return Operation(
            method=context.method if context.method in _METHODS else OTHER,
            tool=_known(name, self._tools) if context.method == "tools/call" else None,
            prompt=_known(name, self._prompts) if context.method == "prompts/get" else None,
            version=context.protocol_version if context.protocol_version in KNOWN_PROTOCOL_VERSIONS else None,
            request_id=number if isinstance(number, int) else None,
            over_http=context.request is not None,
            meta=dict(context.meta) if context.meta else None,
        )


def _report(watch: OperationWatch, result: dict[str, Any]) -> None:
    """Report how a tool's call ended, by its result as it is sent."""
    if result.get("isError"):
        watch.failed(_code_in(result.get("_meta", {}).get(ERROR_META_KEY)) or InternalError.code)
    elif reason := result.get("structuredContent", {}).get("truncated_reason"):
        watch.truncated(reason)


def _known(name: object, names: frozenset[str]) -> str:
    return name if isinstance(name, str) and name in names else OTHER


def _code_in(detail: Any) -> str | None:  # noqa: ANN401 the data of a JSON-RPC error
    """Return our code in an error's detail."""
    return cast("dict[str, Any]", detail).get("code") if isinstance(detail, dict) else None
