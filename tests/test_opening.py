"""The first answers: kept from an earlier start, the same as the real server's, and then it takes over."""

import json
import os
import select
import sys
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, Final

import anyio
import pytest

from alaya_mcp.first_answers import Beginning, FirstAnswers
from alaya_mcp.serving.stdio.opening import Opening, Script
from alaya_mcp.serving.stdio.stdout_guard import Descriptors
from tests.patience import PATIENCE
from tests.starts import STARTS, Start
from tests.stdio_host import MODERN, Host, host, own_environ, warm_host
from tests.upstream import Upstream

pytestmark = [pytest.mark.anyio]

KEYS = {"ALAYA_ACCESS_KEY": "ak", "ALAYA_SECRET_KEY": "sk"}
CLIENT = {"capabilities": {}, "clientInfo": {"name": "host", "version": "1"}}
HANDSHAKE = {"protocolVersion": "2025-11-25", **CLIENT}
INITIALIZED = {"jsonrpc": "2.0", "method": "notifications/initialized"}
WERE_GIVEN: Final = b"the first answers were given"


def request(request_id: int | str, method: str, params: object = None) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": request_id, "method": method, **({} if params is None else {"params": params})}


def line_of(message: object) -> bytes:
    return json.dumps(message, ensure_ascii=False).encode()


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


def files_in(folder: Path) -> list[Path]:
    """The files of kept answers."""
    return list(folder.rglob("*.json"))


def kept_in(folder: Path) -> dict[str, str]:
    """The kept answers of one configuration."""
    held: list[dict[str, Any]] = [json.loads(file.read_bytes()) for file in files_in(folder)]
    return held[0]["answers"] if held else {}


async def answered(messages: list[object], *arguments: str, **environ: str) -> tuple[dict[str, list[Any]], bool]:
    """Every answer of a server to which all of that was sent at once, by id, and whether the first ones were kept."""
    return await answered_by(host(*arguments, ALAYA_LOG_LEVEL="INFO", **environ), messages)


async def answered_by(
    start: AbstractAsyncContextManager[Host], messages: list[object]
) -> tuple[dict[str, list[Any]], bool]:
    """The same, of a server that is started so."""
    lines = b"\n".join(one if isinstance(one, bytes) else line_of(one) for one in messages)
    async with start as server:
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
    assert b"answer differs" not in server.raw
    return found, WERE_GIVEN in server.raw


