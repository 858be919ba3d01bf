"""Which connections are kept, counted by a server that keeps all of them."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager

import pytest

from alaya_mcp.accounts import Shared
from alaya_mcp.chat.request import ChatRequest, Turn
from alaya_mcp.deadline import Deadline
from alaya_mcp.error_causes import Plane
from alaya_mcp.progress import Phase, ProgressNotes
from alaya_mcp.upstream.routes import Routes
from alaya_mcp.upstream.transport import Transport
from tests.patience import PATIENCE
from tests.upstream import SERVICE, Upstream, text_chunk

pytestmark = [pytest.mark.anyio]

ANSWER = f"data: {json.dumps(text_chunk('hi'))}\n\ndata: [DONE]\n\n"


@asynccontextmanager
async def kept_open(deployment: Mapping[str, object]) -> AsyncGenerator[tuple[str, Counter[str]]]:
    """A server of both planes that closes no connection: its URL, and its connections by the plane first asked."""
    counted: Counter[str] = Counter()
    served: set[asyncio.Task[None] | None] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        served.add(asyncio.current_task())
        is_new = True
        while head := await next_head(reader):
            is_chat = head.startswith(b"POST")
            counted["data" if is_chat else "control"] += is_new
            is_new = False
            if is_chat:
                length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length"))
                await reader.readexactly(int(length.partition(b":")[2]))
            body = ANSWER if is_chat else json.dumps({"code": 0, "data": {**deployment, "serviceUrl": f"{url}/serve"}})
            writer.write(f"HTTP/1.1 200 OK\r\ncontent-length: {len(body)}\r\n\r\n{body}".encode())
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        yield url, counted
        await asyncio.gather(*filter(None, served))  # the clients have left


async def next_head(reader: asyncio.StreamReader) -> bytes:
    """The head of the next request; empty when the client has left."""
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except (ConnectionError, asyncio.IncompleteReadError):
        return b""


async def quiet(progress: float, message: str, phase: Phase) -> None:
    """A host that asked for no notes."""


@pytest.mark.parametrize(
    "keepalive", [{"control": PATIENCE, "data": PATIENCE}, {"control": PATIENCE, "data": 0.0}], ids=str
)
async def test_each_plane_keeps_its_connections_as_long_as_is_right_for_it(keepalive: Mapping[Plane, float]) -> None:
    async with Upstream() as upstream:
        deployment, settings = upstream.deployment, upstream.settings
    async with (
        kept_open(deployment) as (url, counted),
        Shared(4, Transport(Routes({}, keepalive=keepalive))) as shared,
    ):
        account = shared.account(settings(ALAYA_BASE_URL=f"{url}/api"))
        for _ in range(3):
            deadline = Deadline.after(60)
            await account.cache.fresh(SERVICE, deadline)
            await account.chats.run(SERVICE, ChatRequest((Turn("user", "x"),)), deadline, ProgressNotes(quiet, 0))

    assert counted == {"control": 1, "data": 1 if keepalive["data"] else 3}
