"""A host that costs next to nothing: raw JSON-RPC over pipes, and what the system tells of the server. Linux."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from subprocess import DEVNULL, PIPE, Popen
from time import perf_counter
from typing import IO, Any, Final, cast

_LINE_CAP: Final = 2**27
_TICKS: Final = os.sysconf("SC_CLK_TCK")
_HANDSHAKE: Final = {
    "protocolVersion": "2025-11-25",
    "capabilities": {},
    "clientInfo": {"name": "benchmark", "version": "1"},
}

OnNote = Callable[[str], None]


class Server:
    """One server process.

    Attributes:
        pid: Its id.
        started: When, on `perf_counter`'s clock.
    """

    def __init__(self, process: "Popen[bytes]", started: float) -> None:
        self._process = process
        self.pid = process.pid
        self.started = started
        self._ids = 0
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._notes: dict[int, OnNote] = {}

    async def connect(self) -> None:
        """Take the pipes."""
        loop = asyncio.get_running_loop()
        self._reader = asyncio.StreamReader(limit=_LINE_CAP)
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(self._reader), self._process.stdout)
        self._stdin, _ = await loop.connect_write_pipe(asyncio.BaseProtocol, self._process.stdin)
        self._reading = asyncio.ensure_future(self._read())

    async def _read(self) -> None:
        while line := await self._reader.readline():
            message = json.loads(line)
            if message.get("method") == "notifications/progress":
                self._notes[message["params"]["progressToken"]](message["params"].get("message") or "")
            elif waiting := self._answers.pop(cast("int", message.get("id")), None):
                waiting.set_result(message)
        for waiting in self._answers.values():
            waiting.cancel()

    def _send(self, message: dict[str, Any]) -> None:
        self._stdin.write(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")

    async def request(self, method: str, params: dict[str, Any], on_note: OnNote | None = None) -> dict[str, Any]:
        """One request; its result.

        Raises:
            RuntimeError: the answer is an error: what is measured must work.
        """
        self._ids += 1
        number = self._ids
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        if on_note:
            self._notes[number] = on_note
            params = {**params, "_meta": {"progressToken": number}}
        self._send({"id": number, "method": method, "params": params})
        message = await answer
        self._notes.pop(number, None)
        result = message.get("result", {"isError": True})
        if result.get("isError"):
            raise RuntimeError(f"{method}: {str(message)[:300]}")
        return result

    async def initialize(self) -> None:
        """The handshake."""
        await self.request("initialize", _HANDSHAKE)
        self._send({"method": "notifications/initialized"})

    async def call(self, tool: str, arguments: dict[str, Any], on_note: OnNote | None = None) -> dict[str, Any]:
        """One tool call; its result."""
        return await self.request("tools/call", {"name": tool, "arguments": arguments}, on_note)

    def megabytes(self) -> float:
        """Resident memory."""
        status = Path(f"/proc/{self.pid}/status").read_text(encoding="ascii")
        return int(status.split("VmRSS:")[1].split()[0]) / 1024

    def cpu_seconds(self) -> float:
        """CPU used so far, in steps of 10 ms."""
        fields = Path(f"/proc/{self.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    async def leave(self) -> float:
        """Close stdin; seconds until the process is gone."""
        gone = asyncio.Event()
        descriptor = os.pidfd_open(self.pid)
        asyncio.get_running_loop().add_reader(descriptor, gone.set)
        began = perf_counter()
        self._stdin.close()
        await gone.wait()
        seconds = perf_counter() - began
        asyncio.get_running_loop().remove_reader(descriptor)
        os.close(descriptor)
        self._process.wait()
        await self._reading
        return seconds


@asynccontextmanager
async def started(command: list[str], environ: dict[str, str]) -> AsyncGenerator[Server]:
    """A server process, as a host starts it; killed if the block has not ended it."""
    began = perf_counter()
    process = Popen(command, stdin=PIPE, stdout=PIPE, stderr=DEVNULL, env=environ)  # noqa: ASYNC220,S603 our own words; before the clock matters
    server = Server(process, began)
    try:
        await server.connect()
        yield server
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


@asynccontextmanager
async def upstream() -> AsyncGenerator[dict[str, str]]:
    """The fast upstream; what a server needs to use it."""
    command = [sys.executable, "-m", "benchmarks.upstream"]
    process = Popen(command, stdin=PIPE, stdout=PIPE)  # noqa: ASYNC220,S603 as above
    try:
        port = json.loads(await asyncio.to_thread(cast("IO[bytes]", process.stdout).readline))["port"]
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("ALAYA_", "PYTHON"))}
        yield {
            **inherited,
            "ALAYA_BASE_URL": f"http://127.0.0.1:{port}/api/serverless-infer/v1",
            "ALAYA_ACCESS_KEY": "ak",
            "ALAYA_SECRET_KEY": "sk",
        }
    finally:
        cast("IO[bytes]", process.stdin).close()
        process.wait()


async def requests_since(environ: dict[str, str]) -> dict[str, int]:
    """What the upstream was asked since this was last called."""
    port = int(environ["ALAYA_BASE_URL"].split(":")[2].split("/")[0])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /counts HTTP/1.1\r\nHost: x\r\n\r\n")
    await reader.readuntil(b"\r\n\r\n")
    counts = json.loads(await reader.readuntil(b"}"))
    writer.close()
    return counts