@pytest.mark.skipif(sys.platform == "win32", reason="there these rules are the only ones")
@pytest.mark.parametrize("name", ["handshake", "stateless", "discover, then handshake", "not JSON first"])
async def test_windows_rules_change_no_answer_and_keep_none(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Upstream() as upstream:
        here, _ = await answered(CONVERSATIONS[name], **upstream.environ)
        monkeypatch.setattr(Start, "words", STARTS["windows"])
        there = await answered(CONVERSATIONS[name], **upstream.environ, XDG_CACHE_HOME=str(tmp_path))

    assert there == (here, False)
    assert not files_in(tmp_path)


@pytest.mark.parametrize("messages", CONVERSATIONS.values(), ids=CONVERSATIONS)
async def test_a_host_sees_no_difference(messages: list[object], tmp_path: Path) -> None:
    async with Upstream() as upstream:
        kept = {**upstream.environ, "XDG_CACHE_HOME": str(tmp_path)}
        first, was_kept = await answered_by(warm_host(ALAYA_LOG_LEVEL="INFO", **kept), messages)
        second, is_kept = await answered(messages, **kept)

    assert first == second
    assert not was_kept
    first_line = messages[0] if isinstance(messages[0], bytes) else line_of(messages[0])
    assert is_kept is bool(Script(kept_in(tmp_path)).reply_to(first_line))


META = {"_meta": {"progressToken": "varies"}}
FIRST_OF_HOSTS: dict[str, list[object]] = {
    "Claude Code": [
        request(0, "server/discover", {"_meta": MODERN}),
        request(
            1,
            "initialize",
            {**HANDSHAKE, "clientInfo": {**CLIENT["clientInfo"], "title": "t", "description": "d", "websiteUrl": "u"}},
        ),
        INITIALIZED,
        request(2, "tools/list", {}),
    ],
    "Claude Code, stateless": [
        request(0, "server/discover", {"_meta": MODERN}),
        *(
            request(each, method, {"_meta": MODERN})
            for each, method in enumerate(("prompts/list", "resources/list", "tools/list"), 1)
        ),
    ],
    "Codex": [
        request(0, "initialize", {**HANDSHAKE, "protocolVersion": "2025-06-18"}),
        INITIALIZED,
        request(1, "tools/list", META),
    ],
    "Gemini": [
        request(0, "initialize", {**HANDSHAKE, "protocolVersion": "2025-06-18"}),
        INITIALIZED,
        request(1, "prompts/list", {}),
        request(2, "tools/list", {}),
    ],
    "Qwen": [
        request(
            0,
            "initialize",
            {
                **HANDSHAKE,
                "capabilities": {
                    "extensions": {"io.modelcontextprotocol/ui": {"mimeTypes": ["text/html;profile=mcp-app"]}}
                },
            },
        ),
        INITIALIZED,
        request(1, "tools/list"),
    ],
    "Copilot": [
        request(0, "server/discover", {"_meta": MODERN}),
        request(1, "tools/list", {"_meta": {**MODERN, "progressToken": 7}}),
    ],
    "Cline": [
        request(0, "initialize", {**HANDSHAKE, "protocolVersion": "2024-11-05"}),
        INITIALIZED,
        request(1, "tools/list"),
    ],
    "pydantic-ai": [
        request("a", "server/discover", {"_meta": MODERN}),
        request("b", "tools/list", {"_meta": {**MODERN, "io.modelcontextprotocol/logLevel": "debug"}}),
    ],
    "templates": [
        request(0, "initialize", HANDSHAKE),
        INITIALIZED,
        *(
            request(each, method)
            for each, method in enumerate(
                ("resources/templates/list", "resources/list", "prompts/list", "tools/list"), 1
            )
        ),
    ],
}


def said_later(messages: list[object]) -> list[object]:
    """The same requests with other ids and progress tokens, as at a host's next start."""
    text = json.dumps(messages).replace("varies", "has varied").replace('"progressToken": 7', '"progressToken": "x"')
    later = json.loads(text)
    for message in later:
        if "id" in message:
            message["id"] = f"later {message['id']}"
    return later


async def conversation(messages: list[Any], *arguments: str, **environ: str) -> tuple[list[Any], bytes]:
    """The answers to what a host says one after another, in order, and what the server logged."""
    answers: list[Any] = []
    async with host(*arguments, ALAYA_LOG_LEVEL="INFO", **environ) as server:
        for message in messages:
            await server.send(message)
            if "id" in message:
                answers.append((await server.answer(message["id"]))["result"])
        await server.leave()
    return answers, bytes(server.stderr)


@pytest.mark.parametrize("messages", FIRST_OF_HOSTS.values(), ids=FIRST_OF_HOSTS)
async def test_what_hosts_say_first_is_answered_at_their_next_start(messages: list[object], tmp_path: Path) -> None:
    environ = {**KEYS, "XDG_CACHE_HOME": str(tmp_path)}
    first, _ = await conversation(messages, **environ)
    kept = kept_in(tmp_path)
    script = Script(kept)
    later = [script.reply_to(line_of(message)) for message in said_later(messages)]

    assert [json.loads(reply)["result"] for reply in later if reply] == first
    assert not script.has_ended
    assert not any(each in key for key in kept for each in ("method", "host", "list"))  # nothing of a host's words


async def test_they_come_though_the_server_is_never_loaded(tmp_path: Path) -> None:
    environ = {**KEYS, "XDG_CACHE_HOME": str(tmp_path), "PYTHONPATH": str(tmp_path / "modules")}
    (tmp_path / "modules").mkdir()
    messages = [request(0, "initialize", HANDSHAKE), INITIALIZED, request(1, "tools/list", {})]
    first, _ = await conversation(messages, **environ)
    (tmp_path / "modules" / "anyio.py").write_text("import threading\nthreading.Event().wait()\n")
    with anyio.fail_after(PATIENCE):
        command = [sys.executable, "-m", "alaya_mcp"]
        async with await anyio.open_process(command, env=own_environ(ALAYA_LOG_LEVEL="INFO", **environ)) as process:
            server = Host(process)
            for message in messages:
                await server.send(message)
            again = [(await server.answer(each))["result"] for each in (0, 1)]
            process.kill()

    assert again == first


@pytest.mark.parametrize("arguments", [(), ("--sandbox",), ("--sandbox", "--fault", "vllm-429")], ids=str)
async def test_each_way_to_start_has_its_own(arguments: tuple[str, ...], tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text('[profiles.work]\naccess_key_env = "WORK_AK"\nsecret_key = "sk"\nservice_id = "svc-7"\n')
    environ = {"XDG_CACHE_HOME": str(tmp_path), "ALAYA_CONFIG": str(config), "ALAYA_PROFILE": "work", "WORK_AK": "ak"}
    messages = [request(0, "initialize", HANDSHAKE), INITIALIZED, request(1, "tools/list", {})]
    first, _ = await conversation(messages, *arguments, **environ)
    again, log = await conversation(messages, *arguments, **environ)
    environ["WORK_AK"] = ""
    changed, changed_log = await conversation(messages, *arguments, **environ)

    assert again == first
    assert WERE_GIVEN in log
    assert (WERE_GIVEN in changed_log) is ("--sandbox" in arguments)  # which no profile changes
    assert ("not configured" in changed[0]["instructions"]) is ("--sandbox" not in arguments)


def answers_in(folder: Path, *arguments: str, **environ: str) -> FirstAnswers:
    return FirstAnswers({**KEYS, "XDG_CACHE_HOME": str(folder), **environ}, arguments)


CONFIG = "config.toml"


def saved_in(folder: Path) -> FirstAnswers:
    (folder / CONFIG).write_text("a")
    answers = answers_in(folder, OTHER="1")
    answers.known["key"] = "{}"
    answers.save(answers.file(str(folder / CONFIG)), answers.variables(["OTHER", "ABSENT"]))
    return answers


def test_what_was_saved_is_loaded_by_the_same_configuration(tmp_path: Path) -> None:
    saved = saved_in(tmp_path)
    again = answers_in(tmp_path, OTHER="1")

    assert again.load()
    assert again.known == saved.known
    assert os.stat(saved.path).st_mode & 0o777 == 0o600  # noqa: PTH116 it is no Path
    assert Path(saved.path).parent.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(
    "other",
    [{"ALAYA_SERVICE_ID": "x"}, {"ALAYA_UNKNOWN": ""}, {"HOME": "x"}, {"OTHER": "2"}, {"OTHER": "1", "ABSENT": ""}, {}],
    ids=str,
)
def test_another_environment_has_others(other: dict[str, str], tmp_path: Path) -> None:
    saved_in(tmp_path)

    assert not answers_in(tmp_path, **other).load()
    assert not answers_in(tmp_path, "--sandbox", OTHER="1").load()


def test_another_configuration_file_or_version_has_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved_in(tmp_path)
    (tmp_path / CONFIG).write_text("b")
    assert not answers_in(tmp_path, OTHER="1").load()
    (tmp_path / CONFIG).unlink()
    assert not answers_in(tmp_path, OTHER="1").load()
    (tmp_path / CONFIG).write_text("a")
    assert answers_in(tmp_path, OTHER="1").load()

    (tmp_path / "mcp-9.9.dist-info").mkdir()
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    assert not answers_in(tmp_path, OTHER="1").load()


def test_a_configuration_file_that_changed_after_it_was_looked_at_has_others(tmp_path: Path) -> None:
    (tmp_path / CONFIG).write_text("a")
    answers = answers_in(tmp_path)
    before = answers.file(str(tmp_path / CONFIG))
    (tmp_path / CONFIG).write_text("b")
    answers.known["key"] = "{}"
    answers.save(before, {})

    assert not answers_in(tmp_path).load()


def test_a_file_that_is_not_ours_alone_or_not_whole_is_left_aside(tmp_path: Path) -> None:
    path = Path(saved_in(tmp_path).path)
    text = path.read_bytes()
    for spoilt in (
        b"",
        b"[]",
        b"{}",
        text[:-1],
        text.replace(b'"key"', b"key"),
        b'{"file": [], "variables": {}}',
        b"\xff",
    ):
        path.write_bytes(spoilt)
        assert not answers_in(tmp_path, OTHER="1").load(), spoilt
    path.write_bytes(text)
    path.chmod(0o640)
    assert not answers_in(tmp_path, OTHER="1").load()
    path.chmod(0o600)
    assert answers_in(tmp_path, OTHER="1").load()
    elsewhere = path.rename(tmp_path / "elsewhere")
    path.symlink_to(elsewhere)
    assert not answers_in(tmp_path, OTHER="1").load()


def test_only_the_newest_files_are_kept(tmp_path: Path) -> None:
    for number in range(40):
        answers = answers_in(tmp_path, ALAYA_SERVICE_ID=str(number))
        answers.known["key"] = "{}"
        answers.save(answers.file(""), {})
    kept = [answers_in(tmp_path, ALAYA_SERVICE_ID=str(number)).load() for number in range(40)]

    assert kept == [False] * 8 + [True] * 32


def test_a_value_that_is_not_text_is_compared_too(tmp_path: Path) -> None:
    for value in ("\udcff", "\udcfe"):
        answers = answers_in(tmp_path, OTHER=value)
        assert not answers.load()
        answers.known["key"] = "{}"
        answers.save(answers.file(""), answers.variables(["OTHER"]))
        assert answers_in(tmp_path, OTHER=value).load()


@pytest.mark.parametrize(
    "place",
    [
        {"XDG_CACHE_HOME": os.devnull},
        {"XDG_CACHE_HOME": "", "HOME": os.devnull},
        {"XDG_CACHE_HOME": "", "HOME": ""},
        {"XDG_CACHE_HOME": "relative"},
    ],
    ids=str,
)
async def test_without_a_place_for_them_all_is_the_same(place: dict[str, str]) -> None:
    messages = [request(0, "initialize", HANDSHAKE), INITIALIZED, request(1, "tools/list", {})]
    answers, log = await conversation(messages, **KEYS, **place)

    assert len(answers[1]["tools"]) == 5
    assert log == b""


def known(*said: tuple[str, object, object]) -> FirstAnswers:
    """Answers that are kept for requests, one after another."""
    beginning, answers = Beginning(), FirstAnswers({}, ())
    for method, params, result in said:
        answers.known[str(beginning.key(method, params))] = json.dumps(result)
        if beginning.decides(method):
            beginning.go_on(method, params)
    return answers


DATA = known(("initialize", HANDSHAKE, {"x": 1}), ("tools/list", {}, {"tools": []}))


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
    begun = Opening(pipe, DATA)
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
    begun = Opening(pipe, DATA)
    os.write(pipe.to_stdin, line_of(request(0, "ping")) + b"\n" + line_of(request(1, "initialize", HANDSHAKE)) + b"\n")
    begun.join()
    handover = begun.hand_over()

    assert handover.unread.count(b"\n") == 2
    assert handover.given == {}


def test_a_host_that_does_not_read_holds_nothing_up_and_loses_nothing(pipe: Pipe) -> None:
    filled = os.write(pipe.stdout, b"x" * 2**20)  # as much as fits, so that nothing more does
    begun = Opening(pipe, DATA)
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
    begun = Opening(pipe, DATA)
    start = b'{"jsonrpc":"2.0","id":0,"params":"' + b"x" * 2**16
    for place in range(0, len(start), 2**12):
        os.write(pipe.to_stdin, start[place : place + 2**12])
    begun.join()

    assert begun.hand_over().unread == start


@pytest.mark.parametrize("leaves", ["stdin", "stdout"])
def test_a_host_that_leaves_at_once_is_no_error(pipe: Pipe, leaves: str) -> None:
    if leaves == "stdout":
        os.close(pipe.from_stdout)
    begun = Opening(pipe, DATA)
    os.write(pipe.to_stdin, line_of(request(0, "initialize", HANDSHAKE)) + b"\n")
    os.close(pipe.to_stdin)
    begun.join()
    handover = begun.hand_over()
    pipe.to_stdin = os.open(os.devnull, os.O_RDONLY)
    if leaves == "stdout":
        pipe.from_stdout = os.open(os.devnull, os.O_RDONLY)

    assert list(handover.given) == [0]


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
    script = Script(DATA.known)

    assert script.reply_to(line) is None
    assert (script.has_ended, script.replay, script.given) == (True, [], {})
