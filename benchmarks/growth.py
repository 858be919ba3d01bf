"""How cost grows: with chats at once, with the size of an answer, with the number of calls and of deployments.

    python -m benchmarks.growth [--calls 100000] [--json FILE] [--charts FOLDER]

One server process for each of the four; the fast upstream, so that what is seen is this server's.
"""

import argparse
import asyncio
import json
import sys
from functools import partial
from pathlib import Path
from statistics import median, quantiles
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

from benchmarks.chart import line_chart
from benchmarks.compare import load
from benchmarks.host import Server, started, upstream

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

_CHAT: Final = "chat_with_deployment"
_GET: Final = "get_deployment"
_LEVELS: Final = (1, 4, 16, 64, 128, 256)
_PACED: Final = "paced-50-20-4"
_PACED_SECONDS: Final = 1.0
"""What such a chat lasts where nothing is added: 50 tokens, 20 ms apart."""
_SIZES: Final = (1, 10, 100, 1_000, 10_000)
"""Kilobytes of one answer."""
_TOKEN: Final = 100
_DEPLOYMENTS: Final = 1_000
_SAMPLES: Final = 20
_AT_ONCE: Final = 16

Row = dict[str, float]


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def _chat(service_id: str) -> dict[str, Any]:
    return {"service_id": service_id, "prompt": "x"}


async def chats_at_once(server: Server) -> list[Row]:
    """Chats that a model paces, so many at a time: what is added to each, and the memory meanwhile."""
    rows: list[Row] = []
    await server.call(_CHAT, _chat(_PACED))
    for level in _LEVELS:
        _say(f"{level} chats at once")
        cpu = server.cpu_seconds()
        took = await load(server, _CHAT, 3 * level, level, _chat(_PACED))
        rows.append(
            {
                "chats at once": level,
                "added, median ms": (median(took) - _PACED_SECONDS) * 1e3,
                "added, 95th percentile ms": (quantiles(took, n=20)[-1] - _PACED_SECONDS) * 1e3,
                "CPU ms per chat": (server.cpu_seconds() - cpu) * 1e3 / (3 * level),
                "memory MB": server.megabytes(),
            }
        )
    return rows


async def answer_sizes(server: Server) -> list[Row]:
    """One answer as fast as it can be taken, of growing size."""
    rows: list[Row] = []
    await server.call(_CHAT, _chat("size-1-0-4"))
    for kilobytes in _SIZES:
        _say(f"an answer of {kilobytes} KB")
        service_id = f"size-{kilobytes * 1_000 // _TOKEN}-0-{_TOKEN}"
        took: list[float] = []
        for _ in range(3):
            began = perf_counter()
            await server.call(_CHAT, _chat(service_id))
            took.append(perf_counter() - began)
        rows.append({"answer KB": kilobytes, "median ms": median(took) * 1e3, "memory MB": server.megabytes()})
    return rows


async def many_calls(server: Server, calls: int) -> list[Row]:
    """Reads and chats in turn, 16 at a time: memory must stay flat."""
    rows: list[Row] = []
    share = calls // _SAMPLES
    for sample in range(_SAMPLES):
        began = perf_counter()
        tool, arguments = (_CHAT, _chat("many-5-0-4")) if sample % 2 else (_GET, {"service_id": "many-5-0-4"})
        took = await load(server, tool, share, _AT_ONCE, arguments)
        rows.append(
            {
                "calls": (sample + 1) * share,
                "memory MB": server.megabytes(),
                "median ms": median(took) * 1e3,
                "calls/s": share / (perf_counter() - began),
            }
        )
        _say(f"{(sample + 1) * share} calls, {server.megabytes():.1f} MB")
    return rows


async def many_deployments(server: Server) -> list[Row]:
    """A chat with each of many deployments: what is remembered of them, and whether finding it takes longer."""
    rows: list[Row] = []
    for hundred in range(_DEPLOYMENTS // 100):
        took: list[float] = []
        for number in range(100 * hundred, 100 * (hundred + 1)):
            service_id = f"n{number}-5-0-4"
            await server.call(_CHAT, _chat(service_id))
            began = perf_counter()
            await server.call(_CHAT, _chat(service_id))
            took.append(perf_counter() - began)
        rows.append(
            {
                "deployments": 100 * (hundred + 1),
                "known one, median ms": median(took) * 1e3,
                "memory MB": server.megabytes(),
            }
        )
    return rows


async def measure(calls: int) -> dict[str, list[Row]]:
    """All four, each on a process of its own."""
    figures: dict[str, list[Row]] = {}
    works: dict[str, Callable[[Server], Awaitable[list[Row]]]] = {
        "chats at once": chats_at_once,
        "answer size": answer_sizes,
        "calls": partial(many_calls, calls=calls),
        "deployments": many_deployments,
    }
    async with upstream() as environ:
        for name, work in works.items():
            enough = {**environ, "ALAYA_MAX_CONCURRENCY": str(_LEVELS[-1])}
            async with started([sys.executable, "-m", "alaya_mcp"], enough) as server:
                await server.initialize()
                figures[name] = await work(server)
                await server.leave()
    return figures


def _points(rows: list[Row], across: str, up: str) -> list[tuple[float, float]]:
    return [(row[across], row[up]) for row in rows]


def write_charts(figures: dict[str, list[Row]], folder: Path) -> None:
    """Latency against concurrency, and memory over many calls."""
    at_once, calls = figures["chats at once"], figures["calls"]
    added = {name: _points(at_once, "chats at once", f"added, {name} ms") for name in ("median", "95th percentile")}
    folder.mkdir(parents=True, exist_ok=True)
    latency = line_chart(
        "What this server adds to a chat of one second", "chats at once", "ms", added, logarithmic=True
    )
    (folder / "latency.svg").write_text(latency, encoding="utf-8")
    memory = line_chart("Memory over many calls", "calls", "MB", {"resident": _points(calls, "calls", "memory MB")})
    (folder / "memory.svg").write_text(memory, encoding="utf-8")


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=100_000)
    parser.add_argument("--json", type=Path, help="write the figures there")
    parser.add_argument("--charts", type=Path, help="write the charts into this folder")
    arguments = parser.parse_args()
    figures = asyncio.run(measure(arguments.calls))
    for name, rows in figures.items():
        sys.stdout.write(f"\n{name}\n| {' | '.join(rows[0])} |\n|{'---|' * len(rows[0])}\n")
        sys.stdout.writelines(f"| {' | '.join(f'{value:,.4g}' for value in row.values())} |\n" for row in rows)
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    if arguments.charts:
        write_charts(figures, arguments.charts)


if __name__ == "__main__":
    main()
