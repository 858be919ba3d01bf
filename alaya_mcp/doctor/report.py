"""Checks as text for a person, and as JSON for a program."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from alaya_mcp import __version__
from alaya_mcp.doctor.check import TITLES, Check, Level, unchecked, worst

_MARKS: Final[dict[Level, tuple[str, str]]] = {
    "ok": ("✓", "green"),
    "skipped": ("-", "dim"),
    "warning": ("!", "yellow"),
    "failed": ("✗", "bold red"),
}
_WIDTH: Final = max(map(len, TITLES.values()))
_INDENT: Final = 3


def show_check(console: Console, check: Check) -> None:
    """Print a check: one line, its details, and what to do."""
    mark, style = _MARKS[check.level]
    head = Text.assemble((mark, style), " ", (f"{check.title:<{_WIDTH}}", "bold"))
    _print(console, head, Text(check.found, style="dim" if check.level == "skipped" else ""))
    facts = check.facts if check.id == "configuration" or check.verdict == "no_deployment_named" else ()
    width = max((len(fact.name) for fact in facts), default=0)
    for fact in facts:
        source = f"  ({fact.source})" if fact.source else ""
        _print(console, Text(" " * _INDENT), Text(f"{fact.name:<{width}}  {fact.value}{source}", style="dim"))
    if check.next_step:
        _print(console, Text.assemble(" " * (_INDENT - 1), ("→", style)), Text(check.next_step))


def verdict(checks: Sequence[Check]) -> str:
    """Return the result of all checks, with what could not be checked."""
    failed = sum(check.level == "failed" for check in checks)
    warnings = sum(check.level == "warning" for check in checks)
    counted = [f"{failed} failed"] * bool(failed) + [f"{warnings} warning{'s' * (warnings > 1)}"] * bool(warnings)
    if counted:
        return f"{', '.join(counted)}."
    left = unchecked(checks)
    return f"No problem found. Not checked: {', '.join(left)}." if left else "All is well."


def show_end(console: Console, checks: Sequence[Check]) -> None:
    """Print the result of all checks."""
    console.print()
    console.print(Text(verdict(checks), style=_MARKS[worst(checks)][1]), soft_wrap=not console.is_terminal)


def as_json(checks: Sequence[Check]) -> str:
    """Return one JSON object, in ASCII, which every pipe can carry."""
    return json.dumps(
        {"version": __version__, "checks": [_fields(check) for check in checks], "worst": worst(checks)}, indent=2
    )


def _fields(check: Check) -> dict[str, Any]:
    facts = [{name: part for name, part in asdict(fact).items() if part or name != "source"} for fact in check.facts]
    return {"id": check.id, "title": check.title, **asdict(check), "facts": facts}


def _print(console: Console, head: Text, body: Text) -> None:
    """Print two columns: on a terminal the second one wraps within itself, in a pipe lines stay whole."""
    if not console.is_terminal:
        console.print(Text.assemble(head, " ", body), soft_wrap=True)
        return
    grid = Table.grid(padding=(0, 1))
    grid.add_column(no_wrap=True, width=len(head))
    grid.add_column(overflow="fold")
    grid.add_row(head, body)
    console.print(grid)
