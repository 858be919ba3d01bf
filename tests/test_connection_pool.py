"""Claims about this project's own connections, over real sockets, beside the HTTP library's."""

import asyncio
import gc
import ssl
import sys
from collections.abc import Callable, Generator
from pathlib import Path

import anyio
import anyio.lowlevel
import httpx2
import pytest

from alaya_mcp.accounts import Shared
from alaya_mcp.deadline import Deadline
from alaya_mcp.upstream.connection_pool import ConnectionPool
from alaya_mcp.upstream.failures import kind_of
from alaya_mcp.upstream.routes import Routes
from alaya_mcp.upstream.transport import Transport
from tests.certificates import certificate
from tests.http_host import NO_CERTIFICATES
from tests.patience import PATIENCE
from tests.raw_server import Serve, always, serving
from tests.upstream import SERVICE, Upstream

pytestmark = [pytest.mark.anyio, pytest.mark.both_loops]

OK = b"HTTP/1.1 200 OK\r\n"
MOST_IDLE = 4
Contexts = tuple[ssl.SSLContext | None, ssl.SSLContext | None]
THREE = OK + b"content-length: 3\r\n\r\nabc"
CHUNKED = OK + b"transfer-encoding: chunked\r\n\r\n"

LEGAL = {
    "a length": THREE,
    "chunks": CHUNKED + b"1\r\na\r\n2\r\nbc\r\n0\r\n\r\n",
    "chunks with extensions and trailers": CHUNKED + b"3;name=value\r\nabc\r\n0\r\nChecksum: 1\r\n\r\n",
    "spaces after a value": OK + b"x-long: a \t\r\ncontent-length: 3 \r\n\r\nabc",
    "a chunk size with spaces": CHUNKED + b"3  \r\nabc\r\n0\r\n\r\n",
    "until the end": OK + b"\r\nabc",
    "HTTP/1.0": b"HTTP/1.0 200 OK\r\n\r\nabc",
    "no reason": b"HTTP/1.1 200\r\ncontent-length: 3\r\n\r\nabc",
    "an interim response": b"HTTP/1.1 103 Early Hints\r\nlink: a\r\n\r\n" + THREE,
    "bare line feeds": THREE.replace(b"\r\n", b"\n"),
    "an empty header": OK + b"x-empty:\r\ncontent-length:3\r\n\r\nabc",
    "a folded header": OK + b"x-long: a\r\n b\r\ncontent-length: 3\r\n\r\nabc",
    "chunks and a length": OK + b"content-length: 9\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    "more than its length": THREE + b"def",
    "another response": THREE + b"HTTP/1.1 500 No\r\ncontent-length: 1\r\n\r\nd",
    "no content": b"HTTP/1.1 204 No Content\r\n\r\n",
    "a refusal": b"HTTP/1.1 429 Too Many Requests\r\nretry-after: 1\r\ncontent-length: 0\r\n\r\n",
}
BROKEN = {
    "nothing": (b"", "reset"),
    "half a head": (OK + b"content-", "reset"),
    "half a body": (THREE[:-1], "reset"),
    "half a chunk": (CHUNKED + b"3\r\na", "reset"),
    "no last chunk": (CHUNKED + b"3\r\nabc\r\n", "reset"),
    "an interim response alone": (b"HTTP/1.1 100 Continue\r\n\r\n", "reset"),
    "no HTTP": (b"<html></html>\r\n\r\n", "broken_http"),
    "a length that is no number": (OK + b"content-length: many\r\n\r\nabc", "broken_http"),
    "a status of 000": (b"HTTP/1.1 000 OK\r\ncontent-length: 3\r\n\r\nabc", "broken_http"),
    "two lengths": (OK + b"content-length: 3\r\ncontent-length: 4\r\n\r\nabc", "broken_http"),
    "trailers without end": (CHUNKED + b"3\r\nabc\r\n0\r\n" + b"x: y\r\n" * 2**16, "broken_http"),
    "a chunk extension without end": (CHUNKED + b"3;" + b"x" * 2**18, "broken_http"),
    "a second transfer coding": (
        OK + b"transfer-encoding: gzip\r\n" + CHUNKED[len(OK) :] + b"0\r\n\r\n",
        "broken_http",
    ),
    "a transfer coding that is not known": (OK + b"transfer-encoding: zip\r\n\r\nabc", "broken_http"),
    "a chunk size that is no number": (CHUNKED + b"many\r\nabc\r\n", "broken_http"),
    "headers without end": (OK + b"x: y\r\n" * 2**16, "broken_http"),
}


@pytest.fixture(params=["plain", "TLS"])
def contexts(request: pytest.FixtureRequest, tmp_path: Path) -> Contexts:
    """A server's and a client's TLS, or none."""
    return certificate(tmp_path) if request.param == "TLS" else (None, None)


