"""What was measured of models under load, as a table and a chart for a person. Pure."""

from collections.abc import Sequence
from typing import Final

from rich.table import Table
from rich.text import Text

from alaya_mcp.comparison.load import LoadResult
from alaya_mcp.comparison.summary import Spread
from alaya_mcp.printable import printable

_BAR: Final = 40
"""Columns of the longest bar."""


def load_table(results: Sequence[LoadResult]) -> Table:
    """Return one row for each level and model."""
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    table.add_column("CHATS", justify="right")
    table.add_column("MODEL", overflow="fold")
    for title in ("FIRST TOKEN p50", "p95", "TOKENS/S EACH", "TOKENS/S ALL", "ANSWERS/S"):
        table.add_column(title, justify="right")
    table.add_column("FAILED", overflow="fold")
    before = 0
    for each in results:
        first = each.first_token_seconds
        table.add_row(
            "" if each.chats == before else str(each.chats),
            Text(printable(each.model)),
            _seconds(first and first.p50),
            _seconds(first and first.p95),
            _middle(each.tokens_per_second),
            "-" if each.throughput is None else f"{each.throughput:.0f}",
            f"{each.answers_per_second:.1f}",
            _failures(each),
        )
        before = each.chats
    return table


def load_chart(results: Sequence[LoadResult]) -> list[str]:
    """Return a bar for each level and model: the tokens a second of all chats together; none where none are known."""
    most = max((each.throughput or 0 for each in results), default=0)
    if not most:
        return []
    width = max(len(printable(each.model)) for each in results)
    lines = ["Tokens a second, all chats together:"]
    for each in results:
        bar = "█" * max(round(_BAR * (each.throughput or 0) / most), 1)
        lines.append(f"{each.chats:>4} {printable(each.model):<{width}}  {bar} {each.throughput or 0:.0f}")
    return lines


def _seconds(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds:.2f} s" if seconds >= 1 else f"{1000 * seconds:.0f} ms"


def _middle(spread: Spread | None) -> str:
    return "-" if spread is None else f"{spread.p50:.0f}"


def _failures(result: LoadResult) -> Text:
    if not result.failures:
        return Text("-", style="dim")
    counted = ", ".join(f"{count} {code}" for code, count in result.failures.items())
    return Text(counted, style="red")
