"""Faults of lists: what the control plane's list of deployments, or an engine's of its models, has wrong."""

from collections.abc import Callable
from dataclasses import replace

from starlette.responses import Response

from alaya_mcp.sandbox.exchange import envelope
from alaya_mcp.sandbox.faults.fault import Fault, Fields, Page

_SMALL_PAGE = 10
_HALF_WAY = 2
_NEVER_SHOWN = 100
_JUNK = (None, "junk", {"name": "no id"})
_NO_CARDS = ({"id": 7}, {"name": ["x"]})
# Ollama's list of its own API, which some gateways pass on as it is; assumed.
_OLLAMA = {"models": [{"name": "qwen3-8b", "model": "qwen3-8b"}]}
_FORBIDDEN = envelope(-1, "this key pair may not list deployments", 403)


def _list(name: str, summary: str, page: Callable[[Page], Fields | Response | None]) -> Fault:
    return Fault(name, summary, page=page)


def _half_way(page: Page, rows: list[Fields] | None) -> Fields:
    return page.data(rows=rows) if page.number == _HALF_WAY else page.data()


def _growing(page: Page) -> Fields:
    new = [f"sandbox-new-{number}" for number in range(page.before, -1, -1)]
    rows: list[Fields] = [{**row, "serviceId": service_id} for row in page.rows[:1] for service_id in new]
    return replace(page, rows=rows + page.rows).data()


def _repeated_id(page: Page) -> Fields:
    return page.data(rows=[*page.shown, *({**row, "name": "another"} for row in page.shown[:1])])


# Two lines an entry: name and summary, then its handlers.
# fmt: off
LISTS = (
    _list("list-int-count", "the list says its count as a number", lambda page: page.data(count=len(page.rows))),
    _list("list-no-count", "the list does not say its count", lambda page: {"rows": page.shown}),
    _list("list-page-count", "the list says the rows of the page as its count",
        lambda page: page.data(count=str(len(page.shown)))),
    _list("list-high-count", "the list counts 100 rows that never come",
        lambda page: page.data(count=str(len(page.rows) + _NEVER_SHOWN))),
    _list("list-small-pages", "the list has at most 10 rows a page, whatever size was asked for",
        lambda page: replace(page, size=min(page.size, _SMALL_PAGE)).data()),
    _list("list-large-pages", "the list has all rows on every page", lambda page: page.data(rows=page.rows)),
    _list("list-empty-page", "the second page of the list is empty", lambda page: _half_way(page, [])),
    _list("list-null-page", "the second page of the list says null where its rows would be",
        lambda page: _half_way(page, None)),
    _list("list-growing", "each time a page of the list is asked for, one more deployment stands in front", _growing),
    _list("list-junk-rows", "each page of the list ends with rows that are no deployments",
        lambda page: page.data(rows=[*page.shown, *_JUNK])),
    _list("list-repeated-id", "each page of the list ends with the id of its first row, under another name",
        _repeated_id),
    _list("list-same-page", "the list is always at its first page", lambda page: replace(page, number=1).data()),
    _list("list-null-rows", "the list says null where its data would be", lambda _: None),
    _list("list-wrong-shape", "the list has an object where its rows would be", lambda page: page.data(rows={})),
    _list("list-forbidden", "403 for the list alone", lambda _: _FORBIDDEN),
)
# fmt: on


def _models(name: str, summary: str, models: Callable[[list[object]], object]) -> Fault:
    return Fault(name, summary, models=models)


def _cards(*cards: object) -> Fields:
    return {"object": "list", "data": list(cards)}


# fmt: off
MODELS = (
    _models("models-junk", "/v1/models lists words, numbers and null", lambda _: _cards("qwen3-8b", None, *_NO_CARDS)),
    _models("models-empty", "/v1/models lists nothing", lambda _: _cards()),
    _models("models-part", "/v1/models lists the first model, then what cannot be read",
        lambda cards: _cards(*cards[:1], "support-zh", 7)),
    _models("models-bare", "/v1/models is the list itself, in no object", lambda cards: cards),
    _models("models-ollama", "/v1/models has Ollama's shape", lambda _: _OLLAMA),
)
# fmt: on
