"""Stdin and stdout as hosts give them: pipes, sockets, files; read or not read, closed in any order."""

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from itertools import pairwise
from pathlib import Path
from subprocess import PIPE
from typing import IO, Any

import anyio
import mcp_types as types
import pytest
from anyio.abc import Process
from hypothesis import given
from hypothesis import strategies as st
from mcp.shared.message import SessionMessage

from alaya_mcp.serving.stdio.pipes import Input, Output, Pipes
from alaya_mcp.serving.stdio.stdout_guard import Descriptors
from tests.patience import LONG_BUDGET, PATIENCE
from tests.starts import Start
from tests.stdio_host import Host, host, own_environ
from tests.upstream import Exchange, Request, Upstream, replies, text_chunk

pytestmark = [pytest.mark.anyio, pytest.mark.skipif(sys.platform == "win32", reason="POSIX' own pipes and sockets")]

fcntl = pytest.importorskip("fcntl")
CHAT = "chat_with_deployment"
HANDSHAKE = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}
OPENING = [
    {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": HANDSHAKE},
    {"jsonrpc": "2.0", "method": "notifications/initialized"},
]


def lines_of(*messages: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(message).encode() + b"\n" for message in messages)


@asynccontextmanager
async def started(stdin: int | IO[bytes], stdout: int | IO[bytes], **environ: str) -> AsyncGenerator[Process]:
    """The server with these as its stdin and stdout, for as long as a test has patience."""
    command = [sys.executable, *Start.words]
    with anyio.fail_after(PATIENCE):
        process = await anyio.open_process(command, stdin=stdin, stdout=stdout, stderr=PIPE, env=own_environ(**environ))
        try:
            yield process
        finally:
            if process.returncode is None:
                process.kill()
            with anyio.CancelScope(shield=True):
                await process.aclose()


@pytest.mark.windows_rules_too
@pytest.mark.parametrize("half_closed", [False, True])
async def test_two_sockets_serve_as_two_pipes_do(half_closed: bool) -> None:
    """Node gives its children sockets; some hosts shut down the direction of each that nobody uses."""
    (ours_in, theirs_in), (ours_out, theirs_out) = socket.socketpair(), socket.socketpair()
    if half_closed:
        ours_in.shutdown(socket.SHUT_RD)
        ours_out.shutdown(socket.SHUT_WR)
    async with (
        Upstream(chat=replies("hello")) as upstream,
        started(theirs_in.fileno(), theirs_out.fileno(), **upstream.environ) as process,
    ):
        theirs_in.close()
        theirs_out.close()
        call = {"name": CHAT, "arguments": {"prompt": "x"}}
        ours_in.sendall(lines_of(*OPENING, {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call}))
        ours_out.settimeout(PATIENCE)
        answers = await anyio.to_thread.run_sync(lambda: [json.loads(line) for line in _lines(ours_out, 2)])
        ours_in.close()
        status = await process.wait()
        ours_out.close()

    assert [answer["id"] for answer in answers] == [0, 1]
    assert answers[1]["result"]["structuredContent"]["content"] == "hello"
    assert status == 0


def _lines(connection: socket.socket, count: int) -> list[bytes]:
    with connection.makefile("rb") as file:
        return [file.readline() for _ in range(count)]


async def test_one_socket_for_both_is_served_too() -> None:
    ours, theirs = socket.socketpair()
    async with started(theirs.fileno(), theirs.fileno(), ALAYA_ACCESS_KEY="ak", ALAYA_SECRET_KEY="sk") as process:
        theirs.close()
        ours.sendall(lines_of(*OPENING, {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}))
        ours.settimeout(PATIENCE)
        answers = await anyio.to_thread.run_sync(lambda: [json.loads(line) for line in _lines(ours, 2)])
        ours.shutdown(socket.SHUT_WR)
        status = await process.wait()
        ours.close()

    assert [answer["id"] for answer in answers] == [0, 1]
    assert status == 0


async def test_files_are_served_too(tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(lines_of(*OPENING))
    with (tmp_path / "in").open("rb") as stdin, (tmp_path / "out").open("wb") as stdout:
        async with started(stdin, stdout, ALAYA_ACCESS_KEY="ak", ALAYA_SECRET_KEY="sk") as process:
            status = await process.wait()

    assert json.loads((tmp_path / "out").read_bytes())["id"] == 0
    assert status == 0


@pytest.mark.windows_rules_too
async def test_a_line_ends_with_crlf_or_lf_and_a_lone_cr_is_white_space() -> None:
    """And what is answered ends with LF: some hosts refuse a CR before it."""
    async with host("--sandbox") as server:
        await server.initialize()
        await server.send(b'{"jsonrpc":"2.0","id":1,\r"method":"ping"}\r')
        await server.send(b'\r{"jsonrpc":"2.0","id":2,"method":"ping"}')
        answers = [await server.answer(1), await server.answer(2)]

    assert [answer["result"] for answer in answers] == [{}, {}]
    assert b"\r" not in server.raw


@pytest.mark.windows_rules_too
async def test_the_wire_is_utf_8_whatever_the_systems_encoding_is() -> None:
    """Applications start servers without LANG on macOS, and with a code page on Windows."""
    rules = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "cp1252"}
    async with Upstream(chat=replies("订单 1042 🙂")) as upstream, host(**upstream.environ, **rules) as server:
        await server.initialize()
        await server.call(1, CHAT, prompt="订单 1042 在哪里")
        answer = await server.answer(1)

    assert answer["result"]["structuredContent"]["content"] == "订单 1042 🙂"
    assert upstream.chats[0].json["messages"][0]["content"] == "订单 1042 在哪里"


async def test_a_shared_pipe_is_left_as_it_was() -> None:
    """`(alayanew-mcp; other) < pipe`: what comes after must find its stdin blocking, as ever."""
    stdin, to_server = os.pipe()
    from_server, stdout = os.pipe()
    async with started(stdin, stdout, ALAYA_ACCESS_KEY="ak", ALAYA_SECRET_KEY="sk") as process:
        os.write(to_server, lines_of(*OPENING, {"jsonrpc": "2.0", "id": 1, "method": "ping"}))
        seen = b""
        while seen.count(b"\n") < 2:  # the second answer is the loaded server's
            seen += await anyio.to_thread.run_sync(os.read, from_server, 2**16)
        meanwhile = os.get_blocking(stdin), os.get_blocking(stdout)
        os.close(to_server)
        status = await process.wait()
        afterwards = os.get_blocking(stdin), os.get_blocking(stdout)
    for descriptor in (stdin, from_server, stdout):
        os.close(descriptor)

    assert (meanwhile, afterwards, status) == ((False, False), (True, True), 0)


@pytest.mark.windows_rules_too
async def test_a_host_that_closes_stdin_and_never_reads_keeps_no_process() -> None:
    begun, closed = anyio.Event(), anyio.Event()

    async def endless(_: Request, exchange: Exchange) -> None:
        begun.set()
        with suppress(ConnectionError):
            await exchange.events()
            while True:
                await exchange.event(text_chunk("word " * 1_000))
        closed.set()

    stdin, to_server = os.pipe()
    from_server, stdout = os.pipe()
    async with Upstream(chat=endless) as upstream:
        environ = {
            **upstream.environ,
            **LONG_BUDGET,
            "ALAYA_PROGRESS_INTERVAL_MS": "0",
            "ALAYA_MAX_REPLY_BYTES": "10000000",
        }
        async with started(stdin, stdout, **environ) as process:
            call = {"name": CHAT, "arguments": {"prompt": "x"}, "_meta": {"progressToken": 1}}
            os.write(to_server, lines_of(*OPENING, {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call}))
            await begun.wait()
            os.close(to_server)
            status = await process.wait()
            await closed.wait()
    for descriptor in (stdin, from_server, stdout):
        os.close(descriptor)

    assert status == 0


@pytest.mark.windows_rules_too
async def test_a_host_that_closes_stdout_ends_the_process_and_its_upstream_connection() -> None:
    begun, closed = anyio.Event(), anyio.Event()

    async def goes_on(_: Request, exchange: Exchange) -> None:
        await exchange.events(text_chunk("half"))
        begun.set()
        await exchange.hang()
        closed.set()

    stdin, to_server = os.pipe()
    from_server, stdout = os.pipe()
    async with Upstream(chat=goes_on) as upstream, started(stdin, stdout, **upstream.environ, **LONG_BUDGET) as process:
        os.close(stdout)
        call = {"name": CHAT, "arguments": {"prompt": "x"}}
        os.write(to_server, lines_of(*OPENING, {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call}))
        await begun.wait()
        os.close(from_server)
        os.write(to_server, lines_of({"jsonrpc": "2.0", "id": 2, "method": "ping"}))
        status = await process.wait()
        await closed.wait()
    os.close(to_server)
    os.close(stdin)

    assert status == 0


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_leaves_a_shared_pipe_as_it_was_too(sent: signal.Signals) -> None:
    stdin, to_server = os.pipe()
    from_server, stdout = os.pipe()
    async with started(stdin, stdout, ALAYA_ACCESS_KEY="ak", ALAYA_SECRET_KEY="sk") as process:
        os.write(to_server, lines_of(*OPENING, {"jsonrpc": "2.0", "id": 1, "method": "ping"}))
        seen = b""
        while seen.count(b"\n") < 2:
            seen += await anyio.to_thread.run_sync(os.read, from_server, 2**16)
        process.send_signal(sent)
        status = await process.wait()
        afterwards = os.get_blocking(stdin), os.get_blocking(stdout)
    for descriptor in (stdin, to_server, from_server, stdout):
        os.close(descriptor)

    assert (afterwards, status) == ((True, True), -sent)


async def test_a_stdout_that_was_left_non_blocking_loses_nothing() -> None:
    stdin, to_server = os.pipe()
    from_server, stdout = os.pipe()
    os.set_blocking(stdout, False)
    if sys.platform == "linux":  # elsewhere a pipe has the room that it has
        fcntl.fcntl(stdout, fcntl.F_SETPIPE_SZ, 4_096)
    async with started(stdin, stdout, ALAYA_ACCESS_KEY="ak", ALAYA_SECRET_KEY="sk") as process:
        os.write(
            to_server,
            lines_of(*OPENING, *({"jsonrpc": "2.0", "id": number, "method": "tools/list"} for number in range(1, 4))),
        )
        seen = b""
        while seen.count(b"\n") < 4:
            seen += await anyio.to_thread.run_sync(os.read, from_server, 2**16)
        os.close(to_server)
        status = await process.wait()
        was_left_so = not os.get_blocking(stdout)
    for descriptor in (stdin, from_server, stdout):
        os.close(descriptor)

    answers = [json.loads(line) for line in seen.splitlines()]
    assert [answer["id"] for answer in answers] == [0, 1, 2, 3]
    assert answers[1]["result"] == answers[2]["result"] == answers[3]["result"]
    assert (status, was_left_so) == (0, True)


class Two(Descriptors):
    """Pipes in place of stdin and stdout."""

    def __init__(self) -> None:
        self.stdin, self.to_stdin = os.pipe()
        self.from_stdout, self.stdout = os.pipe()
        for descriptor in (self.stdin, self.stdout, self.from_stdout):
            os.set_blocking(descriptor, False)

    def restore(self) -> None:
        pass

    def restore_when_killed(self) -> None:
        pass


async def test_what_an_opening_left_is_taken_up() -> None:
    two = Two()
    async with Pipes(two, unread=lines_of(OPENING[1]), unsent=b"the rest of an answer\n") as pipes:
        item = await pipes.input.receive()
        sent = os.read(two.from_stdout, 99)
    os.close(two.to_stdin)
    os.close(two.from_stdout)

    assert isinstance(item, SessionMessage)
    assert isinstance(item.message, types.JSONRPCNotification)
    assert sent == b"the rest of an answer\n"


@pytest.mark.anyio
async def test_what_is_cancelled_while_it_waits_is_not_kept() -> None:
    """So a host that calls and cancels and never reads costs no memory."""
    from_output, descriptor = os.pipe()
    os.set_blocking(descriptor, False)
    output = Output(descriptor, b"", on_lost=lambda: None)
    note = SessionMessage(types.JSONRPCNotification(jsonrpc="2.0", method="x" * 100_000))
    for _ in range(50):
        with anyio.CancelScope() as scope:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(output.send, note)
                await anyio.wait_all_tasks_blocked()
                scope.cancel()
    seen = len(await anyio.to_thread.run_sync(os.read, from_output, 2**20))
    while seen < 100_000:
        await anyio.wait_all_tasks_blocked()
        seen += len(await anyio.to_thread.run_sync(os.read, from_output, 2**20))
    await output.finish()
    os.close(descriptor)
    seen += len(os.read(from_output, 2**20))
    os.close(from_output)

    assert 100_000 < seen < 101_000, "one message, which was on its way, whole"


@pytest.mark.windows_rules_too
async def test_a_line_of_many_megabytes_is_taken_and_one_is_given() -> None:
    prompt = "word " * 500_000
    async with Upstream(chat=replies(prompt)) as upstream:
        async with host(**upstream.environ, ALAYA_MAX_REPLY_BYTES="1500000") as server:
            await server.initialize()
            await server.call(1, CHAT, prompt=prompt)
            answer = await server.answer(1)
        (chat,) = upstream.chats

    assert chat.json["messages"][0]["content"] == prompt
    assert len(answer["result"]["structuredContent"]["content"]) > 1_400_000


PRINTS = """
import atexit, os, sys
class Prints:
    def find_spec(self, name, path=None, target=None):
        if name == "httpx2":
            print("stray"); os.write(1, b"stray"); os.system("echo stray")
sys.meta_path.insert(0, Prints())
atexit.register(print, "stray")
sys.argv = ["alayanew-mcp"]
from alaya_mcp.cli.main import main
sys.exit(main())
"""


async def test_what_is_printed_by_mistake_is_not_on_the_wire() -> None:
    """While the server is loaded and when it exits; by Python, by a system call and by a child."""
    with anyio.fail_after(PATIENCE):
        environ = own_environ(ALAYA_ACCESS_KEY="ak", ALAYA_SECRET_KEY="sk")
        async with await anyio.open_process([sys.executable, "-c", PRINTS], env=environ) as process:
            server = Host(process)
            await server.initialize()
            await server.request(1, "ping")
            await server.answer(1)
            status = await server.leave()
            assert process.stderr is not None
            told = b"".join([chunk async for chunk in process.stderr])

    assert [line["id"] for line in server.lines] == [0, 1]
    assert told.count(b"stray") == 4
    assert status == 0


@given(st.lists(st.text(max_size=3), max_size=6), st.lists(st.integers(0, 400), max_size=6))
def test_messages_are_the_same_however_the_bytes_are_cut(names: list[str], cuts: list[int]) -> None:
    messages = [{"jsonrpc": "2.0", "method": f"m{name}"} for name in names]
    whole = "\n".join(json.dumps(message, ensure_ascii=False) for message in messages).encode()
    places = sorted({0, *(cut for cut in cuts if cut < len(whole)), len(whole)})

    async def received() -> list[str]:
        descriptor, to_it = os.pipe()
        os.set_blocking(descriptor, False)
        first, *others = [whole[start:end] for start, end in pairwise(places)] or [b""]
        source = Input(descriptor, first)
        source.resume()
        for piece in others:
            os.write(to_it, piece)
            await asyncio.sleep(0)
        os.close(to_it)
        found: list[str] = []
        with suppress(anyio.EndOfStream):
            while True:
                item = await source.receive()
                assert isinstance(item, SessionMessage)
                assert isinstance(item.message, types.JSONRPCNotification)
                found.append(item.message.method)
        await source.aclose()
        os.close(descriptor)
        return found

    assert anyio.run(received) == [message["method"] for message in messages]
