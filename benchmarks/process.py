"""One server process on pipes, and what the operating system tells of it. Linux."""

import json
import os
import signal
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import PIPE
from typing import Any, cast

import anyio
from anyio.abc import ByteReceiveStream, ByteSendStream, Process
from anyio.streams.buffered import BufferedByteReceiveStream

_LINE_CAP = 2**26


@dataclass
class Server:
    """A server process that is talked to in raw JSON-RPC, so that no SDK stands between.

    Attributes:
        process: The process.
        stdin, stdout, stderr: Its pipes.
        first_notes: Set when a call's first note of text has come, by its progress token.
    """

    process: Process
    stdin: ByteSendStream
    stdout: ByteReceiveStream
    stderr: ByteReceiveStream
    first_notes: dict[str, anyio.Event] = field(default_factory=dict[str, anyio.Event])
    _answers: dict[int, dict[str, Any]] = field(default_factory=dict[int, dict[str, Any]])
    _answered: dict[int, anyio.Event] = field(default_factory=dict[int, anyio.Event])
    _tasks: int = 0
    _told: anyio.Event = field(default_factory=anyio.Event)
    _line_lock: anyio.Lock = field(default_factory=anyio.Lock)

    async def send(self, message: dict[str, Any]) -> None:
        """Send one message."""
        async with self._line_lock:
            await self.stdin.send(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")

    async def request(self, request_id: int, method: str, params: dict[str, Any]) -> dict[str, Any]:
        """Send one request; its answer."""
        event = self._answered[request_id] = anyio.Event()
        await self.send({"id": request_id, "method": method, "params": params})
        try:
            await event.wait()
        finally:
            del self._answered[request_id]
        return self._answers.pop(request_id)

    async def read(self) -> None:
        """Take answers and notes for as long as the process writes."""
        lines = BufferedByteReceiveStream(self.stdout)
        while True:
            try:
                message = json.loads(await lines.receive_until(b"\n", _LINE_CAP))
            except (anyio.EndOfStream, anyio.IncompleteRead):
                return
            if message.get("method") == "notifications/progress":
                params = message["params"]
                is_text = params["_meta"]["com.alayanew.mcp/phase"] == "writing"
                if is_text and (event := self.first_notes.get(params["progressToken"])):
                    event.set()
            elif (event := self._answered.get(message.get("id"))) is not None:
                self._answers[message["id"]] = message
                event.set()

    async def watch(self) -> None:
        """Take what the observed server says of itself."""
        lines = BufferedByteReceiveStream(self.stderr)
        while True:
            try:
                line = (await lines.receive_until(b"\n", _LINE_CAP)).decode(errors="replace")
            except (anyio.EndOfStream, anyio.IncompleteRead):
                return
            if line.startswith("tasks "):
                self._tasks = int(line.split()[1])
                self._told.set()

    async def tasks(self) -> int:
        """Tasks of its event loop, once it has tidied its memory."""
        self._told = anyio.Event()
        self.process.send_signal(signal.SIGUSR1)
        await self._told.wait()
        return self._tasks

    def megabytes(self) -> float:
        """Resident memory."""
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii")
        line = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
        return int(line.split()[1]) / 1024

    def descriptors(self) -> int:
        """Open file descriptors."""
        return len(list(Path(f"/proc/{self.process.pid}/fd").iterdir()))

    def threads(self) -> int:
        """Threads."""
        return len(list(Path(f"/proc/{self.process.pid}/task").iterdir()))


@asynccontextmanager
async def server(command: list[str], environ: dict[str, str]) -> AsyncGenerator[Server]:
    """A server process, initialized; ended when the block is left."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("ALAYA_")}
    process = await anyio.open_process(command, stdin=PIPE, stdout=PIPE, stderr=PIPE, env={**inherited, **environ})
    pipes = (process.stdin, process.stdout, process.stderr)
    stdin, stdout, stderr = (cast("Any", pipe) for pipe in pipes)  # each was asked for
    async with process, anyio.create_task_group() as tasks:
        one = Server(process, stdin, stdout, stderr)
        tasks.start_soon(one.read)
        tasks.start_soon(one.watch)
        client = {"name": "benchmark", "version": "1"}
        params = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client}
        await one.request(0, "initialize", params)
        await one.send({"method": "notifications/initialized"})
        yield one
        await stdin.aclose()
        await process.wait()
