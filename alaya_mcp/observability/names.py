"""The names of all attributes and metrics, in one place.

Those of MCP and of generative AI: open-telemetry/semantic-conventions-genai, docs/gen-ai/mcp.md, gen-ai-metrics.md and
gen-ai-spans.md; of HTTP: OpenTelemetry's semantic conventions, http-spans. Ours begin with `alaya_mcp.`.
"""

from typing import Final

from alaya_mcp.error_causes import Plane
from alaya_mcp.observer import OTHER

SCOPE: Final = "alaya_mcp"
SERVICE: Final = "alayanew-mcp"
PROVIDER: Final = "alayanew"

METHOD: Final = "mcp.method.name"
PROTOCOL_VERSION: Final = "mcp.protocol.version"
REQUEST_ID: Final = "jsonrpc.request.id"
RPC_CODE: Final = "rpc.response.status_code"
TRANSPORT: Final = "network.transport"
ERROR: Final = "error.type"
OPERATION: Final = "gen_ai.operation.name"
TOOL: Final = "gen_ai.tool.name"
PROMPT: Final = "gen_ai.prompt.name"
PROVIDER_NAME: Final = "gen_ai.provider.name"
MODEL: Final = "gen_ai.request.model"
FINISH_REASONS: Final = "gen_ai.response.finish_reasons"
INPUT_TOKENS: Final = "gen_ai.usage.input_tokens"
OUTPUT_TOKENS: Final = "gen_ai.usage.output_tokens"
TOKEN_TYPE: Final = "gen_ai.token.type"  # noqa: S105 a name
HTTP_METHOD: Final = "http.request.method"
HTTP_STATUS: Final = "http.response.status_code"
ROUTE: Final = "url.template"
ADDRESS: Final = "server.address"
PORT: Final = "server.port"
TRUNCATED: Final = "alaya_mcp.truncated_reason"
PLANE: Final = "alaya_mcp.plane"

_CALL_SECONDS: Final = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
_CHAT_SECONDS: Final = tuple(round(0.01 * 2**power, 2) for power in range(14))
_TOKENS: Final = tuple(float(4**power) for power in range(14))

HISTOGRAMS: Final = {
    "mcp.server.operation.duration": ("s", "Time to answer a message of a host", _CALL_SECONDS),
    "gen_ai.client.operation.duration": ("s", "Time from a chat's request to the end of its answer", _CHAT_SECONDS),
    "gen_ai.client.operation.time_to_first_chunk": (
        "s",
        "Time from a chat's request to its first piece",
        _CHAT_SECONDS,
    ),
    "gen_ai.client.operation.time_per_output_chunk": ("s", "Time between two pieces of an answer", _CHAT_SECONDS),
    "gen_ai.client.token.usage": ("{token}", "Tokens of a chat, as the engine counted them", _TOKENS),
}
"""Unit, description and bounds by name; the bounds are those that the conventions advise."""

LEVELS: Final = {
    "places": ("alaya_mcp.chats.places", "{chat}", "Chats that may run at the same time"),
    "running": ("alaya_mcp.chats.running", "{chat}", "Chats that run"),
    "queued": ("alaya_mcp.chats.queued", "{chat}", "Chats that wait for a place"),
    "generations": ("alaya_mcp.generations.running", "{generation}", "Replies that are being written"),
    "kept": ("alaya_mcp.replies.kept", "By", "Size of the replies that have ended and can be read on"),
    "accounts": ("alaya_mcp.accounts.open", "{account}", "Accounts that are open"),
}
"""Metric, unit and description by the name that `Observer.watch` takes."""

FINISHES: Final = frozenset({"stop", "length", "tool_calls", "function_call", "content_filter", "abort"})
"""The finish reasons that are known; another is an engine's own words."""


def route_of(plane: Plane, url: str) -> str:
    """Return the template of a request's path: without ids, queries and what comes before it at an engine."""
    path = url.partition("?")[0]
    if plane == "data":
        return "/v1/chat/completions" if path.endswith("/chat/completions") else "/v1/models"
    if path.endswith("/deployment/list"):
        return "/deployment/list"
    return "/deployment/{serviceId}" if "/deployment/" in path else OTHER  # an authorization server's
