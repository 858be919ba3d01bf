"""One body of claims over every way to a server: stdio, HTTP, and three servers with a store behind nginx."""

import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path

import anyio
import mcp_types as types
import pytest
from mcp import Client, MCPError, StdioServerParameters

from alaya_mcp.serving.tools.tool import CARD_URI
from tests.calls import CHAT, COMPARE, ERAS, Era, content_of, error_of, text_of
from tests.http_host import KEYS, client_at, client_of, http_settings, serving
from tests.nginx import needs_nginx, nginx
from tests.patience import LONG_BUDGET, PATIENCE
from tests.server_group import STORE_KEY, Told
from tests.upstream import DONE, Exchange, Request, Upstream, says, text_chunk
from tests.valkey import Valkey, needs_valkey

pytestmark = pytest.mark.anyio

Way = Callable[[Upstream, Era, Path], AbstractAsyncContextManager[Client]]


@asynccontextmanager
async def over_stdio(upstream: Upstream, era: Era, _: Path) -> AsyncGenerator[Client]:
    """A server process of its own."""
    environ = {**upstream.environ, **LONG_BUDGET}
    parameters = StdioServerParameters(command=sys.executable, args=["-m", "alaya_mcp"], env=environ)
    async with Client(parameters, mode=era) as client:
        yield client


@asynccontextmanager
async def over_http(upstream: Upstream, era: Era, _: Path) -> AsyncGenerator[Client]:
    """One server."""
    async with (
        serving(upstream, http_settings(mode="keys"), **LONG_BUDGET) as server,
        client_of(server, era, KEYS) as client,
    ):
        yield client


@asynccontextmanager
async def over_nginx(upstream: Upstream, era: Era, folder: Path) -> AsyncGenerator[Client]:
    """Three servers: each request goes to the next one."""
    async with AsyncExitStack() as owned:
        store = await owned.enter_async_context(Valkey())
        settings = http_settings(mode="keys", store_url=store.url, store_key=STORE_KEY)
        servers = [await owned.enter_async_context(serving(upstream, settings, **LONG_BUDGET)) for _ in range(3)]
        port = await owned.enter_async_context(nginx([server.port for server in servers], folder))
        yield await owned.enter_async_context(client_at(f"http://127.0.0.1:{port}/mcp", era, KEYS))


WAYS = [
    pytest.param(over_stdio, id="stdio"),
    pytest.param(over_http, id="http"),
    pytest.param(over_nginx, id="nginx", marks=[needs_nginx, needs_valkey]),
]


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("way", WAYS)
async def test_a_host_works_the_same_over_every_transport(way: Way, era: Era, tmp_path: Path) -> None:
    engine = Told()
    with anyio.fail_after(PATIENCE):
        async with Upstream(chat=engine) as upstream:
            async with way(upstream, era, tmp_path) as client:
                await tools_are_listed_and_read(client)
                await a_chat_streams(client, engine)
                await a_reply_is_read_on(client, upstream)
                await models_are_compared(client, upstream)
                await errors_are_told(client, upstream)
                await resources_and_prompts_are_read(client)
                left = await a_call_is_cancelled(client, upstream)
                if way is over_stdio or era == "auto":  # over HTTP, a client of the handshake keeps its connection
                    await left.wait()
            await left.wait()


async def tools_are_listed_and_read(client: Client) -> None:
    names = {tool.name for tool in (await client.list_tools()).tools}
    assert names == {"get_deployment", "list_deployments", "list_lora_models", CHAT, COMPARE}
    found = content_of(await client.call_tool("get_deployment", {"service_id": "svc-1"}))
    assert (found["service_id"], found["ready"], found["models"][:2]) == ("svc-1", True, ["base", "base-alias"])
    loras = content_of(await client.call_tool("list_lora_models", {"service_id": "svc-1"}))
    assert [lora["name"] for lora in loras["lora_models"]] == ["lora1"]


