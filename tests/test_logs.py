"""Log lines: one for each call and one for each request upstream, as text and as JSON, without contents."""

import json
import logging
import re
from datetime import datetime
from typing import Any

import pytest

from alaya_mcp.logs import JsonFormatter, TextFormatter, is_of_use
from alaya_mcp.telemetry import Event, ToolCall, UpstreamRequest
from tests.stdio_host import Host, host, warm_host
from tests.upstream import SERVICE, Exchange, Request, Upstream, replies, says

pytestmark = [pytest.mark.anyio]


async def lines_of(level: str, upstream: Upstream, *calls: tuple[str, dict[str, Any]], **environ: str) -> list[str]:
    """What the server writes to stderr for some calls, one after the other."""
    async with warm_host(**upstream.environ, ALAYA_LOG_LEVEL=level, **environ) as server:
        await server.initialize()
        for number, (tool, arguments) in enumerate(calls, start=1):
            await server.call(number, tool, **arguments)
            await server.answer(number)
        await server.leave()
    return written_by(server)


def written_by(server: Host) -> list[str]:
    return server.stderr.decode().splitlines()


CHAT: tuple[str, dict[str, Any]] = ("chat_with_deployment", {"prompt": "planted words"})
GET: tuple[str, dict[str, Any]] = ("get_deployment", {})


async def test_each_call_is_one_line_of_json_with_its_facts() -> None:
    async with Upstream(chat=replies("planted reply")) as upstream:
        lines = await lines_of("INFO", upstream, CHAT, GET, ALAYA_LOG_FORMAT="json")

    chat, get = (json.loads(line) for line in lines if "tool_call" in line)
    assert {key: get[key] for key in ("level", "event", "tool", "service_id", "outcome", "tries")} == {
        "level": "INFO",
        "event": "tool_call",
        "tool": "get_deployment",
        "service_id": SERVICE,
        "outcome": "ok",
        "tries": 1,
    }
    assert (chat["tool"], chat["outcome"], chat["tries"]) == ("chat_with_deployment", "ok", 2)
    assert chat["account"] == get["account"]
    assert len(chat["account"]) == 8
    assert isinstance(chat["seconds"], float)
    assert not any("planted" in line for line in lines)


async def test_a_failure_is_a_warning_with_its_code_and_the_tries() -> None:
    async with Upstream(control=says(503, {})) as upstream:
        lines = await lines_of("WARNING", upstream, GET)

    (line,) = lines
    assert " WARNING " in line
    assert re.search("tool_call tool=get_deployment outcome=upstream_unavailable seconds=\\S+ tries=4 call=\\w+ ", line)


async def test_a_deployment_is_named_by_its_id_once_it_is_found_and_never_as_it_was_asked_for() -> None:
    asked: list[tuple[str, dict[str, Any]]] = [
        ("get_deployment", {"service_id": "scripted"}),
        ("chat_with_deployment", {"service_id": "scripted", "prompt": "x", "model": "no such"}),
        ("get_deployment", {"service_id": "sk-live-planted"}),
        ("list_deployments", {}),
    ]

    async def control(request: Request, exchange: Exchange) -> None:
        if "/list?" in request.path:
            await exchange.answer_json(200, {"code": 0, "data": {"count": "1", "rows": [upstream.deployment]}})
        elif request.path.endswith(SERVICE):
            await exchange.answer_json(200, {"code": 0, "data": upstream.deployment})
        else:
            await exchange.answer_json(404, {"code": -1, "msg": "no such deployment"})

    models = {"data": [{"id": "base", "owned_by": "vllm"}]}
    async with Upstream(control=control, models=says(200, models)) as upstream:
        lines = await lines_of("INFO", upstream, *asked, ALAYA_LOG_FORMAT="json")

    calls = [json.loads(line) for line in lines if "tool_call" in line]
    assert [(call["outcome"], call.get("service_id")) for call in calls] == [
        ("ok", SERVICE),
        ("model_not_served", SERVICE),
        ("deployment_not_found", None),
        ("ok", None),
    ]
    assert not any("planted" in line for line in lines)


async def test_a_tool_that_does_not_exist_and_a_resource_have_their_lines_too() -> None:
    async with (
        Upstream(control=says(404, {})) as upstream,
        host(**upstream.environ, ALAYA_LOG_LEVEL="DEBUG", ALAYA_LOG_FORMAT="json") as server,
    ):
        await server.initialize()
        await server.call(1, "planted_tool")
        await server.request(2, "resources/read", {"uri": "alaya://deployments/planted"})
        await server.answer(1)
        await server.answer(2)
        await server.leave()

    lines = [json.loads(line) for line in written_by(server)]
    calls = [(line["level"], line["tool"], line["outcome"]) for line in lines if line.get("event") == "tool_call"]
    assert sorted(calls) == [
        ("WARNING", "resources/read", "deployment_not_found"),
        ("WARNING", "unknown", "invalid_arguments"),
    ]
    assert all(line.get("call") for line in lines if "event" in line)
    assert b"planted" not in server.stderr


