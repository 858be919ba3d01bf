"""What a start, a call and a token cost, in things that can be counted; how long they take is for benchmarks/."""

import json

import anyio
import pytest

from alaya_mcp.config.settings import load_settings
from tests.calls import CHAT, connected
from tests.stdio_host import host, warm_host
from tests.test_architecture import loaded_after
from tests.test_sdk import LOAD
from tests.upstream import DONE, Exchange, Request, Upstream, replies, says, text_chunk

pytestmark = [pytest.mark.anyio]

TOKENS = 1_000
SPARE = 1.1
"""Each figure was counted when it was written down; more than a tenth above it turns the test red."""
MODULES_OF_A_START = 554 * SPARE


def test_the_first_answers_need_few_modules() -> None:
    loaded = loaded_after("import alaya_mcp.cli.main, alaya_mcp.serving.stdio.opening") - loaded_after("pass")

    assert len(loaded) <= 32 * SPARE
    assert not {"asyncio", "anyio", "pydantic", "mcp_types", "dataclasses", "pathlib", "logging"} & loaded


def test_a_start_loads_few_modules() -> None:
    assert len(loaded_after(LOAD) - loaded_after("pass")) <= MODULES_OF_A_START


async def test_a_thousand_tokens_are_few_notes_and_few_bytes() -> None:
    async def many(_: Request, exchange: Exchange) -> None:
        await exchange.events(*(text_chunk("word") for _ in range(TOKENS)), DONE)

    async with Upstream(chat=many) as upstream, host(**upstream.environ, ALAYA_PROGRESS_INTERVAL_MS="60000") as server:
        await server.initialize()
        before = len(server.raw)
        await server.call(1, CHAT, prompt="x")
        await server.answer(1)
        said = len(server.raw) - before
        notes = [line for line in server.lines if line.get("method") == "notifications/progress"]

    assert len(notes) <= 4
    # The text three times: in the notes, in the text form and as structured content.
    assert said <= 3 * TOKENS * len("word") + 2_000


async def test_a_chat_with_a_known_deployment_is_one_request() -> None:
    async with Upstream(chat=replies("hello")) as upstream, connected(load_settings(upstream.environ)) as client:
        await client.call_tool(CHAT, {"prompt": "x"})
        before = len(upstream.requests)
        for _ in range(5):
            await client.call_tool(CHAT, {"prompt": "x"})

        assert len(upstream.requests) - before == 5


async def test_it_is_one_request_too_where_only_the_engine_tells_names() -> None:
    async with Upstream(chat=replies("hello")) as upstream, connected(load_settings(upstream.environ)) as client:
        upstream.deployment |= {"servedName": None, "instance": [{"baseModelReady": True}]}
        upstream.models = says(200, {"data": [{"id": "only-here", "owned_by": "vllm"}]})
        for _ in range(5):
            await client.call_tool(CHAT, {"prompt": "x"})
        assert (len(upstream.asked("/v1/models")), len(upstream.chats)) == (1, 5)

        unknown = await client.call_tool(CHAT, {"prompt": "x", "model": "loaded-since"})
        assert unknown.is_error
        assert len(upstream.asked("/v1/models")) == 2, "a name that is not known may have been loaded since"


async def test_chats_at_once_share_one_lookup() -> None:
    async with Upstream(chat=replies("hello")) as upstream, connected(load_settings(upstream.environ)) as client:
        async with anyio.create_task_group() as tasks:
            for _ in range(20):
                tasks.start_soon(client.call_tool, CHAT, {"prompt": "x"})

        assert len(upstream.requests) - len(upstream.chats) == 1


async def test_reads_at_once_share_their_requests() -> None:
    params = {"name": "get_deployment"}
    calls = [{"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params} for number in range(64)]
    async with Upstream() as upstream, warm_host(**upstream.environ) as server:
        await server.initialize()
        await server.send("\n".join(map(json.dumps, calls)).encode())
        for number in range(64):
            await server.answer(number)

        assert len(upstream.requests) <= 8