async def a_chat_streams(client: Client, engine: Told) -> None:
    """Each note comes before the engine says more."""
    told: list[str] = []
    heard = anyio.Event()

    async def keep(progress: float, total: float | None, message: str | None) -> None:
        del progress, total
        nonlocal heard
        told.append(message or "")
        if told[-1] in {"一", "two"}:
            heard.set()

    results: list[types.CallToolResult] = []

    async def ask() -> None:
        question = {"service_id": "svc-1", "prompt": "x"}
        results.append(await client.call_tool(CHAT, question, progress_callback=keep))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ask)
        for word in ("一", "two"):
            engine.say(word)
            await heard.wait()
            heard = anyio.Event()
        engine.end()
    found = content_of(results[0])
    assert (found["content"], found["finish_reason"], found["usage"]["total_tokens"]) == ("一two", "stop", 23)
    assert "".join(told).endswith("一two")


async def a_reply_is_read_on(client: Client, upstream: Upstream) -> None:
    upstream.chat = engine = Told()
    text = "".join(f"{number} 答案是四十二。\n" for number in range(2_000))
    found = content_of(await client.call_tool(CHAT, {"service_id": "svc-1", "prompt": "x", "background": True}))
    engine.say(text[:10], text[10:])
    engine.end()
    content = found["content"]
    while "read_on" in found:
        found = content_of(await client.call_tool(CHAT, {"read_on": found["read_on"]}))
        content += found["content"]
    assert content == text
    assert found["finish_reason"] == "stop"


async def models_are_compared(client: Client, upstream: Upstream) -> None:
    text = "".join(f"{number} 答案是四十二。\n" for number in range(2_000))

    async def answers(request: Request, exchange: Exchange) -> None:
        model = request.json["model"]
        said = text if model == "lora1" else "42"
        await exchange.events(text_chunk(said, model=model), text_chunk(model=model, finish_reason="stop"), DONE)

    upstream.chat = answers
    found = content_of(await client.call_tool(COMPARE, {"service_id": "svc-1", "prompt": "x"}))
    base, lora = found["answers"]
    assert (base["model"], base["content"], lora["model"], lora["differs"]) == ("base", "42", "lora1", True)
    content = lora["content"]
    while "read_on" in lora:
        lora = content_of(await client.call_tool(CHAT, {"read_on": lora["read_on"]}))
        content += lora["content"]
    assert content == text
    refused = await client.call_tool(COMPARE, {"service_id": "svc-1", "prompt": "x", "models": 9 * ["lora1"]})
    assert error_of(refused)["code"] == "invalid_arguments"


async def errors_are_told(client: Client, upstream: Upstream) -> None:
    refused = await client.call_tool(CHAT, {"service_id": "svc-1", "prompt": "x", "temperature": "hot"})
    assert error_of(refused)["code"] == "invalid_arguments"
    upstream.chat = says(400, {"error": {"message": "no <such> thing"}})
    rejected = await client.call_tool(CHAT, {"service_id": "svc-1", "prompt": "x"})
    assert (error_of(rejected)["code"], error_of(rejected)["http_status"]) == ("request_rejected", 400)
    assert "no <such> thing" in text_of(rejected)
    unknown = await client.call_tool(CHAT, {"read_on": "alaya://replies/AAAA?from=0"})
    assert "reply" in text_of(unknown)
    assert error_of(unknown)["code"] == "invalid_arguments"
    with pytest.raises(MCPError):
        await client.call_tool("no_such_tool", {})


async def resources_and_prompts_are_read(client: Client) -> None:
    (content,) = (await client.read_resource("alaya://deployments/svc-1")).contents
    assert isinstance(content, types.TextResourceContents)
    assert '"service_id": "svc-1"' in content.text
    assert (await client.list_prompts()).prompts
    (page,) = (await client.read_resource(CARD_URI)).contents
    assert page.mime_type == "text/html;profile=mcp-app"


async def a_call_is_cancelled(client: Client, upstream: Upstream) -> anyio.Event:
    """Its engine sets the event when it is free."""
    began, left = anyio.Event(), anyio.Event()

    async def hangs(_: Request, exchange: Exchange) -> None:
        await exchange.events(text_chunk("a"))
        began.set()
        try:
            await exchange.hang()
        finally:
            left.set()

    upstream.chat = hangs
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lambda: client.call_tool(CHAT, {"service_id": "svc-1", "prompt": "x"}))
        await began.wait()
        tasks.cancel_scope.cancel()
    return left
