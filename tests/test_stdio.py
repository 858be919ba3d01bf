"""The real server as a subprocess: what a host sees on the pipes."""

import json
import signal
import sys
from contextlib import AsyncExitStack
from pathlib import Path

import anyio
import pytest

from alaya_mcp.sandbox import Sandbox
from tests.calls import environ_of
from tests.patience import LONG_BUDGET, PATIENCE
from tests.stdio_host import MODERN, host, own_environ
from tests.upstream import Exchange, Request, Upstream, text_chunk

pytestmark = [pytest.mark.anyio, pytest.mark.windows_rules_too]

CHAT = "chat_with_deployment"
TOOLS = ["list_deployments", "get_deployment", "list_lora_models", CHAT, "compare_models"]


@pytest.mark.parametrize("version", ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"])
async def test_each_handshake_revision_is_spoken(version: str) -> None:
    async with host("--sandbox") as server:
        answer = await server.initialize(version)
        await server.request(1, "tools/list")
        listed = await server.answer(1)

    assert answer["result"]["protocolVersion"] == version
    assert answer["result"]["serverInfo"]["name"] == "alaya"
    assert set(answer["result"]["capabilities"]) == {"tools", "resources", "prompts", "completions"}
    assert [tool["name"] for tool in listed["result"]["tools"]] == TOOLS


async def test_the_stateless_revision_is_spoken_without_a_handshake() -> None:
    async with host("--sandbox") as server:
        await server.request(1, "tools/list", {"_meta": MODERN})
        await server.call(2, "get_deployment", modern=True)
        listed, read = await server.answer(1), await server.answer(2)

    assert [tool["name"] for tool in listed["result"]["tools"]] == TOOLS
    assert listed["result"]["ttlMs"] > 0
    assert read["result"]["structuredContent"]["ready"] is True


async def test_discover_and_then_initialize_is_served() -> None:
    async with host("--sandbox") as server:
        await server.request("d", "server/discover", {"_meta": MODERN})
        discovered = await server.answer("d")
        initialized = await server.initialize("2025-06-18")
        await server.request(1, "tools/list")
        listed = await server.answer(1)

    assert discovered["result"]["instructions"] == initialized["result"]["instructions"]
    assert len(listed["result"]["tools"]) == 5


async def test_discover_and_then_the_stateless_revision_is_served() -> None:
    async with host("--sandbox") as server:
        await server.request("d", "server/discover", {"_meta": MODERN})
        await server.call(1, "list_lora_models", modern=True)
        answer = await server.answer(1)

    assert answer["result"]["isError"] is False


async def test_an_unknown_tool_is_a_protocol_error() -> None:
    async with host("--sandbox") as server:
        await server.initialize()
        await server.call(1, "drop_tables")
        answer = await server.answer(1)

    assert answer["error"]["code"] == -32602
    assert "Unknown tool: drop_tables." in answer["error"]["message"]


UNREADABLE: dict[str, tuple[bytes, int]] = {
    "lone surrogate": (
        b'{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"x","arguments":{"p":"\\ud800"}}}',
        -32700,
    ),
    "cut off": (b'{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"chat', -32700),
    "method of a wrong type": (b'{"jsonrpc":"2.0","id":7,"method":5}', -32600),
    "no method": (b'{"jsonrpc":"2.0","id":7}', -32600),
    "no version": (b'{"id":7,"method":"tools/list"}', -32600),
    "4301 digits": (b'{"jsonrpc":"2.0","id":7,"method":"x","params":{"n":%s}}' % (b"9" * 4_301), -32700),
    "4301 digits before the id": (
        b'{"jsonrpc":"2.0","method":"x","params":{"id":1,"n":%s},"id":7}' % (b"9" * 4_301),
        -32700,
    ),
    "3000 levels": (b'{"jsonrpc":"2.0","id":7,"method":"x","params":%s1%s}' % (b'{"a":' * 3_000, b"}" * 3_000), -32700),
    "90000 levels before the id": (
        b'{"jsonrpc":"2.0","method":"x","params":{"a":%s%s},"id":7}' % (b"[" * 90_000, b"]" * 90_000),
        -32700,
    ),
    "id spelt with an escape": (
        b'{"jsonrpc":"2.0","\\u0069d":7,"method":"x","params":{"n":%s}}' % (b"9" * 4_301),
        -32700,
    ),
    "trailing comma": (b'{"jsonrpc":"2.0","id":7,"method":"x",}', -32700),
    "trailing zero byte": (b'{"jsonrpc":"2.0","id":7,"method":"x"}\0', -32700),
    "control character": (b'{"jsonrpc":"2.0","id":7,"method":"x","params":{"a":"\t"}}', -32700),
    "id that is a fraction": (b'{"jsonrpc":"2.0","id":7.0,"method":"tools/list"}', -32600),
    "params that are a list": (b'{"jsonrpc":"2.0","id":7,"method":"tools/list","params":[]}', -32602),
    "params that are text": (b'{"jsonrpc":"2.0","id":7,"method":"tools/list","params":"x"}', -32602),
}
NOT_FINITE = ("NaN", "-Infinity", "1e400", "1e999999999999")


async def test_a_line_that_cannot_be_decoded_is_answered_where_it_has_an_id() -> None:
    codes: dict[str, int] = {}
    async with host("--sandbox") as server:
        await server.initialize()
        for name, (line, _) in UNREADABLE.items():
            await server.send(line)
            codes[name] = (await server.answer(7))["error"]["code"]
            server.lines.clear()
        await server.request(8, "tools/list")
        after = await server.answer(8)

    assert codes == {name: code for name, (_, code) in UNREADABLE.items()}
    assert "result" in after


async def test_a_number_that_is_not_finite_is_an_argument_error() -> None:
    async with host("--sandbox") as server:
        await server.initialize()
        for number in NOT_FINITE:
            call = '{"name":"get_deployment","arguments":{"wait_seconds":%s}}' % number  # noqa: UP031 braces
            await server.send(f'{{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{call}}}'.encode())
            answer = await server.answer(7)
            server.lines.clear()

            assert "wait_seconds: must be a finite number" in answer["result"]["content"][0]["text"], number


async def test_what_answers_nothing_of_ours_and_what_asks_nothing_is_not_answered() -> None:
    deep = b"[" * 3_000 + b"]" * 3_000
    async with host("--sandbox") as server:
        await server.initialize()
        await server.send(b'{"jsonrpc":"2.0","method":"notifications/x","params":{"a":%s}}' % deep)
        await server.send(b'{"jsonrpc":"2.0","id":7,"result":null}')
        await server.send(b'{"jsonrpc":"2.0","id":7,"error":"no"}')
        await server.request(1, "ping")
        await server.answer(1)

    assert [line["id"] for line in server.lines] == [0, 1]


@pytest.mark.parametrize("place", ["first", "every"])
async def test_a_byte_order_mark_before_a_line_is_passed_over(place: str) -> None:
    async with host("--sandbox") as server:
        client = {"name": "codex", "version": "1"}
        params = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": client}
        handshake = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params}
        await server.send(b"\xef\xbb\xbf" + json.dumps(handshake).encode())
        first = await server.answer(0)
        await server.send({"jsonrpc": "2.0", "method": "notifications/initialized"})
        mark = b"\xef\xbb\xbf" if place == "every" else b""
        await server.send(mark + b'{"jsonrpc":"2.0","id":1,"method":"tools/list"}')
        listed = await server.answer(1)

    assert first["result"]["protocolVersion"] == "2025-06-18"
    assert len(listed["result"]["tools"]) == 5


