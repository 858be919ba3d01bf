"""The summary of a comparison as tables, a row a model, which fit 80 columns."""

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from alaya_mcp.comparison.summary import ModelSummary, Spread
from alaya_mcp.terminal.screen import without_controls

_WIDEST_NAME: Final = 24
_NARROWEST: Final = 8
"""For up to 999.99 s, so that the same models have the same table each time."""
_NONE: Final = "-"

Column = tuple[str, Callable[[ModelSummary], str]]


def tables(models: Sequence[ModelSummary]) -> Iterator[Table]:
    """Yield what came of it, how fast, and, where it can be told, how good it is."""
    came: list[Column] = [
        ("answers", lambda one: str(one.answers)),
        ("failed", lambda one: str(sum(one.failures.values()))),
        ("cut", lambda one: str(one.truncated)),
        ("length p50", lambda one: _NONE if one.characters is None else f"{one.characters.p50:.0f}"),
        ("tokens in", lambda one: str(one.prompt_tokens)),
        ("tokens out", lambda one: str(one.completion_tokens)),
    ]
    fast: list[Column] = [
        ("first token p50", lambda one: _seconds(one.first_token_seconds, "p50")),
        ("p95", lambda one: _seconds(one.first_token_seconds, "p95")),
        ("total p50", lambda one: _seconds(one.total_seconds, "p50")),
        ("p95", lambda one: _seconds(one.total_seconds, "p95")),
        ("tokens/s", lambda one: _NONE if one.tokens_per_second is None else f"{one.tokens_per_second.p50:.1f}"),
    ]
    good: list[Column] = []
    if any(one.compared for one in models):
        good.append(("differs from base", lambda one: _share(one.differs, one.compared)))
    if any(one.expected for one in models):
        good.append(("exact", lambda one: _share(one.exact, one.expected)))
        good.append(("normalised", lambda one: _share(one.normalised, one.expected)))
    if any(one.checked for one in models):
        good.append(("follows schema", lambda one: _share(one.valid, one.checked)))
    yield _table(models, came)
    yield _table(models, fast, _NARROWEST)
    if good:
        yield _table(models, good)


def notes(models: Sequence[ModelSummary]) -> list[str]:
    """Return, of each model, why answers ended other than by themselves, why there is none, and the warnings."""
    lines: list[str] = []
    for one in models:
        ended = {f"finish {reason}": count for reason, count in one.finish_reasons.items() if reason != "stop"}
        if counted := ended | one.failures:
            said = ", ".join(f"{what} {count}" for what, count in counted.items())
            lines.append(without_controls(f"{one.model}: {said}"))
        lines += [without_controls(f"{one.model}: {count} x {warning}") for warning, count in one.warnings.items()]
    return lines


def _table(models: Sequence[ModelSummary], columns: Sequence[Column], narrowest: int = 1) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1), collapse_padding=True, show_edge=False)
    table.add_column("model", overflow="fold", max_width=_WIDEST_NAME)
    for name, _ in columns:
        table.add_column(name, justify="right", no_wrap=True, min_width=narrowest)
    for one in models:
        table.add_row(Text(without_controls(one.model)), *(value(one) for _, value in columns))
    return table


def _seconds(spread: Spread | None, which: str) -> str:
    return _NONE if spread is None else f"{getattr(spread, which):.2f} s"


def _share(count: int, of: int) -> str:
    return f"{count} of {of}" if of else _NONE
