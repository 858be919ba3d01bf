"""A scripted control plane with any number of deployments, whose list is as odd as a test wants it."""

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.upstream import Exchange, Request, Upstream


def uuid(number: int) -> str:
    """An id of the documented shape."""
    return f"38fbfc3d-6a88-4c35-b8b6-{number:012x}"


def row(number: int, name: str | None = None, status: str = "running", **fields: object) -> dict[str, Any]:
    """One deployment, as the list tells it."""
    return {
        "serviceId": uuid(number),
        "name": name if name is not None else f"name-{number}",
        "status": status,
        "apikey": f"planted-apikey-{number}",
        "serviceUrl": "https://engine.invalid/serve?token=planted-token",
        "servedName": f"model-{number}",
        "modelId": "Qwen/Qwen3-8B",
        "vksId": "vks-1",
        "namespace": "ns",
        "type": "base",
        **fields,
    }


class Registry:
    """Answers the control plane from rows.

    Attributes:
        rows: Deployments in the list's order; a detail is its row, with `detail` over it.
        count: What `count` says; the number of rows that match where it is `...`, missing where it is None.
        filters_by: How the API's `name` filter matches.
        largest: Most rows of a page, whatever is asked for.
        alter: Changes a page by what was asked for, before it is sent.
        turn: Which page is sent in place of one.
        pages: The pages that were asked for, in order.
    """

    def __init__(self, upstream: Upstream, *rows: dict[str, Any], filters_by: str = "part", **detail: object) -> None:
        self.rows = list(rows)
        self.count: object = ...
        self.filters_by = filters_by
        self.largest = 100
        self.alter: Callable[[dict[str, str], dict[str, Any]], dict[str, Any]] = lambda _, page: page
        self.turn: Callable[[int], int] = lambda page: page
        self.pages: list[dict[str, str]] = []
        self.details = 0
        self._detail = {"serviceUrl": f"{upstream.url}/serve", "instance": [{"baseModelReady": True}], **detail}
        upstream.control = self.answer

    async def answer(self, request: Request, exchange: Exchange) -> None:
        """Answer one request."""
        parts = urlsplit(request.path)
        last = parts.path.rpartition("/")[2]
        if last == "list":
            query = {key: values[0] for key, values in parse_qs(parts.query, keep_blank_values=True).items()}
            self.pages.append(query)
            await exchange.answer_json(200, {"code": "0", "data": self._page(query), "msg": ""})
            return
        self.details += 1
        found = next((row for row in self.rows if row.get("serviceId") == last), None)
        if found is None:
            await exchange.answer_json(404, {"code": -1, "msg": "deployment does not exist"})
        else:
            await exchange.answer_json(200, {"code": 0, "data": {**found, **self._detail}})

    def _page(self, query: dict[str, str]) -> dict[str, Any]:
        rows = [row for row in self.rows if self._matches(row, query.get("name"))]
        size = min(int(query["size"]), self.largest)
        start = (self.turn(int(query["page"])) - 1) * size
        count = {"count": len(rows) if self.count is ... else self.count} if self.count is not None else {}
        return self.alter(query, {**count, "rows": rows[start : start + size]})

    def _matches(self, row: dict[str, Any], name: str | None) -> bool:
        if name is None or self.filters_by == "nothing":
            return True
        return row.get("name") == name if self.filters_by == "equality" else name in str(row.get("name"))
