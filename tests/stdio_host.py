"""A host that speaks raw JSON-RPC to the real server over pipes, and keeps every byte."""

import json
import os
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from subprocess import PIPE
from typing import Any

import anyio
from anyio.abc import ByteReceiveStream, ByteSendStream, Process
from anyio.streams.buffered import BufferedByteReceiveStream

from tests import warm_start
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

    def __init__(self, process: "Process | WarmProcess") -> None:
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


class Reading(ByteReceiveStream):
    """The end of a pipe that is read."""

    def __init__(self, descriptor: int) -> None:
        os.set_blocking(descriptor, False)
        self._descriptor = descriptor

    async def receive(self, max_bytes: int = 2**16) -> bytes:
        """What comes next."""
        while True:
            await anyio.wait_readable(self._descriptor)
            try:
                if received := os.read(self._descriptor, max_bytes):
                    return received
            except BlockingIOError:
                continue
            raise anyio.EndOfStream

    async def aclose(self) -> None:
        """Close it, once."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


class Writing(ByteSendStream):
    """The end of a pipe that is written."""

    def __init__(self, descriptor: int) -> None:
        os.set_blocking(descriptor, False)
        self._descriptor = descriptor

    async def send(self, item: bytes) -> None:
        """Write all of it."""
        left = memoryview(item)
        while left:
            await anyio.wait_writable(self._descriptor)
            try:
                left = left[os.write(self._descriptor, left) :]
            except BlockingIOError:
                continue
            except BrokenPipeError as error:
                raise anyio.BrokenResourceError from error

    async def aclose(self) -> None:
        """Close it, once."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


class WarmProcess:
    """A process that was forked, and its pipes, as `anyio.abc.Process` has them."""

    def __init__(self, arguments: tuple[str, ...], environ: dict[str, str]) -> None:
        (stdin, ours), (read, stdout), (told, stderr) = os.pipe(), os.pipe(), os.pipe()
        self._started = warm_start.start(arguments, environ, (stdin, stdout, stderr))
        for theirs in (stdin, stdout, stderr):
            os.close(theirs)
        self.stdin, self.stdout, self.stderr = Writing(ours), Reading(read), Reading(told)
        self.pid = self._started.pid

    @property
    def returncode(self) -> int | None:
        """Its exit status, where it has ended."""
        return self._started.returncode

    def send_signal(self, number: int) -> None:
        """Send it a signal."""
        self._started.send_signal(number)

    async def wait(self) -> int:
        """Its exit status, when it ends."""
        if self.returncode is None:
            await anyio.wait_readable(self._started.connection)
        return self._started.ended()

    async def aclose(self) -> None:
        """Close its pipes and wait for its end; kill it where nobody waits any more."""
        with anyio.CancelScope(shield=True) as scope:
            for stream in (self.stdin, self.stdout, self.stderr):
                await stream.aclose()
            scope.shield = False
            try:
                await self.wait()
            except BaseException:
                self.send_signal(9)
                scope.shield = True
                await self.wait()
                raise


@asynccontextmanager
async def host(*arguments: str, **environ: str) -> AsyncGenerator[Host]:
    """The server as a host starts it: `python -m alaya_mcp ...` with these variables, or by Windows' rules."""
    with anyio.fail_after(PATIENCE):
        command = [sys.executable, *Start.words, *arguments]
        process = await anyio.open_process(command, stdin=PIPE, stdout=PIPE, stderr=PIPE, env=own_environ(**environ))
        async with process, _used(process) as one:
            yield one


@asynccontextmanager
async def warm_host(*arguments: str, **environ: str) -> AsyncGenerator[Host]:
    """The same, loaded already (tests/warm_start.py) where that is possible."""
    if not warm_start.IS_POSSIBLE:
        async with host(*arguments, **environ) as one:
            yield one
        return
    with anyio.fail_after(PATIENCE):
        process = WarmProcess(arguments, own_environ(**environ))
        try:
            async with _used(process) as one:
                yield one
        finally:
            await process.aclose()


@asynccontextmanager
async def _used(process: Process | WarmProcess) -> AsyncGenerator[Host]:
    async with anyio.create_task_group() as tasks:
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
