"""Faults that break a connection, keep it for ever, or lead nowhere."""

import asyncio
import os
import socket
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import httpx2
import pytest

from alaya_mcp.sandbox import Sandbox
from tests.patience import PATIENCE
from tests.sandbox.caller import HELLO, NO_CERTIFICATES, SLOW, Caller, sandboxed, streamed
from tests.sandbox.test_faults_answers import parts_of

pytestmark = pytest.mark.anyio

BEFORE = {"reset": httpx2.ReadError, "eof": httpx2.RemoteProtocolError}
MIDDLE = {"reset-mid": httpx2.ReadError, "server-killed": httpx2.RemoteProtocolError}
SILENT = ("hang", "slow-first-byte")
SLOWED = ("slow-first-byte", "slow-first-token")
# What each sends first, and again or nothing after that.
ENDLESS = {
    "slow-first-token": b": keep-alive\n\n",
    "comments-only": b": keep-alive\n\n",
    "drip": b" three",
    "engine-terminated": b" three",
    "never-closes": b'"usage":{',
    "endless-body": b'{"error":{"message":"' + b"x" * 1000,
    "endless-json": b"{ ",
}
ADDRESSES = ("dns", "tls", "refused")
COVERED = {*BEFORE, *MIDDLE, *SILENT, *SLOWED, *ENDLESS, *ADDRESSES}


@asynccontextmanager
async def chatting(caller: Caller, service_id: str) -> AsyncGenerator[httpx2.Response]:
    """A chat whose head has come."""
    headers = {"apiKey": await caller.key(service_id)}
    body = {"messages": HELLO, "stream": True, "stream_options": {"include_usage": True}}
    url = f"{caller.origin}/serve/{service_id}/v1/chat/completions"
    async with caller.http.stream("POST", url, headers=headers, json=body) as response:
        yield response


async def read_until(pieces: AsyncIterator[bytes], words: bytes) -> bytes:
    """What came until it holds some words."""
    body = b""
    while words not in body:
        body += await anext(pieces)
    return body


@pytest.mark.parametrize("name", BEFORE)
async def test_a_connection_breaks_before_an_answer(caller: Caller, name: str) -> None:
    with pytest.raises(BEFORE[name]):
        await caller.chat(f"fault-{name}", stream=True)
    await caller.sandbox.stats.wait_for(lambda stats: stats.chats_aborted == 1)


@pytest.mark.parametrize("name", MIDDLE)
@pytest.mark.parametrize("everywhere", [False, True])
async def test_a_connection_breaks_after_three_tokens(name: str, *, everywhere: bool) -> None:
    async with sandboxed(fault=name if everywhere else None) as each:
        body = b""
        async with chatting(each, "sandbox-qwen3" if everywhere else f"fault-{name}") as response:
            with pytest.raises(MIDDLE[name]):  # noqa: PT012 - what came before the break is kept
                async for piece in response.aiter_raw():
                    body += piece
        assert streamed([httpx2.Response(200, text=part).json() for part in parts_of(body.decode())]) == "one two three"
        await each.sandbox.stats.wait_for(lambda stats: stats.chats_aborted == 1)


@pytest.mark.parametrize("name", SILENT)
async def test_a_client_that_gives_up_on_silence_ends_it(name: str) -> None:
    async with sandboxed(slow_seconds=SLOW) as each, anyio.create_task_group() as group:
        group.start_soon(lambda: each.chat(f"fault-{name}", stream=True))
        await each.sandbox.stats.wait_for(lambda stats: stats.chats_active == 1)
        group.cancel_scope.cancel()
        with anyio.CancelScope(shield=True):
            await each.sandbox.stats.wait_for(lambda stats: stats.chats_aborted == 1)


@pytest.mark.parametrize("name", SLOWED)
async def test_a_slow_answer_is_a_good_one_in_the_end(name: str) -> None:
    async with sandboxed(slow_seconds=0.0) as each:
        text = (await each.chat(f"fault-{name}", stream=True)).text
        chunks = [part for part in parts_of(text) if not part.startswith(":")]
        assert chunks.pop() == "[DONE]"
        assert streamed([httpx2.Response(200, text=part).json() for part in chunks]) == "one two three"
        await each.sandbox.stats.wait_for(lambda stats: stats.chats_finished == 1)


