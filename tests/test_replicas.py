"""Servers of one group as processes behind a real nginx: one is killed, and all are replaced under load."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import anyio
import pytest
from anyio.abc import Process
from mcp import Client

from tests.calls import CHAT, ERAS, Era, content_of
from tests.http_host import KEYS, client_at
from tests.nginx import needs_nginx, nginx
from tests.patience import LONG_BUDGET, PATIENCE
from tests.server_group import STORE_KEY, Told, begun, part
from tests.upstream import DONE, Exchange, Request, Upstream, text_chunk
from tests.valkey import Valkey, needs_valkey

pytestmark = [pytest.mark.anyio, needs_nginx, needs_valkey]

ASKERS = 4
"""Clients that chat all the time: in the background and not, in both eras."""
RETRIES = "proxy_next_upstream error timeout; proxy_next_upstream_tries 3;"


class Answers:
    """Counts answers."""

    def __init__(self) -> None:
        self._number = 0
        self._counted = anyio.Condition()

    async def count(self) -> None:
        """One more."""
        async with self._counted:
            self._number += 1
            self._counted.notify_all()

    async def more(self, number: int) -> None:
        """Wait for so many more."""
        async with self._counted:
            until = self._number + number
            while self._number < until:
                await self._counted.wait()


class Replica:
    """One server process, in the mode keys."""

    def __init__(self, process: Process, port: int) -> None:
        self.process = process
        self.port = port

    async def end(self, number: signal.Signals) -> int:
        """End it by a signal; its exit status."""
        if self.process.returncode is None:
            self.process.send_signal(number)
        with anyio.CancelScope(shield=True):
            await self.process.wait()
        assert self.process.returncode is not None
        return self.process.returncode


async def started(upstream: Upstream, store: Valkey, port: int = 0) -> Replica:
    """A new replica, which listens."""
    options = {"MODE": "keys", "PORT": str(port), "ALLOW_ENGINE_HOST": "127.0.0.1", "GRACE_SECONDS": "20"}
    environ = {
        **os.environ,
        **LONG_BUDGET,
        "ALAYA_BASE_URL": upstream.environ["ALAYA_BASE_URL"],
        "ALAYA_STORE_URL": store.url,
        "ALAYA_STORE_KEY": STORE_KEY,
        **{f"ALAYA_HTTP_{name}": value for name, value in options.items()},
    }
    command = [sys.executable, "-m", "alaya_mcp", "http"]
    process = await anyio.open_process(command, env=environ, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    assert process.stderr
    said = b""
    with anyio.fail_after(PATIENCE):
        while not (match := re.search(rb"http://127.0.0.1:(\d+)/mcp", said)):
            said += await process.stderr.receive()
    return Replica(process, int(match[1]))


@asynccontextmanager
async def replicas(upstream: Upstream, store: Valkey, count: int) -> AsyncGenerator[list[Replica]]:
    """Replicas, killed at the end."""
    running: list[Replica] = []

    async def start() -> None:
        running.append(await started(upstream, store))

    try:
        async with anyio.create_task_group() as tasks:
            for _ in range(count):
                tasks.start_soon(start)
        yield running
    finally:
        for replica in running:
            await replica.end(signal.SIGKILL)


async def at(owned: AsyncExitStack, port: int, era: Era = "auto") -> Client:
    """A client of a port."""
    return await owned.enter_async_context(client_at(f"http://127.0.0.1:{port}/mcp", era, KEYS))


async def test_a_reply_survives_the_death_of_its_replica_as_far_as_it_came(tmp_path: Path) -> None:
    engine = Told()
    async with AsyncExitStack() as owned:
        upstream = await owned.enter_async_context(Upstream(chat=engine))
        store = await owned.enter_async_context(Valkey())
        running = await owned.enter_async_context(replicas(upstream, store, 2))
        port = await owned.enter_async_context(nginx([each.port for each in running], tmp_path, RETRIES))
        read_on = await begun(await at(owned, running[0].port))
        engine.say("as far ", "as it came")
        front = {era: await at(owned, port, era) for era in ERAS}
        while not (found := await part(front["auto"], read_on, seconds=1))["content"].endswith("came"):
            pass
        assert found["truncated_reason"] == "still_generating"
        await running[0].end(signal.SIGKILL)
        for era in ERAS:
            found = await part(front[era], read_on)
            assert (found["content"], found["truncated_reason"]) == ("as far as it came", "server_lost")


async def test_all_replicas_are_replaced_under_load_and_no_call_fails(tmp_path: Path) -> None:
    async def writes(_: Request, exchange: Exchange) -> None:
        await exchange.events()
        for number in range(5):
            await exchange.event(text_chunk(f"{number} "))
            await anyio.sleep(0.1)
        await exchange.event(text_chunk(finish_reason="stop"))
        await exchange.event(DONE)

    is_over = False
    answers = Answers()
    async with AsyncExitStack() as owned:
        upstream = await owned.enter_async_context(Upstream(chat=writes))
        store = await owned.enter_async_context(Valkey())
        running = await owned.enter_async_context(replicas(upstream, store, 3))
        port = await owned.enter_async_context(nginx([each.port for each in running], tmp_path, RETRIES))

        async def ask(number: int) -> None:
            question = {"service_id": "svc-1", "prompt": "x", "background": number % 2 == 0}
            async with client_at(f"http://127.0.0.1:{port}/mcp", ERAS[number // 2 % 2], KEYS) as client:
                while not is_over:
                    found = content_of(await client.call_tool(CHAT, question))
                    content = found["content"]
                    while "read_on" in found:
                        found = await part(client, found["read_on"])
                        content += found["content"]
                    assert (content, found.get("finish_reason")) == ("0 1 2 3 4 ", "stop"), found
                    await answers.count()

        async with anyio.create_task_group() as tasks:
            for number in range(ASKERS):
                tasks.start_soon(ask, number)
            for place, replica in enumerate(list(running)):
                await answers.more(ASKERS)
                assert await replica.end(signal.SIGTERM) == 0
                running[place] = await started(upstream, store, replica.port)
            await answers.more(ASKERS)
            is_over = True
