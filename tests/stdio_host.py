"""A host that speaks raw JSON-RPC to the real server over pipes, and keeps every byte."""

import json
import os
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from subprocess import PIPE
from typing import Any

import anyio
from anyio.abc import Process
from anyio.streams.buffered import BufferedByteReceiveStream

from tests.patience import PATIENCE
from tests.starts import Start

MODERN = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
    "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
}
LINE_CAP = 2**22


class Host:
    """One server process and what it said.

    Attributes:
        lines: Every line of stdout, decoded; a line that is no JSON-RPC fails the test at once.
        raw: Every byte of stdout and stderr.
        stderr: Every byte of stderr.
    """

    def __init__(self, process: Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self.process = process
        self._stdin = process.stdin
        self._stdout = BufferedByteReceiveStream(process.stdout)
        self.lines: list[dict[str, Any]] = []
        self.raw = bytearray()
        self.stderr = bytearray()

    async def send(self, message: dict[str, Any] | bytes) -> None:
        """Send one line."""
        await self._stdin.send((message if isinstance(message, bytes) else json.dumps(message).encode()) + b"\n")

    async def request(self, request_id: int | str, method: str, params: dict[str, Any] | None = None) -> None:
        """Send one request."""
        await self.send(
            {"jsonrpc": "2.0", "id": request_id, "method": method, **({"params": params} if params else {})}
        )

    async def call(self, request_id: int, tool: str, *, modern: bool = False, **arguments: object) -> None:
        """Send one tool call, with a progress token."""
        meta = {"progressToken": f"token-{request_id}", **(MODERN if modern else {})}
        await self.request(request_id, "tools/call", {"name": tool, "arguments": arguments, "_meta": meta})

    async def initialize(self, version: str = "2025-11-25") -> dict[str, Any]:
        """The handshake."""
        client = {"name": "test", "version": "1"}
        params = {"protocolVersion": version, "capabilities": {}, "clientInfo": client}
        await self.request(0, "initialize", params)
        answer = await self.answer(0)
        await self.send({"jsonrpc": "2.0", "method": "notifications/initialized"})
        return answer

    async def answer(self, request_id: float | str) -> dict[str, Any]:
        """The answer to a request, which may be behind others."""
        seen = 0
        while True:
            for line in self.lines[seen:]:
                if line.get("id") == request_id and "method" not in line:
                    return line
            seen = len(self.lines)
            await self.line()

    async def line(self) -> dict[str, Any]:
        """The next line."""
        line = await self._stdout.receive_until(b"\n", LINE_CAP)
        self.raw += line + b"\n"
        message = json.loads(line)
        assert message["jsonrpc"] == "2.0"
        self.lines.append(message)
        return message

    async def leave(self) -> int:
        """Close stdin, as a host does; the exit status."""
        await self._stdin.aclose()
        while True:
            try:
                await self.line()
            except (anyio.IncompleteRead, anyio.EndOfStream):
                break
        return await self.process.wait()


def own_environ(**environ: str) -> dict[str, str]:
    """These variables and the machine's, without what a developer may have set for the server."""
    return {name: value for name, value in os.environ.items() if not name.startswith("ALAYA_")} | environ


@asynccontextmanager
async def host(*arguments: str, **environ: str) -> AsyncGenerator[Host]:
    """The server as a host starts it: `python -m alaya_mcp ...` with these variables, or by Windows' rules."""
    with anyio.fail_after(PATIENCE):
        command = [sys.executable, *Start.words, *arguments]
        process = await anyio.open_process(command, stdin=PIPE, stdout=PIPE, stderr=PIPE, env=own_environ(**environ))
        async with process, anyio.create_task_group() as tasks:
            one = Host(process)

            async def keep_stderr() -> None:
                assert process.stderr is not None
                async for chunk in process.stderr:
                    one.raw += chunk
                    one.stderr += chunk

            tasks.start_soon(keep_stderr)
            yield one
            if process.returncode is None:
                await one.leave()
