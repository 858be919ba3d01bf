"""Cancellations of calls whose results were on their way: the host waits no more, and never learns of `read_on`."""

from collections import OrderedDict
from typing import Any, Final

import mcp_types as types

_MOST: Final = 256


class Handed:
    """The replies that the last results of a connection point to, by the id of their request."""

    def __init__(self) -> None:
        self._uris: OrderedDict[str, tuple[str, ...]] = OrderedDict()

    def note(self, request_id: types.RequestId | None, result: types.CallToolResult) -> None:
        """Record each `read_on` of a result that is about to be sent: a comparison has one in each of its answers."""
        content: dict[str, Any] = result.structured_content or {}
        parts: list[dict[str, Any]] = [content, *content.get("answers", [])]
        uris = tuple(part["read_on"] for part in parts if "read_on" in part)
        if request_id is None or not uris:
            return
        self._uris[str(request_id)] = uris
        if len(self._uris) > _MOST:
            self._uris.popitem(last=False)

    def take(self, request_id: types.RequestId | None) -> tuple[str, ...]:
        """Return each `read_on` of the result for a request, once."""
        return self._uris.pop(str(request_id), ())
