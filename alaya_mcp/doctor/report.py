"""A person's and a program's view of checks."""

import json
from collections.abc import Sequence
from typing import Any, Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from alaya_mcp import __version__
from alaya_mcp.doctor.check import OVER_THE_NETWORK, TITLES, Check, Level, worst

_MARKS: Final[dict[Level, tuple[str, str]]] = {
    "ok": ("✓", "green"),
    "skipped": ("-", "dim"),
    "warning": ("!", "yellow"),
    "failed": ("✗", "bold red"),
}
_WIDTH: Final = max(map(len, TITLES.values()))
_INDENT: Final = 3
_LISTS: Final = frozenset({"no_deployment_named"})
"""Verdicts whose facts are more than what was found says in words."""


def show_check(console: Console, check: Check) -> None:
    """Print one check: a line, its details, and what to do."""
    mark, style = _MARKS[check.level]
    head = Text.assemble((mark, style), " ", (f"{check.title:<{_WIDTH}}", "bold"))
    _print(console, head, Text(check.found, style="dim" if check.level == "skipped" else ""))
    facts = check.facts if check.id == "configuration" or check.verdict in _LISTS else ()
    width = max((len(fact.name) for fact in facts), default=0)
    for fact in facts:
        source = f"  ({fact.source})" if fact.source else ""
        _print(console, Text(" " * _INDENT), Text(f"{fact.name:<{width}}  {fact.value}{source}", style="dim"))
    if check.next_step:
        _print(console, Text.assemble(" " * (_INDENT - 1), ("→", style)), Text(check.next_step))


def show_end(console: Console, checks: Sequence[Check]) -> None:
    """Print what all of them amount to."""
    failed = sum(check.level == "failed" for check in checks)
    warnings = sum(check.level == "warning" for check in checks)
    counted = [f"{failed} failed"] * bool(failed) + [f"{warnings} warning{'s' * (warnings > 1)}"] * bool(warnings)
    is_chain = failed + warnings > 1 and any(
        check.level == "failed" and check.id in OVER_THE_NETWORK for check in checks
    )
    others = " The first of them is often the cause of the others." if is_chain else ""
    text = f"{', '.join(counted)}.{others}" if counted else "All is well."
    console.print()
    console.print(Text(text, style=_MARKS[worst(checks)][1]), soft_wrap=not console.is_terminal)


def as_json(checks: Sequence[Check]) -> str:
    """One JSON object, in ASCII, so that every pipe takes it."""
    return json.dumps(
        {"version": __version__, "checks": [_fields(check) for check in checks], "worst": worst(checks)}, indent=2
    )


def _fields(check: Check) -> dict[str, Any]:
    facts = [
        {"name": fact.name, "value": fact.value} | ({"source": fact.source} if fact.source else {})
        for fact in check.facts
    ]
    return {
        "id": check.id,
        "title": check.title,
        "level": check.level,
        "verdict": check.verdict,
        "found": check.found,
        "next_step": check.next_step,
        "facts": facts,
    }


def _print(console: Console, head: Text, body: Text) -> None:
    """Two columns: on a terminal the second one wraps within itself, in a pipe lines stay whole."""
    if not console.is_terminal:
        console.print(Text.assemble(head, " ", body), soft_wrap=True)
        return
    grid = Table.grid(padding=(0, 1))
    grid.add_column(no_wrap=True, width=len(head))
    grid.add_column(overflow="fold")
    grid.add_row(head, body)
    console.print(grid)