@pytest.fixture
def collecting_no_garbage() -> Generator[None]:
    """What is left open stays open."""
    gc.disable()
    yield
    gc.enable()


def pooled(tls: ssl.SSLContext | None = None) -> httpx2.AsyncClient:
    """A client with this project's connections."""
    return httpx2.AsyncClient(transport=ConnectionPool(tls, PATIENCE, MOST_IDLE), trust_env=False, timeout=PATIENCE)


def plain(tls: ssl.SSLContext = NO_CERTIFICATES) -> httpx2.AsyncClient:
    """A client with the HTTP library's connections."""
    return httpx2.AsyncClient(verify=tls, trust_env=False, timeout=PATIENCE)


async def outcome(client: httpx2.AsyncClient, url: str) -> object:
    """The response to a GET, or the kind of its failure."""
    async with client:
        try:
            response = await client.get(url)
        except httpx2.HTTPError as error:
            return kind_of(error)
    return response.status_code, response.content, sorted(response.headers.items())


@pytest.mark.parametrize("response", LEGAL.values(), ids=LEGAL)
@pytest.mark.parametrize("a_byte_at_a_time", [False, True], ids=["at once", "by bytes"])
async def test_a_response_is_read_as_the_http_library_reads_it(response: bytes, *, a_byte_at_a_time: bool) -> None:
    async with serving(always(response, a_byte_at_a_time=a_byte_at_a_time)) as url:
        assert await outcome(pooled(), url) == await outcome(plain(), url)


@pytest.mark.parametrize(("response", "kind"), BROKEN.values(), ids=BROKEN)
async def test_a_response_fails_as_with_the_http_library(response: bytes, kind: str) -> None:
    async with serving(always(response)) as url:
        assert await outcome(pooled(), url) == await outcome(plain(), url) == kind


