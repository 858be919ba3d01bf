"""What an access token may be used for, and which scope a request needs, from its body. Pure."""

import json
from collections.abc import Iterable
from typing import Any, Final, cast

from alaya_mcp.serving.server import TOOLS

READ: Final = "alaya:read"
CHAT: Final = "alaya:chat"
"""Includes `READ`."""
SCOPES: Final = (READ, CHAT)

_READING: Final = frozenset({"list_deployments", "get_deployment", "list_lora_models"})
_CHATTING: Final = frozenset(tool.name for tool in TOOLS) - _READING


def scopes_needed(body: bytes) -> tuple[str, ...]:
    """Return the scopes of a request; all of them for a body that is not one JSON object, or can be read in two ways.

    Headers that repeat the method and the tool's name do not count: only the body is carried out.
    """
    try:
        message = json.loads(body, object_pairs_hook=_object)
    except (ValueError, RecursionError):
        return SCOPES
    if not isinstance(message, dict):
        return SCOPES
    request = cast("dict[str, Any]", message)
    if request.get("method") != "tools/call":
        return (READ,)
    params = request.get("params")
    name = cast("dict[str, Any]", params).get("name") if isinstance(params, dict) else None
    return SCOPES if not isinstance(name, str) or name in _CHATTING else (READ,)


def allows(granted: Iterable[str], needed: Iterable[str]) -> bool:
    """Return whether a token's scopes are enough."""
    held = set(granted)
    return CHAT in held or held.issuperset(needed)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(found := dict(pairs)) < len(pairs):
        raise ValueError("a name is given twice, and readers differ in which of the values they take")
    return found
