"""The end of the HTTP server: running calls end first, in the time that there is."""

import os
import re
import signal
import subprocess
import sys

import anyio
import httpx2
import pytest

from alaya_mcp.serving.http.server import HttpServer
from tests.calls import CHAT, ERAS, Era, content_of
from tests.http_host import RAW, asked, body_of, client_of, http_settings, serving, url_of
from tests.patience import PATIENCE
from tests.upstream import Exchange, Request, Upstream, text_chunk

pytestmark = pytest.mark.anyio


class Slow:
    """An engine that goes on when it is told to."""

    def __init__(self) -> None:
        self.began, self.go_on = anyio.Event(), anyio.Event()

    async def __call__(self, _: Request, exchange: Exchange) -> None:
        await exchange.events(text_chunk("first "))
        self.began.set()
        await self.go_on.wait()
        await exchange.event(text_chunk("second", finish_reason="stop"))
        await exchange.event("[DONE]")


async def refused(server: HttpServer) -> None:
    """Wait until it takes no new connection."""
    while True:
        try:
            await asked(server, "GET", "/readyz")
        except httpx2.ConnectError:
            return


@pytest.mark.parametrize("era", ERAS)
async def test_a_call_that_runs_gets_its_answer_and_new_ones_are_sent_elsewhere(era: Era) -> None:
    engine, ended = Slow(), anyio.Event()
    content: list[str] = []
    async with Upstream(chat=engine) as upstream, serving(upstream) as server, client_of(server, era) as host:
        await host.list_tools()  # the client would ask for them to check a result

        async def chat() -> None:
            content.append(content_of(await host.call_tool(CHAT, {"prompt": "x"}))["content"])

        async def drain() -> None:
            assert await server.drain(0)
            ended.set()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(chat)
            await engine.began.wait()
            tasks.start_soon(drain)
            await refused(server)
            assert not ended.is_set()
            engine.go_on.set()

    assert content == ["first second"]


async def test_new_calls_are_taken_until_nobody_sends_them_any_more() -> None:
    async with Upstream() as upstream, serving(upstream) as server, anyio.create_task_group() as tasks:
        tasks.start_soon(server.drain, PATIENCE)
        await anyio.wait_all_tasks_blocked()
        ready, healthy = await asked(server, "GET", "/readyz"), await asked(server, "GET", "/healthz")
        answer = await asked(server)
        tasks.cancel_scope.cancel()
        assert (ready.status_code, healthy.status_code, answer.status_code) == (503, 200, 200)


@pytest.mark.parametrize("era", ERAS)
async def test_at_the_end_of_the_grace_a_chat_gets_what_has_come(era: Era) -> None:
    engine = Slow()
    settings = http_settings(grace_seconds=3)
    results: list[dict[str, object]] = []
    async with Upstream(chat=engine) as upstream, serving(upstream, settings) as server, client_of(server, era) as host:
        await host.list_tools()  # the client would ask for them to check a result

        async def chat() -> None:
            results.append(content_of(await host.call_tool(CHAT, {"prompt": "x"})))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(chat)
            await engine.began.wait()
            assert await server.drain(0)
            engine.go_on.set()

    (result,) = results
    assert (result["content"], result["truncated_reason"]) == ("first ", "server_lost")


@pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_the_process_ends_well_after_a_signal(number: signal.Signals) -> None:
    command = [sys.executable, "-m", "alaya_mcp", "http", "--sandbox", "--port", "0"]
    process = await anyio.open_process(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    said = b""
    with anyio.fail_after(PATIENCE):
        try:
            assert process.stderr
            while b"\n" not in said:
                said += await process.stderr.receive()
            match = re.search(rb"http://\S+", said)
            assert match, said
            async with httpx2.AsyncClient(timeout=PATIENCE) as http:
                listed = await http.post(match[0].decode(), headers=RAW, json=body_of("tools/list"))
            process.send_signal(number)
            assert await process.wait() == 0
            said = b"".join([chunk async for chunk in process.stderr])
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()

    assert listed.status_code == 200
    assert re.fullmatch(rb"Stopping within 60 s; .*\n", said)


async def test_a_connection_that_a_proxy_keeps_is_answered_once_more_and_then_closed() -> None:
    last = None
    async with Upstream() as upstream, serving(upstream) as server, httpx2.AsyncClient(timeout=PATIENCE) as proxy:

        async def ask() -> httpx2.Response:
            return await proxy.post(url_of(server), headers=RAW, json=body_of("tools/list"))

        before = await ask()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(server.drain, 0)
            await refused(server)
            last = await ask()
            with pytest.raises(httpx2.ConnectError):
                await ask()

    assert before.headers["connection"] == "keep-alive"
    assert last
    assert (last.status_code, last.headers["connection"]) == (200, "close")


async def test_a_port_that_is_taken_is_one_error() -> None:
    async with Upstream() as upstream, serving(upstream) as server:
        with pytest.raises(OSError, match=f":{server.port}: "):
            async with serving(upstream, http_settings(port=server.port)):
                pass
