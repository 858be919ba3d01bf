"""Traces and metrics as a collector and Prometheus get them, from real servers: what is told, and what never is."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest
from anyio.abc import Process
from opentelemetry.metrics import NoOpMeter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import get_current_span

from alaya_mcp.observability.recorder import Recorder
from alaya_mcp.observability.requested import Requested, requested
from alaya_mcp.observability.start import observing
from alaya_mcp.observer import NOBODY, ChatFacts
from tests.http_host import RAW, body_of
from tests.otlp_receiver import Receiver, receiver
from tests.patience import PATIENCE
from tests.readme_output import ROOT
from tests.stdio_host import host, own_environ
from tests.upstream import DONE, SERVICE, Exchange, Request, Upstream, text_chunk

TRACE, PARENT = "11111111111111111111111111111111", "2222222222222222"
OTHER_TRACE, OTHER_PARENT = "33333333333333333333333333333333", "4444444444444444"
META = {"traceparent": f"00-{TRACE}-{PARENT}-01", "tracestate": "planted=planted", "baggage": "planted=planted"}
CHAT, GET = "chat_with_deployment", "get_deployment"
SERVER, CLIENT, FAILED = 2, 3, 2
"""Kinds of spans, and a status, by OpenTelemetry's numbers."""


@dataclass(frozen=True)
class Told:
    """What a collector and an upstream got from one server.

    Attributes:
        spans: In the order of their ends.
        metrics: Points by metric.
        raw: All bytes.
        asked: The requests upstream.
    """

    spans: list[dict[str, Any]]
    metrics: dict[str, list[dict[str, Any]]]
    raw: bytes
    asked: list[Request]

    def first(self, name: str) -> dict[str, Any]:
        """The first span of that name."""
        return next(span for span in self.spans if span["name"] == name)

    def last(self, name: str) -> dict[str, Any]:
        """The last one."""
        return next(span for span in reversed(self.spans) if span["name"] == name)


async def told(collector: Receiver, upstream: Upstream) -> Told:
    return Told(await collector.spans(), await collector.metrics(), await collector.raw(), upstream.requests)


async def engine(request: Request, exchange: Exchange) -> None:
    """Answers by the prompt: an error, nothing more after a piece, or a whole answer of a model of another name."""
    prompt = request.json["messages"][-1]["content"]
    if "fail" in prompt:
        await exchange.answer_json(400, {"error": {"message": "planted words of an engine"}})
        return
    await exchange.events(text_chunk("planted reply", model="planted-answerer"))
    if "hang" in prompt:
        await exchange.hang()
    usage = {"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12}
    await exchange.event(text_chunk(" and more"))
    await exchange.event({**text_chunk(finish_reason="planted"), "usage": usage})
    await exchange.event(DONE)


async def control(request: Request, exchange: Exchange, upstream: Upstream) -> None:
    if request.path.endswith(SERVICE):
        await exchange.answer_json(200, {"code": 0, "data": upstream.deployment})
    else:
        await exchange.answer_json(404, {"code": -1, "msg": "planted words of the control plane"})


@asynccontextmanager
async def upstream_of_all() -> AsyncGenerator[Upstream]:
    upstream = Upstream(chat=engine)
    upstream.control = lambda request, exchange: control(request, exchange, upstream)
    async with upstream:
        yield upstream


async def over_stdio() -> Told:
    calls: list[dict[str, Any]] = [
        {"name": GET, "_meta": META},
        {"name": GET, "arguments": {"service_id": "planted-service"}},
        {"name": CHAT, "arguments": {"prompt": "planted prompt"}},
        {"name": CHAT, "arguments": {"prompt": "planted: fail", "model": "lora1"}},
        {"name": CHAT, "arguments": {"prompt": "x", "model": "planted-model"}},
        {"name": "planted_tool"},
    ]
    async with upstream_of_all() as upstream, receiver() as collector:
        async with host(**upstream.environ, **collector.environ) as server:
            await server.initialize()
            for number, params in enumerate(calls, 1):
                await server.request(number, "tools/call", params)
                await server.answer(number)
            others = {
                "planted/method": {},
                "prompts/get": {"name": "planted"},
                "resources/read": {"uri": "planted://x"},
            }
            for method, params in others.items():
                await server.request(f"planted {method}", method, params)
                await server.answer(f"planted {method}")
            await server.call(9, CHAT, prompt="planted: hang", model="base-alias")
            while "planted reply" not in str(await server.line()):
                pass
            await server.send({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 9}})
            await server.leave()
        return await told(collector, upstream)


@pytest.fixture(scope="module")
def stdio() -> Told:
    """What is told of one of each call over stdio."""
    return anyio.run(over_stdio)


