"""Ten thousand mixed chats on one connection: does anything leak?

One chat in five meets a fault of the sandbox, one in ten is cancelled in the middle of its answer; of the others a
third are begun in the background and collected, and a tenth are begun and never read. Afterwards the server must hold
no more tasks, connections and descriptors than before, and no more memory in use.
The room for replies is filled before the first measurement, since it is meant to be used.

    python -m benchmarks.soak [--chats 10000] [--at-once 32] [--json FILE]

The exit status is 0 where all of that holds.
"""

import argparse
import json
import random
import sys
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter
from typing import Any, Final

import anyio

from alaya_mcp.sandbox import FAULTS, Sandbox
from benchmarks.process import Server, server

_CHAT: Final = "chat_with_deployment"
_LARGE: Final = f"sandbox: repeat 200 {'x' * 300}"
_CANCELLED: Final = 0.1
"""Share of chats that are cancelled."""
_ABANDONED: Final = 7
"""Last digit of the chats that are begun and never read."""
_FILLING: Final = 600
"""Large replies before the first measurement."""
_CONNECTION_SECONDS: Final = 5.0
"""After which an idle connection is closed, at the next request."""
_SAMPLES: Final = 10
_FAULT_SECONDS: Final = 3
"""Budget of a chat that meets a fault: several of them never end by themselves."""
_ABANDON_SECONDS: Final = 2
_SCHEMA: Final = {"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"]}
_MAY_GROW: Final = 1.1
"""Memory in use after the soak, against before."""


@dataclass(frozen=True)
class Sample:
    """The server at one moment, with chats under way."""

    chats: int
    megabytes: float
    descriptors: int
    threads: int


@dataclass(frozen=True)
class Quiet:
    """The server with nothing under way; memory without what the allocator holds back."""

    megabytes: float
    descriptors: int
    tasks: int


