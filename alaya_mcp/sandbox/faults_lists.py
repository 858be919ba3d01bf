"""Faults of lists: what the control plane's list of deployments, or an engine's of its models, has wrong. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

Row: TypeAlias = Mapping[str, object]

_SMALL_PAGE = 10
_JUNK: tuple[object, ...] = (None, "junk", {"name": "no id"})
_HALF_WAY = 2


@dataclass(frozen=True, slots=True)
class Ask:
    """What is asked for: a page of so many rows, the first being page 1, and how often there was one before."""

    page: int
    size: int
    before: int


_Change: TypeAlias = Callable[[int, list[Row], int], dict[str, object]]

_CHANGES: Mapping[str, _Change] = {
    "list-int-count": lambda _, __, total: {"count": total},
    "list-page-count": lambda _, shown, __: {"count": str(len(shown))},
    "list-high-count": lambda _, __, total: {"count": str(total + 100)},
    "list-empty-page": lambda page, shown, _: {"rows": [] if page == _HALF_WAY else shown},
    "list-null-page": lambda page, shown, _: {"rows": None if page == _HALF_WAY else shown},
    "list-junk-rows": lambda _, shown, __: {"rows": [*shown, *_JUNK]},
    "list-repeated-id": lambda _, shown, __: {"rows": [*shown, *({**row, "name": "another"} for row in shown[:1])]},
    "list-wrong-shape": lambda _, __, ___: {"rows": {}},
}
"""Each takes the number of the page, its rows and how many there are on all, and gives what is not as it should be."""


def list_page(fault: str, rows: list[Row], ask: Ask) -> dict[str, object]:
    """Give one page of the list as a fault wants it; any other name gives a good one, with its count as a string."""
    if fault == "list-growing" and rows:
        rows = [{**rows[0], "serviceId": f"sandbox-new-{new}"} for new in range(ask.before, -1, -1)] + rows
    page = 1 if fault == "list-same-page" else ask.page
    size = min(ask.size, _SMALL_PAGE) if fault == "list-small-pages" else ask.size
    shown = rows if fault == "list-large-pages" else rows[(page - 1) * size : page * size]
    data: dict[str, object] = {"rows": shown} if fault == "list-no-count" else {"count": str(len(rows)), "rows": shown}
    change = _CHANGES.get(fault)
    return data | change(page, shown, len(rows)) if change else data


MODEL_LISTS: Mapping[str, Callable[[list[object]], object]] = {
    "models-junk": lambda _: {"object": "list", "data": ["qwen3-8b", None, {"id": 7}, {"name": ["x"]}]},
    "models-empty": lambda _: {"object": "list", "data": []},
    "models-part": lambda cards: {"object": "list", "data": [*cards[:1], "support-zh", 7]},
    "models-bare": lambda cards: cards,
    # Ollama's list of its own API, which some gateways pass on as it is; assumed.
    "models-ollama": lambda _: {"models": [{"name": "qwen3-8b", "model": "qwen3-8b"}]},
}
"""Each takes the cards of a good list and gives the body in its place."""
