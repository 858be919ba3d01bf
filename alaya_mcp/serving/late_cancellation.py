"""Cancellations of calls whose results were on their way: the host waits no more, and never learns of `read_on`."""

from collections import OrderedDict
from typing import Any, Final

import mcp_types as types

_MOST: Final = 256


class Handed:
    """The replies that the last results of a connection point to, by the id of their request."""

    def __init__(self) -> None:
        self._uris: OrderedDict[str, str] = OrderedDict()

    def note(self, request_id: types.RequestId | None, result: types.CallToolResult) -> None:
        """Record the `read_on` of a result that is about to be sent."""
        content: dict[str, Any] = result.structured_content or {}
        uri = content.get("read_on")
        if request_id is None or not isinstance(uri, str):
            return
        self._uris[str(request_id)] = uri
        if len(self._uris) > _MOST:
            self._uris.popitem(last=False)

    def take(self, request_id: types.RequestId | None) -> str | None:
        """Return the `read_on` of the result for a request, once."""
        return self._uris.pop(str(request_id), None)