@pytest.mark.parametrize(
    "response",
    [CHUNKED.replace(b"chunked", b"chunked\r\ntransfer-encoding: chunked") + b"3\r\nabc\r\n0\r\n\r\n",
     OK + b"x-colour: \x1b[31mred\r\ncontent-length: 3\r\n\r\nabc",
     b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\nx: " + b"y" * 2**16 + b"\r\n\r\nabc"],
    ids=["chunked told twice", "a control character in a header", "64 KiB of headers"],
)  # fmt: skip
async def test_more_is_accepted_than_by_the_rules(response: bytes) -> None:
    async with serving(always(response)) as url, pooled() as client:
        assert (await client.get(url)).content == b"abc"


async def test_nothing_was_sent_where_there_is_no_connection() -> None:
    async with serving(always(THREE)) as url:
        pass

    assert await outcome(pooled(), url) == "refused"
    for name in ("nowhere.invalid", "no..where", f"{64 * 'a'}.invalid"):
        assert await outcome(pooled(), f"http://{name}") == await outcome(plain(), f"http://{name}") == "dns"


async def test_what_is_sent_is_the_request() -> None:
    asked: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n") + await reader.readexactly(2))
        writer.write(THREE)

    async with serving(serve) as url, pooled() as client:
        await client.post(f"{url}/a%20b?c=%2F#d", content=b"{}", headers={"apiKey": "key"})

    line, *rest = asked[0].split(b"\r\n")
    assert line == b"POST /a%20b?c=%2F HTTP/1.1"
    assert rest[0].lower() == b"host: " + url.removeprefix("http://").encode()
    assert b"apiKey: key" in rest
    assert rest[-2:] == [b"", b"{}"]


@pytest.mark.parametrize("value", ["a\r\nhost: elsewhere", "a\nhost: elsewhere", "a\rb", "a\0b"])
async def test_a_header_cannot_begin_another_line(value: str) -> None:
    async with serving(always(THREE)) as url, pooled() as client:
        with pytest.raises(httpx2.LocalProtocolError):
            await client.get(url, headers={"apiKey": value})


async def test_a_handshake_that_is_not_answered_times_out_before_anything_is_sent() -> None:
    async def serve(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    async with serving(serve) as url, pooled(ssl.create_default_context()) as client:
        with pytest.raises(httpx2.ConnectTimeout):
            await client.get(url.replace("http:", "https:"), timeout=httpx2.Timeout(PATIENCE, connect=0.01))


def counting(counted: list[int], responses: Callable[[int], list[bytes]]) -> Serve:
    """Answer the requests of each connection in turn, closing it after the last response; count the connections."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        counted.append(0)
        for response in responses(len(counted)):
            await reader.readuntil(b"\r\n\r\n")
            counted[-1] += 1
            writer.write(response)

    return serve


@pytest.mark.parametrize(
    ("response", "connections"),
    [(THREE, 1), (CHUNKED + b"3\r\nabc\r\n0\r\n\r\n", 1),
     (OK + b"connection: close\r\ncontent-length: 3\r\n\r\nabc", 3),
     (b"HTTP/1.0 200 OK\r\ncontent-length: 3\r\n\r\nabc", 3),
     (THREE + b"more", 3)],
    ids=["a length", "chunks", "close", "HTTP/1.0", "more than its length"],
)  # fmt: skip
async def test_a_connection_is_used_again_where_its_response_allows_it(response: bytes, connections: int) -> None:
    counted: list[int] = []
    async with serving(counting(counted, lambda _: [response] * 9)) as url, pooled() as client:
        for _ in range(3):
            assert (await client.get(url)).content == b"abc"

    assert len(counted) == connections


async def test_no_more_connections_are_kept_than_it_was_told() -> None:
    counted: list[int] = []
    async with serving(counting(counted, lambda _: [THREE] * 9)) as url, pooled() as client:
        for _ in range(2):
            async with anyio.create_task_group() as tasks:
                for _ in range(2 * MOST_IDLE):
                    tasks.start_soon(client.get, url)

    assert len(counted) == 3 * MOST_IDLE


async def test_a_connection_that_the_server_has_closed_is_not_used_again(contexts: Contexts) -> None:
    server, trusted = contexts
    counted: list[int] = []
    async with serving(counting(counted, lambda _: [THREE, THREE]), server) as url, pooled(trusted) as client:
        for turns in range(12):  # of the event loop, between the server's closing it and its next use
            assert (await client.get(url)).content == b"abc"
            assert (await client.get(url)).content == b"abc"
            for _ in range(turns):
                await anyio.lowlevel.checkpoint()

    assert counted == [2] * 12


async def test_a_closed_pool_keeps_nothing() -> None:
    left = anyio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(THREE)
        await reader.read()
        left.set()

    async with serving(serve) as url:
        pool = ConnectionPool(None, PATIENCE, MOST_IDLE)
        response = await pool.handle_async_request(httpx2.Request("GET", url, extensions={"timeout": {}}))
        await pool.aclose()
        assert await response.aread() == b"abc"
        await response.aclose()
        with anyio.fail_after(PATIENCE):
            await left.wait()


async def test_a_connection_on_which_something_came_unasked_is_not_used_again() -> None:
    counted: list[int] = []
    spoken = anyio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        counted.append(0)
        while await reader.readuntil(b"\r\n\r\n"):
            writer.write(THREE)
            await asyncio.sleep(0)
            writer.write(b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\n\r\n")
            await writer.drain()
            spoken.set()

    async with serving(serve) as url, pooled() as client:
        for _ in range(2):
            assert (await client.get(url)).content == b"abc"
            await spoken.wait()
            await anyio.wait_all_tasks_blocked()

    assert len(counted) == 2


async def test_a_connection_is_used_for_its_own_origin_only() -> None:
    counts: tuple[list[int], list[int]] = [], []
    one, other = (serving(counting(counted, lambda _: [THREE] * 9)) for counted in counts)
    async with one as one_url, other as other_url, pooled() as client:
        for url in (one_url, other_url) * 2:
            await client.get(url)

    assert counts == ([2], [2])


async def test_a_body_that_is_not_read_to_its_end_closes_the_connection() -> None:
    left = anyio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(CHUNKED + b"3\r\nabc\r\n")
        await reader.read()
        left.set()

    async with serving(serve) as url, pooled() as client:
        async with client.stream("GET", url) as response:
            assert await anext(response.aiter_bytes()) == b"abc"
        with anyio.fail_after(PATIENCE):
            await left.wait()


async def test_a_request_that_is_cancelled_closes_the_connection() -> None:
    asked, left = anyio.Event(), anyio.Event()

    async def serve(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        asked.set()
        await reader.read()
        left.set()

    async with serving(serve) as url, pooled() as client, anyio.create_task_group() as tasks:
        tasks.start_soon(client.get, url)
        await asked.wait()
        tasks.cancel_scope.cancel()
        with anyio.CancelScope(shield=True), anyio.fail_after(PATIENCE):
            await left.wait()
    assert left.is_set()


@pytest.mark.usefixtures("collecting_no_garbage")
async def test_a_connection_that_is_cancelled_while_it_is_made_is_closed() -> None:
    begun: list[None] = []

    async def serve(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        begun.append(None)
        await reader.read()
        begun.pop()

    async with serving(serve) as url, pooled() as client:
        for turns in range(40):
            task = asyncio.create_task(client.get(url.replace("127.0.0.1", "localhost")))
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        with anyio.fail_after(PATIENCE):
            while begun:
                await anyio.lowlevel.checkpoint()


async def test_no_more_is_read_than_there_is_a_reader_for() -> None:
    megabytes = 64
    sent = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK + b"content-length: %d\r\n\r\n" % (megabytes * 2**20))
        for _ in range(megabytes):
            writer.write(bytes(2**20))
            await writer.drain()
            sent += 1

    async with serving(serve) as url, pooled() as client, client.stream("GET", url) as response:
        for _ in range(2_000):  # turns of the event loop: enough to send all of it
            await anyio.lowlevel.checkpoint()
        assert sent < megabytes // 2
        assert sum([len(chunk) async for chunk in response.aiter_bytes()]) == megabytes * 2**20


async def test_a_request_that_is_not_read_times_out_or_is_answered_early(contexts: Contexts) -> None:
    server, trusted = contexts
    big = bytes(2**24)

    async def deaf(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await anyio.sleep_forever()

    async def early(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Too Large\r\ncontent-length: 0\r\n\r\n")
        await anyio.sleep_forever()

    async with serving(deaf, server) as url, pooled(trusted) as client:
        with pytest.raises(httpx2.WriteTimeout):
            await client.post(url, content=big, timeout=httpx2.Timeout(PATIENCE, write=0.01))
    async with serving(early, server) as url, pooled(trusted) as client:
        assert (await client.post(url, content=big)).status_code == 413


async def test_a_large_request_is_sent_whole(contexts: Contexts) -> None:
    server, trusted = contexts
    big = bytes(range(256)) * 2**12
    received: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        received.append(await reader.readexactly(len(big)))
        writer.write(THREE)

    async with serving(serve, server) as url, pooled(trusted) as client:
        assert (await client.post(url, content=big)).content == b"abc"

    assert received == [big]


async def test_a_server_that_has_said_its_last_word_is_not_waited_for() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(THREE[:-1])
        writer.write_eof()
        await anyio.sleep_forever()

    async with serving(serve) as url, pooled() as client:
        with pytest.raises(httpx2.ReadError):
            await client.post(url, content=bytes(2**24))


async def test_a_connection_on_which_a_request_is_still_being_sent_is_not_used_again(contexts: Contexts) -> None:
    server, trusted = contexts
    counted: list[int] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        counted.append(0)
        await reader.readuntil(b"\r\n\r\n")
        writer.write(THREE)
        await anyio.sleep_forever()

    async with serving(serve, server) as url, pooled(trusted) as client:
        for _ in range(2):
            assert (await client.post(url, content=bytes(2**24))).content == b"abc"

    assert len(counted) == 2


@pytest.mark.parametrize("a_byte_at_a_time", [False, True], ids=["at once", "by bytes"])
@pytest.mark.parametrize("name", LEGAL)
async def test_a_response_over_tls_is_read_as_well(tmp_path: Path, name: str, *, a_byte_at_a_time: bool) -> None:
    server, trusted = certificate(tmp_path)
    async with serving(always(LEGAL[name], a_byte_at_a_time=a_byte_at_a_time), server) as url:
        over_tls = httpx2.AsyncClient(
            transport=ConnectionPool(trusted, PATIENCE, MOST_IDLE), trust_env=False, timeout=PATIENCE
        )
        plain_tls = httpx2.AsyncClient(verify=trusted, trust_env=False, timeout=PATIENCE)
        assert await outcome(over_tls, url) == await outcome(plain_tls, url)


async def test_without_llhttp_the_http_library_connects(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "httptools", None)
    for module in ("connection_pool", "http_connection"):
        monkeypatch.delitem(sys.modules, f"alaya_mcp.upstream.{module}")
    async with Upstream() as upstream, Shared(1, Transport(Routes({}))) as shared:
        deployment = await shared.account(upstream.settings()).cache.fresh(SERVICE, Deadline.after(PATIENCE))

    assert deployment.service_id == SERVICE
    assert "alaya_mcp.upstream.http_connection" not in sys.modules


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_where_accounts_are_strangers_only_listed_hosts_may_be_at_private_addresses(host: str) -> None:
    async with serving(always(THREE)) as url:
        port = httpx2.URL(url).port
        for listed, expected in ((frozenset[str](), "not_public"), (frozenset({host}), None)):
            pool = ConnectionPool(None, 1.0, MOST_IDLE, listed)
            try:
                response = await pool.handle_async_request(httpx2.Request("GET", f"http://{host}:{port}/"))
                await response.aread()
                found = None
            except httpx2.ConnectError as error:
                found = kind_of(error)
            finally:
                await pool.aclose()
            assert found == expected
