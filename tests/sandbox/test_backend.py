"""A deployment whose engine is a backend somewhere else."""

import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import anyio
import httpx2
import pytest

from alaya_mcp.sandbox import Sandbox
from tests.sandbox.caller import body_of, sandboxed

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("ending", ["", "/", "/v1", "/v1/"])
async def test_a_backend_becomes_the_default_deployment(ending: str) -> None:
    async with sandboxed() as behind:
        backend = f"{behind.origin}/serve/sandbox-qwen3{ending}"
        async with sandboxed(backend=backend, backend_key="k") as each:
            assert each.sandbox.default_service_id == each.sandbox.service_ids[0] == "sandbox-backend"
            detail = await each.detail("sandbox-backend")
            assert (detail["status"], "servedName" in detail) == ("running", False)
            # The emulator behind wants its key in another header, so its refusal shows that it was asked.
            response = await each.chat("sandbox-backend")
            assert (response.status_code, body_of(response)) == (401, {"error": "Unauthorized"})
            assert behind.sandbox.stats.requests["sandbox-qwen3"] == 1


async def test_a_backend_is_given_its_key_and_relayed_as_it_comes() -> None:
    async with _engine(b"HTTP/1.1 418 I'm a teapot\r\ncontent-type: text/x\r\ncontent-length: 2\r\n\r\nok") as (
        url,
        heard,
        _,
    ):
        async with sandboxed(backend=url, backend_key="secret") as each:
            response = await each.chat("sandbox-backend")
        assert (response.status_code, response.headers["content-type"], response.text) == (
            418,
            "text/x",
            "ok",
        )
        assert heard[0].startswith(b"POST /v1/chat/completions HTTP/1.1\r\n")
        assert b"Authorization: Bearer secret\r\n" in heard[0]
        assert b"sandbox-key" not in heard[0]


async def test_a_backends_stream_is_relayed_piece_by_piece_and_closed_with_its_client() -> None:
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    async with _engine(head + b"6\r\ndata: \r\n") as (url, _, closed), sandboxed(backend=url) as each:
        headers = {"apiKey": await each.key("sandbox-backend")}
        address = f"{each.origin}/serve/sandbox-backend/v1/chat/completions"
        async with each.http.stream("POST", address, headers=headers, json={}) as response:
            assert await anext(response.aiter_bytes()) == b"data: "
        await each.sandbox.stats.wait_for(lambda stats: stats.chats_aborted == 1)
        await closed.wait()


async def test_a_backend_that_breaks_off_breaks_the_answer_off() -> None:
    answer = b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf"
    async with _engine(answer, hang_up=True) as (url, _, _), sandboxed(backend=url) as each:
        with pytest.raises(httpx2.RemoteProtocolError):
            await each.chat("sandbox-backend")


async def test_a_backend_that_is_not_there_is_a_502_that_does_not_name_it() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    async with sandboxed(backend=f"http://user:pass@127.0.0.1:{port}") as each:
        response = await each.chat("sandbox-backend")
        assert response.status_code == 502
        assert set(body_of(response)["error"]) == {"message", "type", "param", "code"}
        assert "pass" not in response.text
        assert (await each.engine("v2/x", "sandbox-backend")).status_code == 404


async def test_a_backend_that_is_no_address_is_refused_at_the_start() -> None:
    with pytest.raises(ValueError, match="http or https"):
        async with Sandbox(backend="localhost:8000"):
            pytest.fail("it started")


@asynccontextmanager
async def _engine(answer: bytes, *, hang_up: bool = False) -> AsyncGenerator[tuple[str, list[bytes], anyio.Event]]:
    """Serve one fixed answer on a socket; tell what was heard and when the caller hung up."""
    heard: list[bytes] = []
    closed = anyio.Event()

    async def serve(stream: anyio.abc.SocketStream) -> None:
        async with stream:
            heard.append(await stream.receive())
            await stream.send(answer)
            try:
                while not hang_up:
                    await stream.receive()
            except (anyio.EndOfStream, anyio.BrokenResourceError):
                closed.set()

    async with (
        await anyio.create_tcp_listener(local_host="127.0.0.1") as listener,
        anyio.create_task_group() as group,
    ):
        group.start_soon(listener.serve, serve)
        port = listener.extra(anyio.abc.SocketAttribute.local_port)  # noqa: S610 - no database here
        yield f"http://127.0.0.1:{port}", heard, closed
        group.cancel_scope.cancel()