@pytest.mark.parametrize("name", ENDLESS)
async def test_what_has_no_end_ends_with_its_client(name: str) -> None:
    async with sandboxed(slow_seconds=SLOW) as each:
        async with chatting(each, f"fault-{name}") as response:
            assert response.status_code == (400 if name == "endless-body" else 200)
            body = await read_until(response.aiter_raw(), ENDLESS[name])
            assert b"[DONE]" not in body
            assert (b'"finish_reason":"stop"' in body) is (name == "never-closes")
            assert each.sandbox.stats.chats_active == (name != "endless-body")
        await each.sandbox.stats.wait_for(lambda stats: stats.chats_active == 0)
        assert each.sandbox.stats.chats_aborted == (name != "endless-body")


async def test_a_drip_goes_on_after_its_first_tokens(caller: Caller) -> None:
    async with chatting(caller, "fault-drip") as response:
        pieces = response.aiter_raw()
        await read_until(pieces, b" three")
        await read_until(pieces, b'" one"')


@pytest.mark.parametrize(("name", "last"), [("engine-terminated", b" three"), ("never-closes", b'"usage":{')])
async def test_what_falls_silent_says_no_more(caller: Caller, name: str, last: bytes) -> None:
    async with chatting(caller, f"fault-{name}") as response:
        pieces = response.aiter_raw()
        await read_until(pieces, last)
        with anyio.move_on_after(0.1) as silence:
            pytest.fail(f"it said {await anext(pieces)!r}")
        assert silence.cancelled_caught


@pytest.mark.parametrize(
    ("name", "error"),
    [("dns", httpx2.ConnectError), ("refused", httpx2.ConnectError), ("tls", httpx2.ConnectError)],
)
@pytest.mark.parametrize("everywhere", [False, True])
async def test_an_address_leads_nowhere(name: str, error: type[Exception], *, everywhere: bool) -> None:
    async with sandboxed(fault=name if everywhere else None) as each:
        url = (await each.detail("sandbox-qwen3" if everywhere else f"fault-{name}"))["serviceUrl"]
        assert httpx2.URL(url).host == ("engine.invalid" if name == "dns" else "127.0.0.1")
        assert httpx2.URL(url).scheme == ("https" if name == "tls" else "http")
        with pytest.raises(error):
            await each.http.post(f"{url}/v1/chat/completions", json={})


async def test_a_refused_port_is_held_for_as_long_as_the_sandbox_runs(caller: Caller) -> None:
    port = httpx2.URL((await caller.detail("fault-refused"))["serviceUrl"]).port
    assert port is not None
    with socket.socket() as other, pytest.raises(OSError, match="in use"):
        other.bind(("127.0.0.1", port))


async def test_closing_ends_every_fault_at_once_and_leaves_nothing() -> None:
    names = [*SILENT, *ENDLESS, "control-hang", "control-endless"]
    tasks, descriptors = asyncio.all_tasks(), _descriptors()
    sandbox = Sandbox(token_delay=0.0, slow_seconds=SLOW)
    async with httpx2.AsyncClient(trust_env=False, verify=NO_CERTIFICATES, timeout=SLOW) as http:
        with anyio.fail_after(PATIENCE):
            async with anyio.create_task_group() as group, sandbox:
                each = Caller(sandbox, http)
                for name in names:
                    group.start_soon(_fails, each, name)
                looked, active = len(names), len(names) - 3  # two ask for a detail, one is refused
                await sandbox.stats.wait_for(
                    lambda stats: (stats.control_requests, stats.chats_active) == (looked, active)
                )
    assert (sandbox.stats.chats_active, sandbox.stats.chats_finished) == (0, 0)
    await anyio.lowlevel.checkpoint()
    assert asyncio.all_tasks() == tasks
    assert _descriptors() == descriptors


async def _fails(caller: Caller, name: str) -> None:
    with pytest.raises(httpx2.TransportError):
        await (
            caller.control(f"deployment/fault-{name}")
            if name.startswith("control-")
            else caller.chat(f"fault-{name}", stream=True)
        )


def _descriptors() -> int:
    listed = Path("/proc/self/fd") if os.name == "posix" and Path("/proc/self/fd").exists() else None
    return len(list(listed.iterdir())) if listed else 0
