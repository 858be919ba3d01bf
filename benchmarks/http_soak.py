"""The HTTP server under many callers: idle connections, streams at once, and calls that are cut at any moment.

    python -m benchmarks.http_soak [--calls 10000]

Prints memory, descriptors and connections to the engine after each step. The exit status is 0 where, at the end, no
connection to an engine and no descriptor is left that was not there before.
"""

import argparse
import asyncio
import json
import os
import random
import re
import signal
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from time import perf_counter
from typing import Final

from benchmarks.host import upstream

_ACCOUNTS: Final = 64
_IDLE: Final = 1_000
_STREAMS: Final = 256
_AT_ONCE: Final = 64
_CUT_SECONDS: Final = 0.02
"""A call that is cut is cut within this time."""
_SETTLED_SECONDS: Final = 6.0
"""After this, idle connections to engines are closed at the next request."""

_MAY_STAY: Final = 40
"""Connections to the control plane that are kept for the next call, 32 at most, and some of the last calls'."""


class Caller:
    """One connection to the server, with the key pair of an account."""

    def __init__(self, port: int, account: int) -> None:
        self._port = port
        self._account = account

    async def open(self) -> None:
        """Connect."""
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port, limit=2**22)

    def send(self, tool: str, **arguments: object) -> None:
        """Send a call."""
        params = {"name": tool, "arguments": arguments, "_meta": {"progressToken": 1}}
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}).encode()
        head = [
            "POST /mcp HTTP/1.1",
            "Host: 127.0.0.1",
            "Content-Type: application/json",
            f"Content-Length: {len(body)}",
            "Accept: application/json, text/event-stream",
            f"X-Alaya-Access-Key: access-{self._account}",
            f"X-Alaya-Secret-Key: secret-{self._account}",
        ]
        self._writer.write("\r\n".join([*head, "", ""]).encode() + body)

    async def result(self) -> bytes:
        """Return the last event of the answer."""
        await self._reader.readuntil(b"\r\n\r\n")
        last = b""
        while size := int(await self._reader.readline(), 16):
            chunk = await self._reader.readexactly(size + 2)
            last = chunk if b'"result"' in chunk else last
        await self._reader.readline()
        return last

    def cut(self) -> None:
        """Close the connection at once."""
        self._writer.transport.abort()


@asynccontextmanager
async def server(environ: dict[str, str]) -> AsyncGenerator[tuple[int, int]]:
    """Yield the process id and port of a server in the mode `keys`."""
    command = ["http", "--port", "0", "--mode", "keys", "--allow-engine-host", "127.0.0.1"]
    environ = {**environ, "ALAYA_MAX_CONCURRENCY": "1024"}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "alaya_mcp", *command, env=environ, stderr=PIPE
    )
    try:
        said = await process.stderr.readline() if process.stderr else b""
        match = re.search(rb":(\d+)/mcp", said)
        if match is None:
            raise RuntimeError(said.decode())
        yield process.pid, int(match[1])
    finally:
        process.send_signal(signal.SIGTERM)
        await process.wait()


class Soak:
    """One run."""

    def __init__(self, pid: int, port: int, engine_port: int, calls: int) -> None:
        self._pid, self._port, self._calls = pid, port, calls
        self._engine = f"{engine_port:04X}"
        self._whole = self._cut = 0

    def tell(self, step: str) -> tuple[int, int]:
        """Print the server's state; return its descriptors and its connections to the upstream."""
        status = Path(f"/proc/{self._pid}/status").read_text(encoding="ascii")
        megabytes = int(re.findall(r"VmRSS:\s+(\d+)", status)[0]) / 1024
        descriptors = len(os.listdir(f"/proc/{self._pid}/fd"))  # noqa: PTH208 numbers are enough
        rows = [line.split() for line in Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]]
        engine = sum(row[2].endswith(f":{self._engine}") and row[3] == "01" for row in rows)
        sys.stdout.write(f"| {step} | {megabytes:.0f} | {descriptors} | {engine} |\n")
        return descriptors, engine

    async def call(self, number: int, service_id: str = "5-0-4") -> None:
        """One call on a connection of its own, now and then cut."""
        caller = Caller(self._port, number % _ACCOUNTS)
        await caller.open()
        tool = "chat_with_deployment" if number % 2 else "get_deployment"
        caller.send(tool, service_id=service_id, **({"prompt": "x"} if number % 2 else {}))
        if number % 10 == 0 or number % 10 == 1:
            await asyncio.sleep(random.uniform(0, _CUT_SECONDS))  # noqa: S311 a moment
            self._cut += 1
        else:
            result = await caller.result()
            self._whole += b'"isError":false' in result
        caller.cut()

    async def many_calls(self) -> None:
        """All calls, so many at a time."""
        limit = asyncio.Semaphore(_AT_ONCE)

        async def one(number: int) -> None:
            async with limit:
                await self.call(number)

        await asyncio.gather(*(one(number) for number in range(self._calls)))

    async def streams(self) -> float:
        """Many paced chats at once, from all accounts; return how long the last one took."""
        began = perf_counter()
        callers = [Caller(self._port, number % _ACCOUNTS) for number in range(_STREAMS)]
        for caller in callers:
            await caller.open()
            caller.send("chat_with_deployment", service_id="200-20-4", prompt="x")
        results = await asyncio.gather(*(caller.result() for caller in callers))
        self._whole += sum(b'"isError":false' in result for result in results)
        for caller in callers:
            caller.cut()
        return perf_counter() - began

    async def run(self) -> bool:
        """Do everything; return whether nothing is left."""
        sys.stdout.write("| after | resident memory, MB | descriptors | connections upstream |\n|---|---|---|---|\n")
        await asyncio.gather(*(self.call(number) for number in (3, 5, 7)))
        before, _ = self.tell("three calls")
        idle = [Caller(self._port, number) for number in range(_IDLE)]
        for caller in idle:
            await caller.open()
        self.tell(f"{_IDLE} idle connections")
        for caller in idle:
            caller.cut()
        seconds = await self.streams()
        self.tell(f"{_STREAMS} streams of {_ACCOUNTS} accounts at once")
        began = perf_counter()
        await self.many_calls()
        calling = perf_counter() - began
        self.tell(f"{self._calls} calls")
        await asyncio.sleep(_SETTLED_SECONDS)
        await self.call(3)
        after, engine = self.tell("a pause")
        sys.stdout.write(
            f"\nThe streams (4 s by themselves) took {seconds:.1f} s; {self._calls / calling:.0f} calls/s; "
            f"{self._whole} whole answers, {self._cut} calls cut.\n"
        )
        return max(after - before, engine) <= _MAY_STAY


async def _main(calls: int) -> bool:
    async with upstream() as environ, server(environ) as (pid, port):
        engine_port = int(environ["ALAYA_BASE_URL"].split(":")[2].split("/")[0])
        return await Soak(pid, port, engine_port, calls).run()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--calls", type=int, default=10_000)
    sys.exit(not asyncio.run(_main(parser.parse_args().calls)))
