"""A collector in a process of its own (`tests.otlp_collector`), and what a test asks it."""

import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import anyio
import httpx2

from tests.patience import PATIENCE


@dataclass(frozen=True)
class Receiver:
    """A collector that runs.

    Attributes:
        url: For OTEL_EXPORTER_OTLP_ENDPOINT.
        process: Its process.
    """

    url: str
    process: anyio.abc.Process

    @property
    def environ(self) -> dict[str, str]:
        """What makes a server send everything to it, at its end."""
        return {"OTEL_EXPORTER_OTLP_ENDPOINT": self.url, "NO_PROXY": "127.0.0.1"}

    async def spans(self) -> list[dict[str, Any]]:
        """The spans, in the order of their ends."""
        return (await self._read("/"))["spans"]

    async def metrics(self) -> dict[str, list[dict[str, Any]]]:
        """The last points of each metric: their labels, with `value`."""
        return (await self._read("/"))["metrics"]

    async def raw(self) -> bytes:
        """All that came."""
        async with httpx2.AsyncClient(timeout=PATIENCE, trust_env=False) as http:
            return (await http.get(f"{self.url}/bytes")).content

    async def _read(self, path: str) -> dict[str, Any]:
        async with httpx2.AsyncClient(timeout=PATIENCE, trust_env=False) as http:
            return (await http.get(f"{self.url}{path}")).json()


@asynccontextmanager
async def receiver(*arguments: str) -> AsyncGenerator[Receiver]:
    """A collector, for as long as the block runs."""
    command = [sys.executable, "-m", "tests.otlp_collector", *arguments]
    process = await anyio.open_process(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    try:
        assert process.stdout
        port = b""
        with anyio.fail_after(PATIENCE):
            while not port.endswith(b"\n"):
                port += await process.stdout.receive()
        yield Receiver(f"http://127.0.0.1:{int(port)}", process)
    finally:
        process.kill()
        await process.aclose()