async def test_where_stdin_cannot_be_waited_for_such_lines_are_read_the_same(tmp_path: Path) -> None:
    lines = [
        b'\xef\xbb\xbf{"jsonrpc":"2.0","id":0,"method":"ping"}',
        b'{"jsonrpc":"2.0","id":7,"method":"x","params":{"n":%s}}' % (b"9" * 4_301),
    ]
    (tmp_path / "in").write_bytes(b"\n".join(lines) + b"\n")
    with anyio.fail_after(PATIENCE), (tmp_path / "in").open("rb") as stdin:
        command = [sys.executable, "-m", "alaya_mcp", "--sandbox"]
        done = await anyio.run_process(command, stdin=stdin, env=own_environ())

    answers = {answer["id"]: answer for answer in map(json.loads, done.stdout.splitlines())}
    assert answers[0]["result"] == {}
    assert answers[7]["error"]["code"] == -32700


async def test_each_request_of_a_batch_is_told_that_batches_are_not_taken() -> None:
    batch = [{"jsonrpc": "2.0", "id": one, "method": "ping"} for one in (7, "b", None, 1.5)]
    async with host("--sandbox") as server:
        await server.initialize("2025-03-26")
        await server.send(json.dumps([*batch, "x"]).encode())
        answers = [await server.answer(7), await server.answer("b"), await server.answer(1.5)]
        await server.request(8, "tools/list")
        await server.answer(8)

    assert [answer["error"]["code"] for answer in answers] == [-32600, -32600, -32600]
    assert "own line" in answers[0]["error"]["message"]
    assert [line["id"] for line in server.lines] == [0, 7, "b", 1.5, 8]


