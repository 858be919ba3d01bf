"""Clients that leave, and the counters that tell of them."""

import anyio
import pytest

from tests.sandbox.caller import SLOW, Caller, body_of, sandboxed

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("content", ["hello", "sandbox: silence 600"])
async def test_a_closed_stream_is_aborted_while_the_engine_waits(content: str) -> None:
    delay = 0.0 if content.startswith("sandbox") else SLOW
    async with sandboxed(token_delay=delay) as each:
        headers = {"apiKey": await each.key("sandbox-qwen3")}
        body = {"messages": [{"role": "user", "content": content}], "stream": True}
        url = f"{each.origin}/serve/sandbox-qwen3/v1/chat/completions"
        async with each.http.stream("POST", url, headers=headers, json=body) as response:
            assert response.status_code == 200
            assert each.sandbox.stats.chats_active == 1
        await each.sandbox.stats.wait_for(lambda stats: stats.chats_aborted == 1)
        assert each.sandbox.stats.chats_finished == 0


async def test_a_client_that_gives_up_on_a_whole_answer_aborts_it() -> None:
    async with sandboxed() as each, anyio.create_task_group() as group:
        messages = [{"role": "user", "content": "sandbox: silence 600"}]
        group.start_soon(lambda: each.chat(messages=messages))
        await each.sandbox.stats.wait_for(lambda stats: stats.chats_active == 1)
        group.cancel_scope.cancel()
        with anyio.CancelScope(shield=True):
            await each.sandbox.stats.wait_for(lambda stats: stats.chats_aborted == 1)


async def test_a_long_stream_without_delays_notices_that_its_client_left(caller: Caller) -> None:
    headers = {"apiKey": await caller.key("sandbox-qwen3")}
    body = {"messages": [{"role": "user", "content": "sandbox: repeat 32000 word"}], "stream": True}
    url = f"{caller.origin}/serve/sandbox-qwen3/v1/chat/completions"
    async with caller.http.stream("POST", url, headers=headers, json=body) as response:
        await anext(response.aiter_bytes())
    await caller.sandbox.stats.wait_for(lambda stats: stats.chats_aborted == 1)


async def test_the_counters_can_be_asked_for_without_a_key(caller: Caller) -> None:
    await caller.chat()
    await caller.chat(stream=True)
    await caller.chat(temperature=99)
    stats = body_of(await caller.http.get(f"{caller.origin}/sandbox/stats"))
    assert stats == {
        "requests": {"sandbox-qwen3": 3},
        "lookups": {"sandbox-qwen3": 3},
        "control_requests": 3,
        "chats_started": 2,
        "chats_finished": 2,
        "chats_aborted": 0,
        "chats_active": 0,
    }
