"""Faults of lists: what the control plane's list of deployments, or an engine's of its models, has wrong."""

from dataclasses import replace

from alaya_mcp.sandbox.exchange import envelope
from alaya_mcp.sandbox.faults.fault import Fault, Fields, Page

_SMALL_PAGE = 10
_HALF_WAY = 2
_NEVER_SHOWN = 100
_JUNK = (None, "junk", {"name": "no id"})
_FORBIDDEN = envelope(-1, "this key pair may not list deployments", 403)


def _half_way(page: Page, rows: list[Fields] | None) -> Fields:
    return page.data(rows=rows) if page.number == _HALF_WAY else page.data()


def _growing(page: Page) -> Fields:
    new = [f"sandbox-new-{number}" for number in range(page.before, -1, -1)]
    rows: list[Fields] = [{**row, "serviceId": service_id} for row in page.rows[:1] for service_id in new]
    return replace(page, rows=rows + page.rows).data()


def _repeated_id(page: Page) -> Fields:
    return page.data(rows=[*page.shown, *({**row, "name": "another"} for row in page.shown[:1])])


def _models(*cards: object) -> Fields:
    return {"object": "list", "data": list(cards)}


LISTS = (
    Fault(
        "list-int-count",
        "the list says its count as a number",
        page=lambda page: page.data(count=len(page.rows)),
    ),
    Fault("list-no-count", "the list does not say its count", page=lambda page: {"rows": page.shown}),
    Fault(
        "list-page-count",
        "the list says the rows of the page as its count",
        page=lambda page: page.data(count=str(len(page.shown))),
    ),
    Fault(
        "list-high-count",
        "the list counts 100 rows that never come",
        page=lambda page: page.data(count=str(len(page.rows) + _NEVER_SHOWN)),
    ),
    Fault(
        "list-small-pages",
        "the list has at most 10 rows a page, whatever size was asked for",
        page=lambda page: replace(page, size=min(page.size, _SMALL_PAGE)).data(),
    ),
    Fault("list-large-pages", "the list has all rows on every page", page=lambda page: page.data(rows=page.rows)),
    Fault("list-empty-page", "the second page of the list is empty", page=lambda page: _half_way(page, [])),
    Fault(
        "list-null-page",
        "the second page of the list says null where its rows would be",
        page=lambda page: _half_way(page, None),
    ),
    Fault(
        "list-growing",
        "each time a page of the list is asked for, one more deployment stands in front",
        page=_growing,
    ),
    Fault(
        "list-junk-rows",
        "each page of the list ends with rows that are no deployments",
        page=lambda page: page.data(rows=[*page.shown, *_JUNK]),
    ),
    Fault(
        "list-repeated-id",
        "each page of the list ends with the id of its first row, under another name",
        page=_repeated_id,
    ),
    Fault(
        "list-same-page",
        "the list is always at its first page",
        page=lambda page: replace(page, number=1).data(),
    ),
    Fault("list-null-rows", "the list says null where its data would be", page=lambda _: None),
    Fault(
        "list-wrong-shape",
        "the list has an object where its rows would be",
        page=lambda page: page.data(rows={}),
    ),
    Fault("list-forbidden", "403 for the list alone", page=lambda _: _FORBIDDEN),
)

MODELS = (
    Fault(
        "models-junk",
        "/v1/models lists words, numbers and null",
        models=lambda _: _models("qwen3-8b", None, {"id": 7}, {"name": ["x"]}),
    ),
    Fault("models-empty", "/v1/models lists nothing", models=lambda _: _models()),
    Fault(
        "models-part",
        "/v1/models lists the first model, then what cannot be read",
        models=lambda cards: _models(*cards[:1], "support-zh", 7),
    ),
    Fault("models-bare", "/v1/models is the list itself, in no object", models=lambda cards: cards),
    # Ollama's list of its own API, which some gateways pass on as it is; assumed.
    Fault(
        "models-ollama",
        "/v1/models has Ollama's shape",
        models=lambda _: {"models": [{"name": "qwen3-8b", "model": "qwen3-8b"}]},
    ),
)
