"""Servers of one group over a real store, and an engine that writes what it is told to."""

import asyncio
import base64
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import anyio
from mcp import Client

from alaya_mcp.serving.http.server import HttpServer
from tests.calls import CHAT, Era, content_of
from tests.http_host import KEYS, client_of, http_settings, serving
from tests.patience import LONG_BUDGET
from tests.upstream import DONE, Exchange, Handler, Request, Upstream, text_chunk
from tests.valkey import Valkey

STORE_KEY = base64.b64encode(bytes(range(32))).decode()


@asynccontextmanager
async def server_of(upstream: Upstream, store: Valkey, **variables: str) -> AsyncGenerator[HttpServer]:
    """One server of a group, in the mode keys."""
    settings = http_settings(mode="keys", store_url=store.url, store_key=STORE_KEY, grace_seconds=4)
    async with serving(upstream, settings, **{**LONG_BUDGET, **variables}) as server:
        yield server


@asynccontextmanager
async def group(
    upstream: Upstream, era: Era = "auto", count: int = 2, **variables: str
) -> AsyncGenerator[tuple[Valkey, list[Client]]]:
    """A store, and a client of each of several servers."""
    async with AsyncExitStack() as owned:
        store = await owned.enter_async_context(Valkey())
        servers = [await owned.enter_async_context(server_of(upstream, store, **variables)) for _ in range(count)]
        yield store, [await owned.enter_async_context(client_of(server, era, KEYS)) for server in servers]


class Told:
    """An engine that writes what it is told to."""

    def __init__(self) -> None:
        self._said = asyncio.Queue[object]()
        self.left = asyncio.Event()

    async def __call__(self, _: Request, exchange: Exchange) -> None:
        await exchange.events()
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._write, exchange)
                await exchange.hang()
                tasks.cancel_scope.cancel()
        finally:
            self.left.set()

    async def _write(self, exchange: Exchange) -> None:
        while True:
            await exchange.event(await self._said.get())

    def say(self, *words: str) -> None:
        """Write words."""
        for word in words:
            self._said.put_nowait(text_chunk(word))

    def think(self, *words: str) -> None:
        """Write thinking."""
        for word in words:
            self._said.put_nowait({"model": "base", "choices": [{"index": 0, "delta": {"reasoning_content": word}}]})

    def end(self) -> None:
        """End the reply."""
        usage = {"prompt_tokens": 3, "completion_tokens": 20, "total_tokens": 23}
        self._said.put_nowait(text_chunk(finish_reason="stop") | {"usage": usage})
        self._said.put_nowait(DONE)


async def begun(client: Client, **arguments: object) -> str:
    """The read_on of a new reply that is written in the background."""
    arguments = {"service_id": "svc-1", "prompt": "x", "background": True, **arguments}
    return str(content_of(await client.call_tool(CHAT, arguments))["read_on"])


async def part(client: Client, read_on: str, seconds: float = 900) -> dict[str, Any]:
    """One part of a reply."""
    return content_of(await client.call_tool(CHAT, {"read_on": read_on, "timeout_seconds": seconds}))


def says_all(text: str) -> Handler:
    """An engine that writes a whole text at once."""

    async def handler(_: Request, exchange: Exchange) -> None:
        await exchange.events(text_chunk(text), text_chunk(finish_reason="stop"), DONE)

    return handler


async def call(client: Client, **arguments: object) -> dict[str, Any]:
    """The result of a chat."""
    return content_of(await client.call_tool(CHAT, {"service_id": "svc-1", **arguments}))