class Soak:
    """One run.

    Args:
        one: The server.
        chats: How many.
        at_once: How many at a time.
        seed: Of what each chat is.
        faulty: Share of chats that meet a fault.
    """

    def __init__(self, one: Server, chats: int, at_once: int, seed: int, faulty: float) -> None:
        self._server = one
        self._faulty = faulty
        self._chats = chats
        self._at_once = at_once
        self._random = random.Random(seed)  # noqa: S311 what each chat is, no secret
        self._next_id = 1
        self.outcomes: Counter[str] = Counter()
        self.samples: list[Sample] = []

    async def run(self) -> None:
        """All chats."""
        async with anyio.create_task_group() as tasks:
            for _ in range(self._at_once):
                tasks.start_soon(self._some)

    async def _some(self) -> None:
        while self._next_id <= self._chats:
            number = self._next_id
            self._next_id += 1
            if number % (self._chats // _SAMPLES) == 0:
                one = self._server
                self.samples.append(Sample(number, one.megabytes(), one.descriptors(), one.threads()))
            await self._chat(number)

    async def _chat(self, number: int) -> None:
        kind = self._random.random()
        if kind < self._faulty:
            fault, _ = self._random.choice(FAULTS)
            arguments = {"service_id": f"fault-{fault}", "prompt": "x", "timeout_seconds": _FAULT_SECONDS}
            self.outcomes[f"faulty: {await self._outcome(number, arguments)}"] += 1
        elif kind < self._faulty + _CANCELLED:
            await self._cancelled(number)
            self.outcomes["cancelled"] += 1
        elif number % 10 == _ABANDONED:
            reason = await self._outcome(number, {"prompt": "sandbox: slow 60", "background": True})
            self.outcomes[f"abandoned: {reason}"] += 1
        elif number % 3 == 0:
            self.outcomes[f"collected: {await self._collected(number)}"] += 1
        else:
            self.outcomes[await self._outcome(number, self._plain(number))] += 1

    def _plain(self, number: int) -> dict[str, Any]:
        match number % 10:
            case 0:
                return {"prompt": 'sandbox: say {"ok": true}', "response_schema": _SCHEMA}
            case 1:
                return {"prompt": "hello", "model": "support-zh"}
            case 2:
                return {"prompt": "hello", "service_id": "sandbox-thinking"}
            case 3:
                return {"prompt": _LARGE}
            case _:
                return {"prompt": f"sandbox: repeat 20 w{number}"}

    async def _collected(self, number: int) -> str:
        """Begin a reply in the background, and read it to its end."""
        arguments = {**self._plain(number), "background": True}
        while True:
            result = await self._result(number, arguments)
            if result["isError"] or "read_on" not in result["structuredContent"]:
                return _outcome_in(result)
            arguments = {"read_on": result["structuredContent"]["read_on"]}

    async def _outcome(self, number: int, arguments: dict[str, Any]) -> str:
        return _outcome_in(await self._result(number, arguments))

    async def _result(self, number: int, arguments: dict[str, Any]) -> dict[str, Any]:
        params = {"name": _CHAT, "arguments": arguments, "_meta": {"progressToken": f"t{number}"}}
        return (await self._server.request(number, "tools/call", params))["result"]

    async def _cancelled(self, number: int) -> None:
        token = f"t{number}"
        event = self._server.first_notes[token] = anyio.Event()
        params = {
            "name": _CHAT,
            "arguments": {"prompt": "sandbox: repeat 30000 word"},
            "_meta": {"progressToken": token},
        }
        await self._server.send({"id": number, "method": "tools/call", "params": params})
        await event.wait()
        await self._server.send({"method": "notifications/cancelled", "params": {"requestId": number}})
        del self._server.first_notes[token]

    async def warm_up(self) -> None:
        """Load what is loaded once, and fill the room for large replies."""
        async with anyio.create_task_group() as tasks:
            for number in range(self._at_once):
                tasks.start_soon(self._outcome, -2 - _FILLING - number, self._plain(0))
        for number in range(_FILLING):
            await self._outcome(-2 - number, {"prompt": _LARGE})

    async def quiet(self) -> Quiet:
        """The server when nothing is under way any more and idle connections have gone."""
        one = self._server
        await anyio.sleep(_CONNECTION_SECONDS)
        await self._outcome(-1, {"prompt": "hello"})
        tasks = await one.tasks()
        return Quiet(one.megabytes(), one.descriptors(), tasks)


def _outcome_in(result: dict[str, Any]) -> str:
    if result["isError"]:
        return result["_meta"]["com.alayanew.mcp/error"]["code"]
    return result["structuredContent"].get("truncated_reason", "whole")


async def soak(chats: int, at_once: int, seed: int, faulty: float) -> dict[str, Any]:
    """Run it; the figures."""
    async with Sandbox(token_delay=0) as sandbox:
        environ = {
            "ALAYA_BASE_URL": sandbox.base_url,
            "ALAYA_ACCESS_KEY": sandbox.access_key,
            "ALAYA_SECRET_KEY": sandbox.secret_key,
            "ALAYA_SERVICE_ID": sandbox.default_service_id,
            "ALAYA_ABANDON_SECONDS": str(_ABANDON_SECONDS),
        }
        async with server([sys.executable, "-m", "benchmarks.observed_server"], environ) as one:
            run = Soak(one, chats, at_once, seed, faulty)
            await run.warm_up()
            before = await run.quiet()
            began = perf_counter()
            await run.run()
            seconds = perf_counter() - began
            await sandbox.stats.wait_for(lambda stats: stats.chats_active == 0)
            after = await run.quiet()
            stats = sandbox.stats.snapshot()
    return {
        "chats": chats,
        "at_once": at_once,
        "seconds": round(seconds, 1),
        "outcomes": dict(run.outcomes.most_common()),
        "samples": [asdict(sample) for sample in run.samples],
        "before": asdict(before),
        "after": asdict(after),
        "upstream": {
            name: stats[name] for name in ("chats_started", "chats_finished", "chats_aborted", "chats_active")
        },
    }


def leaks(figures: dict[str, Any]) -> list[str]:
    """What leaked, in words."""
    before, after = figures["before"], figures["after"]
    found = [
        f"{what}: {before[what]} before, {after[what]} after"
        for what in ("tasks", "descriptors")
        if after[what] > before[what]
    ]
    if figures["upstream"]["chats_active"]:
        found.append(f"{figures['upstream']['chats_active']} chats still run upstream")
    if after["megabytes"] > before["megabytes"] * _MAY_GROW:
        found.append(f"memory: {before['megabytes']:.0f} MB before, {after['megabytes']:.0f} MB after")
    return found


def main() -> int:
    """Run it and tell; 0 where nothing leaked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chats", type=int, default=10_000)
    parser.add_argument("--at-once", type=int, default=32)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--faulty", type=float, default=0.2, help="share of chats that meet a fault")
    parser.add_argument("--json", type=Path, help="also write the figures there")
    options = parser.parse_args()
    figures = anyio.run(soak, options.chats, options.at_once, options.seed, options.faulty)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    out = sys.stdout
    out.write(f"{figures['chats']} chats, {figures['at_once']} at once, {figures['seconds']} s\n\n")
    out.write("| chats | memory, MB | descriptors | threads |\n|---|---|---|---|\n")
    for sample in figures["samples"]:
        out.write(
            f"| {sample['chats']} | {sample['megabytes']:.1f} | {sample['descriptors']} | {sample['threads']} |\n"
        )
    out.write(
        f"\nidle before: {figures['before']}\nidle after:  {figures['after']}\nupstream: {figures['upstream']}\n\n"
    )
    for outcome, count in figures["outcomes"].items():
        out.write(f"{count:6}  {outcome}\n")
    found = leaks(figures)
    out.write(f"\n{'leaked: ' + '; '.join(found) if found else 'nothing leaked'}\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
