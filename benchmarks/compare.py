"""This server beside naive ones on the same SDK, in one run: start, calls, streams, memory, exit.

    python -m benchmarks.compare [--repeats 5] [--json FILE]

The servers take turns, so that what else the machine does meets them all; each figure is the median over the repeats.
"""

import argparse
import asyncio
import json
import sys
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from benchmarks.host import Server, requests_since, started, upstream

OURS: Final = "this server"
_SERVERS: Final = {
    OURS: [sys.executable, "-m", "alaya_mcp"],
    "SDK, low level": [sys.executable, "-m", "benchmarks.naive", "lowlevel"],
    "SDK, framework": [sys.executable, "-m", "benchmarks.naive", "framework"],
}
_CALLS: Final = 400
_AT_ONCE: Final = (16, 64)
_TOKENS: Final = 2_000
_STREAMS: Final = 5
_PER: Final = 10_000
SERVICE: Final = "bench-20-0-4"
_STREAMED: Final = f"bench-{_TOKENS}-0-4"

Figures = dict[str, float]


async def _cold(server: Server, figures: Figures) -> None:
    await server.initialize()
    await server.request("tools/list", {})
    figures["spawn to tools/list, ms"] = (perf_counter() - server.started) * 1e3
    await server.call("get_deployment", {"service_id": SERVICE})
    figures["spawn to first call's answer, ms"] = (perf_counter() - server.started) * 1e3
    figures["memory after it, MB"] = server.megabytes()


async def load(server: Server, tool: str, total: int, at_once: int, arguments: dict[str, Any]) -> list[float]:
    """So many calls, so many at a time; the seconds that each took."""
    left = iter(range(total))
    took: list[float] = []

    async def some() -> None:
        for _ in left:
            began = perf_counter()
            await server.call(tool, arguments)
            took.append(perf_counter() - began)

    async with asyncio.TaskGroup() as tasks:
        for _ in range(at_once):
            tasks.create_task(some())
    return took


async def _calls(server: Server, environ: dict[str, str], figures: Figures) -> None:
    for tool, name, more in (
        ("get_deployment", "get", {}),
        ("chat_with_deployment", "chat of 20 tokens", {"prompt": "x"}),
    ):
        arguments = {"service_id": SERVICE, **more}
        await load(server, tool, 50, 1, arguments)
        await requests_since(environ)
        cpu = server.cpu_seconds()
        took = await load(server, tool, _CALLS, 1, arguments)
        figures[f"{name}, median ms"] = median(took) * 1e3
        figures[f"{name}, CPU ms"] = (server.cpu_seconds() - cpu) * 1e3 / _CALLS
        figures[f"{name}, upstream requests"] = sum((await requests_since(environ)).values()) / _CALLS
        for at_once in _AT_ONCE:
            began = perf_counter()
            await load(server, tool, _CALLS, at_once, arguments)
            figures[f"{name}, calls/s at {at_once}"] = _CALLS / (perf_counter() - began)


async def _streams(server: Server, figures: Figures) -> None:
    notes: list[float] = []

    def note(text: str) -> None:
        del text
        notes.append(perf_counter())

    async def stream() -> float:
        began = perf_counter()
        await server.call("chat_with_deployment", {"service_id": _STREAMED, "prompt": "x"}, note)
        return began

    await stream()
    notes.clear()
    cpu = server.cpu_seconds()
    firsts: list[float] = []
    for _ in range(_STREAMS):
        seen = len(notes)
        began = await stream()
        firsts.append(notes[seen] - began)
    scale = _PER / (_STREAMS * _TOKENS)
    figures["stream, CPU s per 10,000 tokens"] = (server.cpu_seconds() - cpu) * scale
    figures["stream, notes per 10,000 tokens"] = len(notes) * scale
    figures["stream, first note, ms"] = median(firsts) * 1e3


async def _one(command: list[str], environ: dict[str, str]) -> Figures:
    figures: Figures = {}
    async with started(command, environ) as server:
        await _cold(server, figures)
        figures["exit after stdin closes, ms"] = await server.leave() * 1e3
    async with started(command, environ) as server:
        await server.initialize()
        await _calls(server, environ, figures)
        await _streams(server, figures)
        figures["memory after all that, MB"] = server.megabytes()
        await server.leave()
    return figures


async def compare(repeats: int) -> dict[str, Figures]:
    """The medians of each server."""
    runs: dict[str, list[Figures]] = {name: [] for name in _SERVERS}
    async with upstream() as environ:
        for command in _SERVERS.values():  # what users see every day is not the first start
            async with started(command, environ) as server:
                await _cold(server, {})
                await server.leave()
        for repeat in range(repeats):
            for name, command in _SERVERS.items():
                sys.stderr.write(f"repeat {repeat + 1} of {repeats}: {name}\n")
                runs[name].append(await _one(command, environ))
    return {name: {key: median(run[key] for run in taken) for key in taken[0]} for name, taken in runs.items()}


def _shown(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"  # noqa: PLR2004 three digits are enough


def table(figures: dict[str, Figures]) -> Table:
    """The figures, and ours as a share of the low-level server's."""
    shown = Table("", *figures, "ratio to low level")
    ours, low = list(figures.values())[:2]
    for key in ours:
        shown.add_row(key, *(_shown(each[key]) for each in figures.values()), f"{ours[key] / low[key]:.2f}")
    return shown


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", type=Path, help="write the figures there")
    arguments = parser.parse_args()
    figures = asyncio.run(compare(arguments.repeats))
    Console(width=120).print(table(figures))
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