async def test_a_warning_of_a_library_is_an_object_too() -> None:
    async with Upstream() as upstream, warm_host(**upstream.environ, ALAYA_LOG_FORMAT="json") as server:
        await server.initialize()
        odd: dict[str, Any] = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": {}}}
        await server.send(odd)
        await server.request(1, "ping")
        await server.answer(1)
        await server.leave()

    (line,) = written_by(server)
    assert json.loads(line)["level"] == "WARNING"


async def test_what_goes_well_is_no_line_where_only_warnings_are_wanted() -> None:
    async with Upstream() as upstream:
        assert await lines_of("WARNING", upstream, GET) == []


async def test_each_request_upstream_is_a_line_at_debug() -> None:
    outcomes = [503, 200]

    async def control(request: Request, exchange: Exchange) -> None:
        del request
        status = outcomes.pop(0)
        await exchange.answer_json(status, {"code": 0, "data": upstream.deployment} if status == 200 else {})

    async with Upstream(control=control, chat=replies("x")) as upstream:
        lines = await lines_of("DEBUG", upstream, CHAT, ALAYA_LOG_FORMAT="json")

    asked = [json.loads(line) for line in lines if "upstream_request" in line]
    assert [(line["plane"], line["method"], line["status"]) for line in asked] == [
        ("control", "GET", 503),
        ("control", "GET", 200),
        ("data", "POST", 200),
    ]
    assert {line["level"] for line in asked} == {"DEBUG"}
    (call,) = (json.loads(line) for line in lines if "tool_call" in line)
    assert {line["call"] for line in asked} == {call["call"]}


async def test_a_request_that_got_no_answer_is_told_with_its_kind() -> None:
    async with Upstream() as upstream:
        upstream.deployment["serviceUrl"] = "http://127.0.0.1:1/serve"
        lines = await lines_of("DEBUG", upstream, CHAT, ALAYA_TIMEOUT_SECONDS="60", ALAYA_LOG_FORMAT="json")

    failed = [json.loads(line) for line in lines if "upstream_request" in line and '"failure"' in line]
    assert failed
    assert {(line["plane"], line["failure"]) for line in failed} == {("data", "refused")}


async def test_a_call_that_is_cancelled_is_told_as_that() -> None:
    async def hangs(_: Request, exchange: Exchange) -> None:
        await exchange.hang()

    async with (
        Upstream(chat=hangs) as upstream,
        warm_host(**upstream.environ, ALAYA_LOG_LEVEL="DEBUG") as server,
    ):
        await server.initialize()
        await server.call(1, CHAT[0], **CHAT[1])
        while "first token" not in str(await server.line()):
            pass
        await server.send({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}})
        await server.leave()

    (line,) = (line for line in written_by(server) if "tool_call" in line)
    assert f"service_id={SERVICE}" in line
    assert "outcome=cancelled" in line
    assert " INFO " in line
    assert any("upstream_request" in line and "failure=cancelled" in line for line in written_by(server))


def record(message: object) -> logging.LogRecord:
    made = logging.LogRecord("alaya_mcp.x", logging.INFO, "", 0, message, (), None)
    made.created = datetime.fromisoformat(NOON).timestamp()
    return made


NOON = "2026-11-26T12:00:00.250+00:00"


EVENTS: list[tuple[Event, str, dict[str, Any]]] = [
    (
        ToolCall("get_deployment", "ok", 0.12349, 1, "c1", service_id="客服 100% \n= x"),
        r'tool_call tool=get_deployment outcome=ok seconds=0.123 tries=1 call=c1 service_id="客服 100% \n= x"',
        {"event": "tool_call", "seconds": 0.123, "service_id": "客服 100% \n= x"},
    ),
    (
        UpstreamRequest("data", "POST", 1.0, failure="reset"),
        "upstream_request plane=data method=POST seconds=1.0 failure=reset",
        {"event": "upstream_request", "failure": "reset"},
    ),
]


@pytest.mark.parametrize(("event", "text", "facts"), EVENTS)
def test_an_event_is_one_line_whatever_is_in_it(event: Event, text: str, facts: dict[str, Any]) -> None:
    line = TextFormatter().format(record(event))
    assert line == f"{NOON} INFO alaya_mcp.x: {text}"
    assert "\n" not in line

    assert json.loads(JsonFormatter().format(record(event))).items() >= facts.items()


def test_a_race_at_exit_inside_of_asyncio_is_no_line_and_its_other_warnings_are() -> None:
    reaped, slow = (
        record("Unknown child process pid %d, will report returncode 255"),
        record("Executing took 9 seconds"),
    )
    ours = record("will report returncode 255")
    reaped.name = slow.name = "asyncio"

    assert [is_of_use(each) for each in (reaped, slow, ours)] == [False, True, True]


def test_a_message_is_one_object_too() -> None:
    said = json.loads(JsonFormatter().format(record("a plain message")))

    assert said == {"time": NOON, "level": "INFO", "logger": "alaya_mcp.x", "message": "a plain message"}