def test_a_call_and_its_request_belong_to_the_trace_of_the_caller(stdio: Told) -> None:
    call, request = stdio.first(f"tools/call {GET}"), stdio.first("GET /deployment/{serviceId}")
    asked = next(each for each in stdio.asked if each.path.endswith(SERVICE))

    assert (call["trace"], call["parent"], call["kind"]) == (TRACE, PARENT, SERVER)
    assert (request["trace"], request["parent"], request["kind"]) == (TRACE, call["id"], CLIENT)
    assert asked.headers["traceparent"] == f"00-{TRACE}-{request['id']}-01"
    assert not {"tracestate", "baggage"} & asked.headers.keys()
    assert (request["http.response.status_code"], request["server.address"]) == (200, "127.0.0.1")
    assert call["service"] == "alayanew-mcp"
    assert stdio.last("chat base")["trace"] != TRACE


def test_an_error_has_its_code_and_no_words(stdio: Told) -> None:
    call = stdio.last(f"tools/call {GET}")

    assert (call["error.type"], call["status"]) == ("deployment_not_found", FAILED)
    assert stdio.last("chat lora1")["error.type"] == "400"
    assert {(span["description"], span["events"]) for span in stdio.spans} == {("", 0)}


def test_a_chat_has_its_tokens_and_its_engine_the_trace(stdio: Told) -> None:
    chat = stdio.last("chat base")
    asked = next(each for each in stdio.asked if b"planted prompt" in each.body)

    assert asked.headers["traceparent"].split("-")[1] == chat["trace"]
    assert (chat["gen_ai.request.model"], chat["kind"], chat["status"]) == ("base", CLIENT, 0)
    assert (chat["gen_ai.usage.input_tokens"], chat["gen_ai.usage.output_tokens"]) == (5, 7)
    assert chat["gen_ai.response.finish_reasons"]["values"] == [{"stringValue": "other"}]


def test_a_call_that_is_cancelled_is_no_success(stdio: Told) -> None:
    call, chat = stdio.last(f"tools/call {CHAT}"), stdio.last("chat base-alias")

    assert (call["error.type"], call["status"]) == ("cancelled", FAILED)
    assert (chat["error.type"], chat["status"], chat["parent"]) == ("cancelled", FAILED, call["id"])


def test_what_is_measured_has_labels_of_known_sets(stdio: Told) -> None:
    calls = {
        (each.get("gen_ai.tool.name"), each.get("error.type"))
        for each in stdio.metrics["mcp.server.operation.duration"]
    }
    usage = {
        (each["gen_ai.request.model"], each["gen_ai.token.type"]): each["value"]
        for each in stdio.metrics["gen_ai.client.token.usage"]
    }

    assert calls >= {
        (GET, None),
        (GET, "deployment_not_found"),
        (CHAT, "request_rejected"),
        (CHAT, "cancelled"),
        ("other", "-32602"),
        (None, "invalid_arguments"),
    }
    assert usage == {(model, kind): 1 for model in ("base", "other") for kind in ("input", "output")}
    assert stdio.metrics.keys() >= {
        "gen_ai.client.operation.duration",
        "gen_ai.client.operation.time_to_first_chunk",
        "gen_ai.client.operation.time_per_output_chunk",
        "alaya_mcp.chats.places",
        "alaya_mcp.accounts.open",
    }


def test_nothing_of_a_caller_an_engine_or_a_key_is_in_any_byte(stdio: Told) -> None:
    names = {span["name"] for span in stdio.spans}
    assert names >= {"tools/call other", "prompts/get other", "other", "chat other"}
    assert b"planted" not in stdio.raw
    assert b"deployment-apikey" not in stdio.raw
    assert SERVICE.encode() not in stdio.raw


ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c.invalid"}
GRPC = "OTEL_EXPORTER_OTLP_PROTOCOL"