async def test_lines_without_an_id_are_passed_over() -> None:
    async with host("--sandbox") as server:
        await server.initialize()
        for line in (b"garbage", b"", b"[1, 2]", b'"text"', b"{}", b'{"jsonrpc":"2.0","id":null,"method":"x"}'):
            await server.send(line)
        await server.request(1, "tools/list")
        answer = await server.answer(1)

    assert len(answer["result"]["tools"]) == 5
    assert [line["id"] for line in server.lines] == [0, 1]


async def test_a_chat_streams_its_text_as_notes_in_the_stateless_revision_too() -> None:
    async with host("--sandbox", ALAYA_PROGRESS_INTERVAL_MS="50") as server:
        await server.call(1, CHAT, modern=True, prompt="hello")
        answer = await server.answer(1)

    notes = [line["params"] for line in server.lines if line.get("method") == "notifications/progress"]
    text = [note["message"] for note in notes if note["_meta"]["com.alayanew.mcp/phase"] == "writing"]
    assert {note["progressToken"] for note in notes} == {"token-1"}
    assert len(text) > 1
    assert "".join(text) == answer["result"]["structuredContent"]["content"]


@pytest.mark.parametrize("busy", [False, True])
async def test_the_process_ends_when_stdin_does(busy: bool) -> None:
    started, closed = anyio.Event(), anyio.Event()

    async def hangs(_: Request, exchange: Exchange) -> None:
        await exchange.events(text_chunk("half"))
        started.set()
        await exchange.hang()
        closed.set()

    async with Upstream(chat=hangs) as upstream, host(**upstream.environ, **LONG_BUDGET) as server:
        await server.initialize()
        if busy:
            await server.call(1, CHAT, prompt="x")
            await started.wait()
        status = await server.leave()
        if busy:
            await closed.wait()

    assert status == 0
    assert b"Traceback" not in server.raw


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals to send")
@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_the_process_and_its_upstream_connection(sent: signal.Signals) -> None:
    started, closed = anyio.Event(), anyio.Event()

    async def hangs(_: Request, exchange: Exchange) -> None:
        started.set()
        await exchange.hang()
        closed.set()

    async with Upstream(chat=hangs) as upstream, host(**upstream.environ, **LONG_BUDGET) as server:
        await server.initialize()
        await server.call(1, CHAT, prompt="x")
        await started.wait()
        server.process.send_signal(sent)
        await closed.wait()
        await server.process.wait()


