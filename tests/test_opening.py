"""The first answers: the same as the real server's, before it is loaded, and then it takes over."""

import json
import os
import select
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS, MODERN_PROTOCOL_VERSIONS

from alaya_mcp.config.settings import load_settings
from alaya_mcp.serving.stdio import opening
from alaya_mcp.serving.stdio.opening import ANSWERS, Opening, Script, is_plain
from alaya_mcp.serving.stdio.stdout_guard import Descriptors
from tests.opening_answers import CLIENT, KEYS, answers, results
from tests.patience import PATIENCE
from tests.stdio_host import MODERN, Host, host, own_environ
from tests.upstream import SERVICE, Upstream

pytestmark = [pytest.mark.anyio]

DATA: dict[str, Any] = json.loads(Path(ANSWERS).read_text(encoding="utf-8"))
HANDSHAKE = {"protocolVersion": "2025-11-25", **CLIENT}
INITIALIZED = {"jsonrpc": "2.0", "method": "notifications/initialized"}


def request(request_id: int | str, method: str, params: object = None) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": request_id, "method": method, **({} if params is None else {"params": params})}


def line_of(message: object) -> bytes:
    return json.dumps(message, ensure_ascii=False).encode()


async def test_the_answers_are_those_of_the_real_server() -> None:
    assert await answers() == DATA, "run `python -m tests.opening_answers` and look at what has changed"


def test_every_protocol_version_is_answered() -> None:
    for known in (DATA["with a default"], DATA["without one"]):
        assert set(known["initialize"]) == set(HANDSHAKE_PROTOCOL_VERSIONS)
        assert set(known["server/discover"]) == set(MODERN_PROTOCOL_VERSIONS)
        assert set(known["tools/list"]) == {*HANDSHAKE_PROTOCOL_VERSIONS, *MODERN_PROTOCOL_VERSIONS}


async def test_they_come_though_the_server_is_never_loaded(tmp_path: Path) -> None:
    (tmp_path / "anyio.py").write_text("import threading\nthreading.Event().wait()\n")
    environ = {**KEYS, "PYTHONPATH": str(tmp_path), "ALAYA_SERVICE_ID": "svc-9"}
    with anyio.fail_after(PATIENCE):
        command = [sys.executable, "-m", "alaya_mcp"]
        async with await anyio.open_process(command, env=own_environ(**environ)) as process:
            server = Host(process)
            initialized = await server.initialize()
            await server.request(1, "tools/list", {})
            listed = await server.answer(1)
            process.kill()

    assert "Default deployment when service_id is left out: svc-9." in initialized["result"]["instructions"]
    assert len(listed["result"]["tools"]) == 4