@pytest.mark.parametrize(
    ("environ", "wanted"),
    [
        ({}, (False, False)),
        ({"OTEL_SERVICE_NAME": "x"}, (False, False)),
        (ENDPOINT, (True, True)),
        ({**ENDPOINT, "OTEL_SDK_DISABLED": "True"}, (False, False)),
        ({**ENDPOINT, "OTEL_METRICS_EXPORTER": "none"}, (True, False)),
        ({**ENDPOINT, "OTEL_TRACES_EXPORTER": "console"}, (False, True)),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c.invalid"}, (True, False)),
        ({"OTEL_METRICS_EXPORTER": "prometheus, otlp"}, (False, True)),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": " "}, (False, False)),
        ({**ENDPOINT, GRPC: "grpc"}, (False, False, (GRPC,))),
        ({**ENDPOINT, GRPC: "grpc", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf"}, (True, False, (GRPC,))),
    ],
    ids=str,
)
def test_the_standard_variables_say_what_is_exported(environ: Mapping[str, str], wanted: tuple[Any, ...]) -> None:
    assert requested(environ) == Requested(*wanted)


def test_what_cannot_be_used_is_a_warning_without_its_words(caplog: pytest.LogCaptureFixture) -> None:
    for environ in ({**ENDPOINT, GRPC: "planted"}, {**ENDPOINT, "OTEL_METRIC_EXPORT_INTERVAL": "-70707"}):
        with pytest.MonkeyPatch.context() as patch:
            for name, value in environ.items():
                patch.setenv(name, value)  # the exporters read the process's own
            with observing(environ) as observer:
                assert observer is NOBODY

    protocol, interval = (record.getMessage() for record in caplog.records)
    assert GRPC in protocol
    assert "cannot be used" in interval
    assert not {"planted", "70707"} & set(re.findall(r"\w+", caplog.text))


def test_prometheus_needs_no_variable() -> None:
    with observing({}, scraped=True) as observer:
        assert b"process_resident_memory_bytes" in observer.exposition()


def test_a_trace_given_twice_is_none() -> None:
    tracer = TracerProvider(shutdown_on_exit=False).get_tracer("test")
    recorder = Recorder(tracer, NoOpMeter("test"))
    header = (b"traceparent", META["traceparent"].encode())
    for headers, trace in (([header], TRACE), ([header, header], None), ([(b"traceparent", b"\xff")], None)):
        with recorder.joined(headers):
            found = get_current_span().get_span_context()
            assert (f"{found.trace_id:032x}" if found.is_valid else None) == trace


@asynccontextmanager
async def served(*arguments: str, **environ: str) -> AsyncGenerator[tuple[Process, list[str]]]:
    """An HTTP server, and the addresses of MCP and of its metrics."""
    command = [sys.executable, "-m", "alaya_mcp", "http", "--port", "0", *arguments]
    process = await anyio.open_process(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, env=own_environ(**environ)
    )
    try:
        assert process.stderr
        said = b""
        with anyio.fail_after(PATIENCE):
            while said.count(b"\n") < 2:
                said += await process.stderr.receive()
        yield process, re.findall(r"http://[^\s)]+[^\s.)]", said.decode())
    finally:
        if process.returncode is None:
            process.kill()
        await process.aclose()


@dataclass(frozen=True)
class Scraped(Told):
    """With Prometheus's view.

    Attributes:
        page: The text of the metrics.
        elsewhere: The answer to another path.
    """

    page: str
    elsewhere: httpx2.Response


async def over_http() -> Scraped:
    async with upstream_of_all() as upstream, receiver() as collector:
        environ = {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": f"{collector.url}/v1/traces", "NO_PROXY": "127.0.0.1"}
        async with (
            served("--metrics-port", "0", **upstream.environ, **environ) as (process, (at, metrics)),
            httpx2.AsyncClient(timeout=PATIENCE, trust_env=False) as http,
        ):

            async def call(name: str, traceparent: str, **params: object) -> None:
                headers = {**RAW, "traceparent": traceparent}
                answer = await http.post(at, headers=headers, json=body_of("tools/call", name=name, **params))
                assert answer.status_code == 200

            around = f"00-{OTHER_TRACE}-{OTHER_PARENT}-01"
            await call(GET, around)
            await call("list_lora_models", around, _meta=META)
            await call(GET, "planted", arguments={"service_id": "planted-service"})
            await call(CHAT, around, arguments={"prompt": "planted prompt"})
            await call(CHAT, around, arguments={"prompt": "planted: hang", "background": True, "model": "base-alias"})
            page, elsewhere = await http.get(metrics), await http.get(f"{metrics}/planted")
            process.send_signal(signal.SIGTERM)
            with anyio.fail_after(PATIENCE):
                assert await process.wait() == 0
        return Scraped(**vars(await told(collector, upstream)), page=page.text, elsewhere=elsewhere)


@pytest.fixture(scope="module")
def http() -> Scraped:
    """What is told of calls over HTTP, with metrics for Prometheus alone."""
    if os.name != "posix":
        pytest.skip("signals as POSIX has them")
    return anyio.run(over_http)


def test_the_header_of_a_request_is_its_trace_and_its_meta_comes_first(http: Scraped) -> None:
    of_header, of_both = http.last(f"tools/call {CHAT}"), http.last("tools/call list_lora_models")

    assert (of_header["trace"], of_header["parent"], of_header["links"]) == (OTHER_TRACE, OTHER_PARENT, [])
    assert (of_both["trace"], of_both["parent"], of_both["links"]) == (TRACE, PARENT, [OTHER_PARENT])
    assert of_header["network.transport"] == "tcp"


def test_a_reply_that_outlives_its_call_is_told_at_its_own_end(http: Scraped) -> None:
    chat = http.last("chat base-alias")

    assert (chat["trace"], chat["error.type"]) == (OTHER_TRACE, "server_lost")
    assert chat["parent"] == http.last(f"tools/call {CHAT}")["id"]


def test_the_page_for_prometheus_is_the_metrics_and_nothing_else(http: Scraped) -> None:
    assert http.metrics == {}
    assert re.search(r"^alaya_mcp_generations_running\S* 1\.0$", http.page, re.MULTILINE)
    assert "planted" not in http.page
    assert b"planted" not in http.raw
    assert http.elsewhere.status_code == 404
    assert http.elsewhere.json()["error"]["message"]


def test_the_dashboard_asks_for_metrics_that_there_are(http: Scraped) -> None:
    there = set(re.findall(r"^(\w+)(?:\{| )", http.page, re.MULTILINE))
    dashboard = json.loads((ROOT / "deploy" / "grafana" / "dashboard.json").read_text(encoding="utf-8"))
    asked = {
        name for panel in dashboard["panels"] for target in panel["targets"] for name in _NAMES.findall(target["expr"])
    }

    assert len(asked) >= 12
    assert asked <= there


_NAMES = re.compile(r"\b(?:alaya_mcp|gen_ai_client|mcp_server|process)_\w+")


async def _hanging() -> tuple[int, bool, str]:
    async with upstream_of_all() as upstream, receiver("hang") as collector:
        environ = {**upstream.environ, **collector.environ, "OTEL_EXPORTER_OTLP_TIMEOUT": str(10 * PATIENCE)}
        async with host(**environ) as server:
            await server.initialize()
            await server.call(1, GET)
            await server.answer(1)
            status = await server.leave()
            return status, collector.process.returncode is None, server.stderr.decode()


def test_a_collector_that_never_answers_does_not_hold_up_the_end() -> None:
    status, is_still_hanging, said = anyio.run(_hanging)

    assert (status, is_still_hanging) == (0, True)
    assert said.count("\n") == 1
    assert "did not take the last traces or metrics" in said


@pytest.fixture
def without_extra(tmp_path: Path) -> dict[str, str]:
    """Variables with which Python finds neither the SDK nor its exporters."""
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\n"
        "class Blocked:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.startswith(('opentelemetry.sdk', 'opentelemetry.exporter')):\n"
        "            raise ModuleNotFoundError(name)\n"
        "sys.meta_path.insert(0, Blocked())\n",
        encoding="utf-8",
    )
    return {"PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])}


@pytest.mark.anyio
async def test_what_is_not_installed_is_told_once_and_the_server_runs(without_extra: dict[str, str]) -> None:
    async with (
        upstream_of_all() as upstream,
        host(**upstream.environ, **without_extra, OTEL_TRACES_EXPORTER="otlp") as server,
    ):
        await server.initialize()
        await server.call(1, GET)
        assert not (await server.answer(1))["result"]["isError"]
        await server.leave()

    (line,) = server.stderr.decode().splitlines()
    assert "pip install '.[otel]'" in line


@pytest.mark.anyio
async def test_a_port_for_metrics_is_refused_where_they_are_not_installed(without_extra: dict[str, str]) -> None:
    command = [sys.executable, "-m", "alaya_mcp", "http", "--sandbox", "--port", "0"]
    environ = own_environ(**without_extra, ALAYA_HTTP_METRICS_PORT="0")
    run = await anyio.run_process(command, env=environ, check=False)

    assert run.returncode == 2
    assert b"ALAYA_HTTP_METRICS_PORT needs" in run.stderr
    assert b"pip install '.[otel]'" in run.stderr


@pytest.mark.anyio
async def test_a_hundred_models_have_labels_of_their_own() -> None:
    reader = InMemoryMetricReader()
    recorder = Recorder(None, MeterProvider([reader], shutdown_on_exit=False).get_meter("test"))
    facts: Callable[[], ChatFacts] = lambda: ChatFacts(0, None, None, "cancelled")  # noqa: E731 it says its type
    for number in range(150):
        with recorder.chat(f"model-{number % 120}", "https://engine.invalid", facts):
            pass

    data = reader.get_metrics_data()
    assert data
    metrics = {
        metric.name: metric
        for each in data.resource_metrics
        for scope in each.scope_metrics
        for metric in scope.metrics
    }
    points: Any = metrics["gen_ai.client.operation.duration"].data.data_points
    counts = {point.attributes["gen_ai.request.model"]: point.count for point in points}
    assert len(counts) == 101
    assert (counts["model-0"], counts["other"]) == (2, 20)