@pytest.mark.parametrize("end", ["stdin", "SIGTERM"])
async def test_a_reply_in_the_background_ends_with_the_server(end: str) -> None:
    if end == "SIGTERM" and sys.platform == "win32":
        pytest.skip("Windows has no such signal to send")
    async with Sandbox(token_delay=0.01) as sandbox, host(**environ_of(sandbox)) as server:
        await server.initialize()
        await server.call(1, CHAT, prompt="sandbox: repeat 5000 word", background=True)
        begun = (await server.answer(1))["result"]["structuredContent"]
        await sandbox.stats.wait_for(lambda stats: stats.chats_active == 1)
        if end == "stdin":
            assert await server.leave() == 0
        else:
            server.process.send_signal(signal.SIGTERM)
            await server.process.wait()
        await sandbox.stats.wait_for(lambda stats: stats.chats_aborted == 1)

    assert (begun["truncated_reason"], begun["content"]) == ("still_generating", "")


@pytest.mark.parametrize("modern", [False, True])
async def test_a_cancelled_call_closes_its_upstream_connection_and_is_not_answered(modern: bool) -> None:
    async with Sandbox(token_delay=0.01) as sandbox, host(**environ_of(sandbox), **LONG_BUDGET) as server:
        if not modern:
            await server.initialize()
        await server.call(1, CHAT, modern=modern, prompt="sandbox: repeat 5000 word")
        await sandbox.stats.wait_for(lambda stats: stats.chats_active == 1)
        await server.send({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}})
        await sandbox.stats.wait_for(lambda stats: stats.chats_aborted == 1)
        await server.call(2, "get_deployment", modern=modern)
        answer = await server.answer(2)

    assert answer["result"]["isError"] is False
    assert not [line for line in server.lines if line.get("id") == 1]


async def test_killing_the_upstream_mid_chat_truncates_and_the_next_call_is_answered() -> None:
    async with AsyncExitStack() as emulator:
        sandbox = await emulator.enter_async_context(Sandbox(token_delay=0.01))
        async with host(**environ_of(sandbox)) as server:
            await server.initialize()
            await server.call(1, CHAT, prompt="sandbox: repeat 5000 word")
            phase = ""
            while phase != "writing":
                line = await server.line()
                phase = line.get("params", {}).get("_meta", {}).get("com.alayanew.mcp/phase", "")
            await emulator.aclose()
            cut = await server.answer(1)
            await server.call(2, "get_deployment")
            after = await server.answer(2)

    assert cut["result"]["structuredContent"]["truncated_reason"] == "stream_cut"
    assert cut["result"]["structuredContent"]["content"].startswith("word")
    assert after["result"]["_meta"]["com.alayanew.mcp/error"]["code"] == "upstream_unavailable"


@pytest.mark.parametrize("modern", [False, True])
async def test_a_cancellation_that_crosses_the_result_on_its_way_stops_the_reply(modern: bool) -> None:
    freed = anyio.Event()

    async def goes_on(_: Request, exchange: Exchange) -> None:
        await exchange.events(text_chunk("text"))
        try:
            await exchange.hang()
        finally:  # by a reset, where something was unread
            freed.set()

    async with Upstream(chat=goes_on) as upstream, host(**upstream.environ) as server:
        if not modern:
            await server.initialize()
        await server.call(1, CHAT, modern=modern, prompt="x", background=True)
        read_on = (await server.answer(1))["result"]["structuredContent"]["read_on"]
        cancelled = {"method": "notifications/cancelled", "params": {"requestId": 1}}
        await server.send({"jsonrpc": "2.0", **cancelled})  # as if the answer had been on its way
        await freed.wait()
        await server.call(2, CHAT, modern=modern, read_on=read_on)
        result = (await server.answer(2))["result"]["structuredContent"]

    assert result["truncated_reason"] == "cancelled"
    assert result["content"] in {"", "text"}, "the reply is stopped before or after its first text"
