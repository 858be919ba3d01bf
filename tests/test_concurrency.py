"""Many chats on one connection, calls that are given up, and a host that does not read."""

import asyncio
import sys
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client, MCPError
from mcp.client.stdio import StdioServerParameters

from alaya_mcp.sandbox import Sandbox
from tests.calls import CHAT, ERAS, Era, connected, content_of, environ_of
from tests.patience import LONG_BUDGET, PATIENCE
from tests.stdio_host import Host, host, warm_host
from tests.upstream import Exchange, Request, Upstream, replies, text_chunk

pytestmark = [pytest.mark.anyio]

MANY = 60
"""More than may run at once by default."""
FLOOD = 6_000


def text_notes(server: Host) -> dict[str, str]:
    """The text of each call's writing notes, by token."""
    texts: dict[str, str] = {}
    for line in server.lines:
        if line.get("method") == "notifications/progress":
            note = line["params"]
            if note["_meta"]["com.alayanew.mcp/phase"] == "writing":
                texts[note["progressToken"]] = texts.get(note["progressToken"], "") + note["message"]
    return texts


@pytest.mark.parametrize("modern", [False, True])
async def test_many_chats_at_once_all_complete_each_with_its_own_text(*, modern: bool) -> None:
    async with (
        Sandbox(token_delay=0.001) as sandbox,
        warm_host(**environ_of(sandbox), **LONG_BUDGET, ALAYA_MAX_CONCURRENCY=str(MANY)) as server,
    ):
        if not modern:
            await server.initialize()
        for number in range(1, MANY + 1):
            await server.call(number, CHAT, modern=modern, prompt=f"sandbox: repeat 20 w{number}")
        for number in range(1, MANY + 1):
            answer = await server.answer(number)
            expected = " ".join([f"w{number}"] * 20)
            assert answer["result"]["structuredContent"]["content"] == expected

        assert (sandbox.stats.chats_finished, sandbox.stats.chats_active) == (MANY, 0)
        assert sandbox.stats.control_requests == 1
    assert text_notes(server) == {f"token-{n}": " ".join([f"w{n}"] * 20) for n in range(1, MANY + 1)}


async def test_chats_over_the_limit_queue_in_turn_and_say_so() -> None:
    release = anyio.Event()

    async def waits(request: Request, exchange: Exchange) -> None:
        await release.wait()
        await replies(request.json["messages"][0]["content"])(request, exchange)

    async with (
        Upstream(chat=waits) as upstream,
        warm_host(**upstream.environ, ALAYA_MAX_CONCURRENCY="4") as server,
    ):
        await server.initialize()
        for number in range(1, 41):
            await server.call(number, CHAT, prompt=f"w{number}")
        queued: dict[int, None] = {}
        while len(queued) < 36:
            note = (await server.line())["params"]
            if note["_meta"]["com.alayanew.mcp/phase"] == "queued":
                assert "ALAYA_MAX_CONCURRENCY" in note["message"]
                queued[int(note["progressToken"].removeprefix("token-"))] = None
        release.set()
        for number in range(1, 41):
            answer = await server.answer(number)
            assert answer["result"]["structuredContent"]["content"] == f"w{number}"

        asked = [int(chat.json["messages"][0]["content"][1:]) for chat in upstream.chats]
    assert sorted(asked) == list(range(1, 41))
    in_turn, then_asked = list(queued), [number for number in asked if number in queued]
    assert all(abs(in_turn.index(number) - place) <= 4 for place, number in enumerate(then_asked))


@pytest.mark.parametrize("era", ERAS)
async def test_a_call_that_the_client_gives_up_frees_the_engine(era: Era, monkeypatch: pytest.MonkeyPatch) -> None:
    loop, client_patience = asyncio.get_running_loop(), PATIENCE / 2
    now = loop.time

    async def time_passes() -> None:
        await sandbox.stats.wait_for(lambda stats: stats.chats_active == 1)
        monkeypatch.setattr(loop, "time", lambda: now() + client_patience)

    async with Sandbox(token_delay=0.01) as sandbox:
        environ = environ_of(sandbox) | LONG_BUDGET
        parameters = StdioServerParameters(command=sys.executable, args=["-m", "alaya_mcp"], env=environ)
        with anyio.fail_after(2 * PATIENCE):
            async with Client(parameters, mode=era) as client, anyio.create_task_group() as tasks:
                tasks.start_soon(time_passes)
                arguments = {"prompt": "sandbox: silence 500"}
                with pytest.raises(MCPError):
                    await client.call_tool(CHAT, arguments, read_timeout_seconds=client_patience)
                await sandbox.stats.wait_for(lambda stats: stats.chats_aborted == 1)
                content_of(await client.call_tool(CHAT, {"prompt": "hi"}))

        assert sandbox.stats.chats_finished == 1


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("stage", ["lookup", "waiting", "queue", "names", "before the first token", "tool call"])
async def test_a_call_can_be_cancelled_at_every_stage(stage: str, era: Era) -> None:
    reached, closed = anyio.Event(), anyio.Event()

    async def hangs(request: Request, exchange: Exchange) -> None:
        if stage == "tool call" and request.path.endswith("completions"):
            call = {"index": 0, "id": "c", "function": {"name": "f", "arguments": "{"}}
            chunk = text_chunk()
            chunk["choices"][0]["delta"] = {"tool_calls": [call]}
            await exchange.events(chunk)
        reached.set()
        await exchange.hang()
        closed.set()

    async def starts(_: Request, exchange: Exchange) -> None:
        await exchange.answer_json(200, {"code": 0, "data": {**upstream.deployment, "status": "starting"}})
        reached.set()
        closed.set()

    arguments: dict[str, Any] = {"prompt": "x", "wait_seconds": 40, "model": "unknown" if stage == "names" else ""}
    async with Upstream(chat=hangs) as upstream:
        match stage:
            case "lookup":
                upstream.control = hangs
            case "waiting":
                upstream.control = starts
            case "names":
                upstream.models = hangs
            case _:
                pass
        settings = upstream.settings(**LONG_BUDGET, ALAYA_MAX_CONCURRENCY="1" if stage == "queue" else "8")
        async with connected(settings, era) as client:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(client.call_tool, CHAT, arguments)
                await reached.wait()
                if stage == "queue":
                    tasks.start_soon(client.call_tool, CHAT, arguments)
                    await anyio.wait_all_tasks_blocked()
                tasks.cancel_scope.cancel()
            with anyio.fail_after(PATIENCE):
                await closed.wait()
            upstream.control = upstream.models = None
            upstream.chat = replies("ok")
            content = content_of(await client.call_tool(CHAT, {"prompt": "y"}))

    assert content["content"] == "ok"


def resident_megabytes(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    line = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) / 1024


@pytest.mark.skipif(sys.platform != "linux", reason="reads the memory of a process from /proc")
async def test_a_host_that_does_not_read_costs_bounded_memory_and_is_served_when_it_reads() -> None:
    async with Sandbox(token_delay=0) as sandbox, host(**environ_of(sandbox)) as server:
        await server.initialize()
        before = resident_megabytes(server.process.pid)
        sent, blocked = 0, False
        while not blocked and sent < FLOOD:
            sent += 1
            with anyio.move_on_after(2) as patience:
                await server.call(sent, CHAT, prompt=f"sandbox: repeat 2 w{sent}")
            blocked = patience.cancelled_caught

        assert blocked
        assert sent < FLOOD
        assert resident_megabytes(server.process.pid) - before < 150
        for number in range(1, sent + 1):
            await server.answer(number)
