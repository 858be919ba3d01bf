"""The summary of a comparison as tables, a row a model: three, or more where the terminal is narrow."""

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from alaya_mcp.comparison.summary import ModelSummary, Spread
from alaya_mcp.terminal.screen import without_controls

_HEAD: Final = "model"
_WIDEST_NAME: Final = 24
_NARROWEST_NAME: Final = 12
_GAP: Final = 2
_NONE: Final = "-"

Column = tuple[str, Callable[[ModelSummary], str]]


def tables(models: Sequence[ModelSummary], width: int) -> Iterator[Table]:
    """Yield what came of it, how fast, and, where it can be told, how good it is, each in tables that fit a width."""
    came: list[Column] = [
        ("answers", lambda one: str(one.answers)),
        ("failed", lambda one: str(sum(one.failures.values()))),
        ("cut", lambda one: str(one.truncated)),
        ("length p50", lambda one: _NONE if one.characters is None else f"{one.characters.p50:.0f}"),
        ("tokens in", lambda one: str(one.prompt_tokens)),
        ("tokens out", lambda one: str(one.completion_tokens)),
    ]
    fast: list[Column] = [
        ("first token p50 / p95", lambda one: _seconds(one.first_token_seconds)),
        ("total p50 / p95", lambda one: _seconds(one.total_seconds)),
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
    for columns in (came, fast, good):
        for fitting in _fitting(models, columns, width):
            yield _table(models, fitting)


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


def _fitting(models: Sequence[ModelSummary], columns: Sequence[Column], width: int) -> Iterator[list[Column]]:
    """Yield the columns, as many at once as fit beside the names."""
    names = max((cell_len(without_controls(one.model)) for one in models), default=0)
    room = width - min(max(names, len(_HEAD)), _NARROWEST_NAME)
    fitting: list[Column] = []
    left = room
    for name, value in columns:
        needed = _GAP + max(len(name), *(len(value(one)) for one in models))
        if fitting and needed > left:
            yield fitting
            fitting, left = [], room
        fitting.append((name, value))
        left -= needed
    if fitting:
        yield fitting


def _table(models: Sequence[ModelSummary], columns: Sequence[Column]) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1), collapse_padding=True, show_edge=False)
    table.add_column(_HEAD, overflow="fold", max_width=_WIDEST_NAME)
    for name, _ in columns:
        table.add_column(name, justify="right", no_wrap=True)
    for one in models:
        table.add_row(Text(without_controls(one.model)), *(value(one) for _, value in columns))
    return table


def _seconds(spread: Spread | None) -> str:
    return _NONE if spread is None else f"{spread.p50:.2f} / {spread.p95:.2f} s"


def _share(count: int, of: int) -> str:
    return f"{count} of {of}" if of else _NONE