def nested(depth: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(depth):
        value = {"x": value}
    return value


CALL = request(9, "tools/call", {"name": "get_deployment", "arguments": {}})
STATELESS_CALL = request(9, "tools/call", {"name": "get_deployment", "arguments": {}, "_meta": MODERN})
CONVERSATIONS: dict[str, list[object]] = {
    "handshake": [request(0, "initialize", HANDSHAKE), INITIALIZED, request(1, "tools/list", {}), CALL],
    "no parameters": [request(0, "initialize", HANDSHAKE), INITIALIZED, request(1, "tools/list"), CALL],
    "older": [request("a", "initialize", {**HANDSHAKE, "protocolVersion": "2024-11-05"}), INITIALIZED, CALL],
    "unknown version": [request(0, "initialize", {**HANDSHAKE, "protocolVersion": "1999-01-01"}), INITIALIZED, CALL],
    "not announced": [request(0, "initialize", HANDSHAKE), request(1, "tools/list"), request(2, "tools/list"), CALL],
    "stateless": [
        request(0, "server/discover", {"_meta": MODERN}),
        request(1, "tools/list", {"_meta": MODERN}),
        STATELESS_CALL,
    ],
    "discover, then handshake": [
        request("d", "server/discover", {"_meta": MODERN}),
        request(0, "initialize", HANDSHAKE),
        INITIALIZED,
        request(1, "tools/list", {}),
        CALL,
    ],
    "the same id twice": [request(0, "initialize", HANDSHAKE), INITIALIZED, request(0, "tools/list", {}), CALL],
    "handshake twice": [request(0, "initialize", HANDSHAKE), request(1, "initialize", HANDSHAKE), CALL],
    "tools without a handshake": [request(1, "tools/list", {}), request(0, "initialize", HANDSHAKE), CALL],
    "ping first": [request(0, "ping"), request(1, "initialize", HANDSHAKE), INITIALIZED, CALL],
    "ping between": [request(0, "initialize", HANDSHAKE), request(1, "ping"), INITIALIZED, CALL],
    "a cursor": [request(0, "initialize", HANDSHAKE), request(1, "tools/list", {"cursor": "x"}), CALL],
    "a bad client": [request(0, "initialize", {**HANDSHAKE, "clientInfo": {"name": 1}}), CALL],
    "not JSON first": [b"{", request(0, "initialize", HANDSHAKE), INITIALIZED, request(1, "tools/list", {}), CALL],
    "stateless, then handshake": [
        request(1, "tools/list", {"_meta": MODERN}),
        request(0, "initialize", HANDSHAKE),
        INITIALIZED,
        STATELESS_CALL,
    ],
    "stateless twice": [
        request(0, "server/discover", {"_meta": MODERN}),
        request(1, "tools/list", {"_meta": MODERN}),
        request(2, "server/discover", {"_meta": MODERN}),
        request(3, "tools/list", {"_meta": MODERN}),
        STATELESS_CALL,
    ],
    "deep": [request(0, "initialize", {**HANDSHAKE, "capabilities": nested(250)}), CALL],
    "deeper": [request(0, "initialize", {**HANDSHAKE, "capabilities": nested(700)}), CALL],
    "long": [request(0, "initialize", {**HANDSHAKE, "clientInfo": {"name": "x" * 100_000, "version": "1"}}), CALL],
    "a handshake's version without a handshake": [
        request(1, "tools/list", {"_meta": {**MODERN, "io.modelcontextprotocol/protocolVersion": "2025-11-25"}}),
        request(2, "tools/list", {"_meta": {**MODERN, "io.modelcontextprotocol/protocolVersion": "2025-11-25"}}),
        STATELESS_CALL,
    ],
    "a mixture": [
        request(0, "initialize", HANDSHAKE),
        request(1, "tools/list", {"_meta": MODERN}),
        request(2, "server/discover", {"_meta": MODERN}),
        CALL,
    ],
}


async def answered(upstream: Upstream, messages: list[object], **environ: str) -> tuple[dict[str, list[Any]], bool]:
    """Every answer of a server to which all of that was sent at once, by id, and whether an opening was begun."""
    lines = b"\n".join(one if isinstance(one, bytes) else line_of(one) for one in messages)
    async with host(**upstream.environ, **environ) as server:
        await server.send(lines)
        await server.answer(9)
        # A second call: whatever was to come before its answer has come.
        await server.send(
            line_of({**STATELESS_CALL, "id": 10} if messages[-1] == STATELESS_CALL else {**CALL, "id": 10})
        )
        await server.answer(10)
    found: dict[str, list[Any]] = {}
    for line in server.lines:
        found.setdefault(repr(line["id"]), []).append({key: line[key] for key in line if key in {"result", "error"}})
    assert b"differs" not in server.raw
    return found, b"the first answers were given" in server.raw


@pytest.mark.parametrize("messages", CONVERSATIONS.values(), ids=CONVERSATIONS)
async def test_a_host_sees_no_difference(messages: list[object]) -> None:
    async with Upstream() as upstream:
        assert is_plain(upstream.environ)
        opened, has_begun = await answered(upstream, messages, ALAYA_LOG_LEVEL="INFO")
        not_plain, has_begun_too = await answered(upstream, messages, ALAYA_LOG_LEVEL="info")

    assert opened == not_plain
    assert (has_begun, has_begun_too) == (True, False)


async def test_without_its_data_all_is_the_same(tmp_path: Path) -> None:
    script = (
        "import sys\nfrom alaya_mcp.cli import main as cli\nfrom alaya_mcp.serving.stdio import opening\n"
        f"opening.ANSWERS = {str(tmp_path / 'none')!r}\n"
        "sys.argv = ['alayanew-mcp']\nsys.exit(cli.main())"
    )
    with anyio.fail_after(PATIENCE):
        command = [sys.executable, "-c", script]
        async with await anyio.open_process(command, env=own_environ(**KEYS)) as process:
            server = Host(process)
            await server.initialize()
            await server.request(1, "tools/list", {})
            listed = await server.answer(1)
            assert await server.leave() == 0

    assert len(listed["result"]["tools"]) == 4


class Pipe(Descriptors):
    """Two pipes in place of stdin and stdout."""

    def __init__(self) -> None:
        self.stdin, self.to_stdin = os.pipe()
        self.from_stdout, self.stdout = os.pipe()
        os.set_blocking(self.stdin, False)
        os.set_blocking(self.stdout, False)

    def close(self) -> None:
        for descriptor in (self.stdin, self.to_stdin, self.from_stdout, self.stdout):
            os.close(descriptor)


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    one = Pipe()
    yield one
    one.close()


def test_what_is_read_and_not_answered_is_handed_over(pipe: Pipe) -> None:
    interval = sys.getswitchinterval()
    begun = Opening(pipe, Script(DATA, ""))
    handshake, half = line_of(request(0, "initialize", HANDSHAKE)), b'{"jsonrpc":"2.0","id":1,"meth'
    os.write(pipe.to_stdin, handshake + b"\n" + line_of(INITIALIZED) + b"\n" + half)
    answer = json.loads(os.read(pipe.from_stdout, 2**16))
    handover = begun.hand_over()

    assert answer["id"] == 0
    assert list(handover.given) == [0]
    assert handover.unread in (
        handshake + b"\n" + line_of(INITIALIZED) + b"\n" + half,
        handshake + b"\n",  # what had not been read yet is still in the pipe
    )
    assert sys.getswitchinterval() == interval


def test_nothing_is_read_after_what_is_left_to_the_server(pipe: Pipe) -> None:
    begun = Opening(pipe, Script(DATA, ""))
    os.write(pipe.to_stdin, line_of(request(0, "ping")) + b"\n" + line_of(request(1, "initialize", HANDSHAKE)) + b"\n")
    begun.join()
    handover = begun.hand_over()

    assert handover.unread.count(b"\n") == 2
    assert handover.given == {}


def test_a_host_that_does_not_read_holds_nothing_up_and_loses_nothing(pipe: Pipe) -> None:
    filled = os.write(pipe.stdout, b"x" * 2**20)  # as much as fits, so that nothing more does
    begun = Opening(pipe, Script(DATA, ""))
    handshake, rest = (
        line_of(request(0, "initialize", HANDSHAKE)) + b"\n",
        line_of(request(1, "tools/list", {})) + b"\n",
    )
    os.write(pipe.to_stdin, handshake + rest)
    while select.select([pipe.stdin], [], [], 0)[0]:
        pass  # until it has been read
    handover = begun.hand_over()

    assert len(os.read(pipe.from_stdout, 2**20)) == filled
    assert json.loads(handover.unsent)["id"] == 0
    assert handover.unread == handshake + rest


def test_a_line_that_does_not_end_is_left_to_the_server(pipe: Pipe) -> None:
    begun = Opening(pipe, Script(DATA, ""))
    start = b'{"jsonrpc":"2.0","id":0,"params":"' + b"x" * 2**16
    for place in range(0, len(start), 2**12):
        os.write(pipe.to_stdin, start[place : place + 2**12])
    begun.join()

    assert begun.hand_over().unread == start


@pytest.mark.parametrize("leaves", ["stdin", "stdout"])
def test_a_host_that_leaves_at_once_is_no_error(pipe: Pipe, leaves: str) -> None:
    if leaves == "stdout":
        os.close(pipe.from_stdout)
    begun = Opening(pipe, Script(DATA, ""))
    os.write(pipe.to_stdin, line_of(request(0, "initialize", HANDSHAKE)) + b"\n")
    os.close(pipe.to_stdin)
    begun.join()
    handover = begun.hand_over()
    pipe.to_stdin = os.open(os.devnull, os.O_RDONLY)
    if leaves == "stdout":
        pipe.from_stdout = os.open(os.devnull, os.O_RDONLY)

    assert list(handover.given) == [0]


names = st.sampled_from(["roots", "sampling", "listChanged", "elicitation", "experimental", "extensions", "x"])
capabilities = st.dictionaries(
    names,
    st.recursive(st.booleans() | st.integers() | st.none(), lambda inner: st.dictionaries(names, inner, max_size=2)),
    max_size=3,
)
clients = st.fixed_dictionaries(
    {"name": st.text(max_size=5), "version": st.text(max_size=3) | st.integers()},
    optional={"title": st.text(max_size=5) | st.none(), "icons": st.just([])},
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(version=st.sampled_from([*HANDSHAKE_PROTOCOL_VERSIONS, "2026-07-28", "x"]), able=capabilities, client=clients)
def test_a_handshake_that_is_answered_here_is_one_that_the_sdk_takes(
    version: str, able: dict[str, object], client: dict[str, object]
) -> None:
    params = {"protocolVersion": version, "capabilities": able, "clientInfo": client}
    reply = Script(DATA, "").reply_to(line_of(request(0, "initialize", params)))
    if reply:
        said = anyio.run(results, KEYS, {"method": "initialize", "params": params})
        assert json.loads(reply)["result"] == json.loads(said[0])


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    version=st.sampled_from([*MODERN_PROTOCOL_VERSIONS, *HANDSHAKE_PROTOCOL_VERSIONS]),
    able=capabilities,
    client=clients,
    extra=st.dictionaries(st.sampled_from(["progressToken", "x"]), st.integers()),
)
def test_a_stateless_request_that_is_answered_here_is_one_that_the_sdk_takes(
    version: str, able: dict[str, object], client: dict[str, object], extra: dict[str, object]
) -> None:
    prefix = "io.modelcontextprotocol/"
    envelope = {f"{prefix}protocolVersion": version, f"{prefix}clientCapabilities": able}
    params = {"_meta": {**envelope, f"{prefix}clientInfo": client, **extra}}
    reply = Script(DATA, "").reply_to(line_of(request(0, "tools/list", params)))
    if reply:
        said = anyio.run(results, KEYS, {"method": "tools/list", "params": params})
        assert json.loads(reply)["result"] == json.loads(said[0])


def test_the_properties_above_are_about_something() -> None:
    assert Script(DATA, "").reply_to(line_of(request(0, "tools/list", {"_meta": MODERN})))
    plain = {
        "capabilities": {"roots": {"listChanged": True}, "sampling": {}},
        "clientInfo": {"name": "客", "version": "1"},
    }
    for version in HANDSHAKE_PROTOCOL_VERSIONS:
        assert Script(DATA, "").reply_to(line_of(request(0, "initialize", {"protocolVersion": version, **plain})))


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"[]",
        b"null",
        b"{}",
        b"\xff",
        b"[" * 100_000,
        line_of({"id": 0, "method": "initialize", "params": HANDSHAKE}),
        line_of({"jsonrpc": "1.0", "id": 0, "method": "initialize", "params": HANDSHAKE}),
        line_of(request(0, "initialize", [HANDSHAKE])),
        line_of(request(0, "initialize")),
        line_of(request(0, "initialize", {**HANDSHAKE, "capabilities": nested(8)})),
        line_of(request(0, "initialize", {**HANDSHAKE, "capabilities": nested(480)})),
        line_of(request("x" * 2**16, "initialize", HANDSHAKE)),
        line_of(request(2**60, "initialize", HANDSHAKE)),
        line_of({**request(0, "initialize", HANDSHAKE), "id": True}),
        line_of({**request(0, "initialize", HANDSHAKE), "id": None}),
        line_of({**request(0, "initialize", HANDSHAKE), "id": 1.5}),
        line_of({**request(0, "initialize", HANDSHAKE), "more": 1}),
        json.dumps(request(0, "initialize", {**HANDSHAKE, "clientInfo": {"name": "\ud800", "version": "1"}})).encode(),
        line_of({**request(0, "initialize", HANDSHAKE), "method": ["initialize"]}),
        line_of(request(0, "tools/list", {"_meta": {**MODERN, "io.modelcontextprotocol/protocolVersion": 1}})),
        line_of({"jsonrpc": "2.0", "method": "tools/list", "params": {"_meta": MODERN}}),
        line_of(INITIALIZED),
    ],
)
def test_what_is_not_exactly_known_is_left_to_the_server(line: bytes) -> None:
    script = Script(DATA, "")

    assert script.reply_to(line) is None
    assert (script.has_ended, script.replay, script.given) == (True, [], {})


@given(st.fixed_dictionaries({name: st.from_regex(pattern, fullmatch=True) for name, pattern in opening.PLAIN.items()}))
def test_a_plain_configuration_is_a_valid_one(environ: dict[str, str]) -> None:
    assert is_plain(environ)
    assert (load_settings(environ).service_id or "") == environ["ALAYA_SERVICE_ID"]


@pytest.mark.parametrize(
    "change",
    [
        {"ALAYA_ACCESS_KEY": ""},
        {"ALAYA_ACCESS_KEY": "${ALAYA_ACCESS_KEY}"},
        {"ALAYA_SECRET_KEY": "two words"},
        {"ALAYA_SERVICE_ID": "../x"},
        {"ALAYA_SERVICE_ID": " svc "},
        {"ALAYA_BASE_URL": "http://example.com"},
        {"ALAYA_BASE_URL": "https://user@example.com"},
        {"ALAYA_TIMEOUT_SECONDS": "0"},
        {"ALAYA_LOG_LEVEL": "loud"},
    ],
)
def test_any_other_is_left_to_the_server_to_judge(change: dict[str, str]) -> None:
    assert is_plain({**KEYS, "ALAYA_SERVICE_ID": SERVICE})
    assert not is_plain({**KEYS, **change})
