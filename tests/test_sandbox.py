"""The sandbox, asked over real sockets; vLLM's answers are compared with what vLLM 0.32.0 was recorded to say."""

from __future__ import annotations

import json
import logging
import signal
import socket
import ssl
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import anyio
import httpx2
import pytest

from alaya_mcp.sandbox import CATALOGUE, KNOBS, LIMITS, Sandbox

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

pytestmark = pytest.mark.anyio

# JSON of a shape that the test looking into it knows.
Json: TypeAlias = dict[str, Any]

# One for all tests: reading the certificates takes longer than a test does.
NO_CERTIFICATES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)

HELLO = [{"role": "user", "content": "Hello, how are you today?"}]
SLOW = 600.0


class Caller:
    """A client of one running sandbox."""

    def __init__(self, sandbox: Sandbox, http: httpx2.AsyncClient) -> None:
        self.sandbox = sandbox
        self.http = http
        self.origin = sandbox.base_url.removesuffix("/api/serverless-infer/v1")
        self.auth = {"Authorization": f"plain Credential={sandbox.access_key},Signature={sandbox.secret_key}"}

    async def control(self, path: str, method: str = "GET") -> httpx2.Response:
        return await self.http.request(method, f"{self.sandbox.base_url}/{path}", headers=self.auth)

    async def detail(self, service_id: str) -> Json:
        body = _object(await self.control(f"deployment/{service_id}"))
        return body.get("data", body)

    async def engine(
        self,
        path: str,
        service_id: str = "sandbox-qwen3",
        method: str = "GET",
        **options: Any,  # noqa: ANN401 - whatever the client takes
    ) -> httpx2.Response:
        headers = {"apiKey": await self.key(service_id), **options.pop("headers", {})}
        return await self.http.request(method, f"{self.origin}/serve/{service_id}/{path}", headers=headers, **options)

    async def chat(self, service_id: str = "sandbox-qwen3", **fields: object) -> httpx2.Response:
        body = {"messages": HELLO, **fields}
        return await self.engine("v1/chat/completions", service_id, "POST", json=body)

    async def key(self, service_id: str) -> str:
        detail = await self.detail(service_id)
        return detail.get("apikey") or detail["apiKey"]


@asynccontextmanager
async def sandboxed(**options: Any) -> AsyncGenerator[Caller]:  # noqa: ANN401 - what Sandbox takes
    options = {"token_delay": 0.0} | options
    with anyio.fail_after(10):
        async with (
            Sandbox(**options) as sandbox,
            httpx2.AsyncClient(trust_env=False, verify=NO_CERTIFICATES, timeout=10) as http,
        ):
            yield Caller(sandbox, http)


@pytest.fixture
async def caller() -> AsyncGenerator[Caller]:
    async with sandboxed() as each:
        yield each


def _object(response: httpx2.Response) -> Json:
    return cast("Json", response.json())


def _text(response: httpx2.Response) -> str:
    assert response.status_code == 200, response.text
    return _object(response)["choices"][0]["message"]["content"]


def _chunks(response: httpx2.Response) -> list[Json]:
    events = response.text.split("\n\n")
    assert events[-2:] == ["data: [DONE]", ""]
    return [json.loads(event.removeprefix("data: ")) for event in events[:-2]]


def _streamed(chunks: list[Json], field: str = "content") -> str:
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks if chunk["choices"]]
    return "".join(delta.get(field) or "" for delta in deltas)


# The server


async def test_every_deployment_has_a_line_in_the_catalogue(caller: Caller) -> None:
    assert caller.sandbox.catalogue == CATALOGUE
    assert caller.sandbox.service_ids == tuple(service_id for service_id, _ in CATALOGUE)
    assert caller.sandbox.default_service_id == "sandbox-qwen3"


async def test_a_taken_port_is_an_error_that_names_it() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match=f"cannot listen on 127.0.0.1:{port}"):
            async with Sandbox(port=port):
                pytest.fail("it started")


async def test_a_port_can_be_taken_again_as_soon_as_the_sandbox_has_stopped() -> None:
    async with sandboxed() as first:
        await first.chat()
        port = int(first.origin.rpartition(":")[2])
    async with sandboxed(port=port) as second:
        assert second.origin == first.origin


async def test_signals_are_left_alone() -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    async with sandboxed():
        assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


async def test_nothing_is_printed_and_nothing_logged(
    capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with sandboxed() as each:
        await each.chat()
        await each.chat(model="nobody")
    assert capfd.readouterr() == ("", "")
    assert [record.name for record in caplog.records if record.name.startswith("uvicorn")] == []


async def test_stopping_cuts_off_a_stream_and_counts_it_as_aborted() -> None:
    async with httpx2.AsyncClient(trust_env=False, verify=NO_CERTIFICATES) as http:
        with anyio.fail_after(10):
            async with Sandbox(token_delay=SLOW) as sandbox:
                each = Caller(sandbox, http)
                request = http.build_request(
                    "POST",
                    f"{each.origin}/serve/sandbox-qwen3/v1/chat/completions",
                    headers={"apiKey": await each.key("sandbox-qwen3")},
                    json={"messages": HELLO, "stream": True},
                )
                response = await http.send(request, stream=True)
                assert sandbox.stats.chats_active == 1
        with pytest.raises(httpx2.TransportError):
            await response.aread()
        assert (sandbox.stats.chats_aborted, sandbox.stats.chats_active) == (1, 0)


async def test_a_cancelled_block_leaves_no_sandbox_behind() -> None:
    sandbox = Sandbox()
    with anyio.move_on_after(10) as scope:
        async with sandbox:
            scope.cancel()
            await anyio.sleep_forever()
    async with httpx2.AsyncClient(trust_env=False, verify=NO_CERTIFICATES) as http:
        with pytest.raises(httpx2.ConnectError):
            await http.get(sandbox.base_url)


async def test_the_help_texts_name_the_knobs_and_the_limits() -> None:
    assert "sandbox: repeat N WORD" in KNOBS
    assert "sandbox: silence SECONDS" in KNOBS
    assert "No language model" in LIMITS


# The control plane


@pytest.mark.parametrize("header", [None, "plain Credential=a,Signature=b", "Bearer sandbox-access-key"])
async def test_a_wrong_key_is_refused_in_the_envelope(caller: Caller, header: str | None) -> None:
    caller.auth = {"Authorization": header} if header else {}
    response = await caller.control("deployment/sandbox-qwen3")
    assert (response.status_code, _object(response)["code"]) == (401, -1)


async def test_an_unknown_deployment_is_a_404_in_the_envelope(caller: Caller) -> None:
    response = await caller.control("deployment/nobody")
    assert (response.status_code, _object(response)["code"]) == (404, -1)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "deployment"),
        ("POST", "deployment/lora"),
        ("PUT", "deployment/expert/sandbox-expert"),
        ("POST", "deployment/sandbox-qwen3/cancel"),
        ("DELETE", "deployment/sandbox-qwen3"),
    ],
)
async def test_what_would_change_something_is_refused(caller: Caller, method: str, path: str) -> None:
    response = await caller.control(path, method)
    assert response.status_code == 403
    assert _object(response) == {"code": -1, "msg": "the sandbox is read-only"}


async def test_the_default_deployment_is_described_as_documented(caller: Caller) -> None:
    body = _object(await caller.control("deployment/sandbox-qwen3"))
    assert body["code"] == 0
    data = body["data"]
    assert data["serviceUrl"] == f"{caller.origin}/serve/sandbox-qwen3"
    assert data["servedName"] == ["qwen3-8b", "qwen3-8b-chat"]
    assert data["status"] == "running"
    assert data["mode"] == "quickStart"
    assert data["instance"] == [
        {"instanceId": each, "loraModels": ["support-zh", "sql-writer"], "baseModelReady": True} for each in ("0", "1")
    ]


async def test_the_lora_service_has_no_envelope_and_no_instance(caller: Caller) -> None:
    body = _object(await caller.control("deployment/sandbox-lora-service"))
    assert "code" not in body
    assert "instance" not in body
    assert (body["servedName"], body["baseServiceId"]) == ("legal-zh", "sandbox-qwen3")
    assert body["apiKey"]


async def test_the_expert_deployment_has_the_shape_of_the_documented_sample(caller: Caller) -> None:
    body = _object(await caller.control("deployment/sandbox-expert"))
    assert body["code"] == "0"
    data = body["data"]
    assert "servedName" not in data
    assert data["quickStart"] is None
    head, worker = data["expert"]["headConfig"], data["expert"]["workerConfig"]
    assert set(worker) - set(head) == {"workers"}
    assert head["imagePullSecret"]["password"]
    assert "--api-key" in head["args"][0]
    assert head["pvcMounts"][0]["readOnly"] == "true"
    assert set(data["expert"]["scale"]) == {"max", "min", "rpsValue", "idleTime"}


async def test_every_documented_spelling_occurs_in_the_catalogue(caller: Caller) -> None:
    details = [_object(await caller.control(f"deployment/{each}")) for each in caller.sandbox.service_ids]
    data = [each.get("data", each) for each in details]
    assert {repr(each.get("code")) for each in details} == {"0", "'0'", "None"}
    assert {"apikey" in each for each in data} == {True, False}
    assert {each["serviceUrl"].endswith("/") for each in data} == {True, False}
    assert {type(each.get("servedName")) for each in data} == {list, str, type(None)}
    assert {"staring", "running", "stoping", "stoped", "failed"} == {each["status"] for each in data}


async def test_a_starting_deployment_runs_some_time_after_it_was_first_looked_at() -> None:
    async with sandboxed(starting_seconds=0) as each:
        first, second = await each.detail("sandbox-starting"), await each.detail("sandbox-starting")
        assert (first["status"], first["instance"]) == ("staring", None)
        assert (second["status"], len(second["instance"])) == ("running", 1)
        assert (await each.chat("sandbox-starting")).status_code == 200


async def test_the_list_is_paged_with_strings_where_the_documentation_has_them(caller: Caller) -> None:
    body = _object(await caller.control("deployment/list?page=2&size=4"))
    assert body["code"] == "0"
    assert body["data"]["count"] == str(len(CATALOGUE))
    assert [row["serviceId"] for row in body["data"]["rows"]] == list(caller.sandbox.service_ids[4:8])
    assert {row["type"] for row in body["data"]["rows"]} == {"base", "lora"}
    assert all(isinstance(row["servedName"], str) and row["apikey"] for row in body["data"]["rows"])


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("model=expert", ["sandbox-expert"]),
        ("model=lora", ["sandbox-lora-service"]),
        ("status=stopped", ["sandbox-stopped"]),
        ("status=stoped", ["sandbox-stopped"]),
        ("status=starting", ["sandbox-starting"]),
        ("name=poem", ["sandbox-sglang"]),
        ("modelId=Qwen/Qwen3-4B", ["sandbox-lora-partial"]),
        ("namespace=finance", ["sandbox-expert"]),
        ("vksId=vks-sandbox-2", ["sandbox-expert"]),
        ("name=nobody", []),
        ("page=9", []),
    ],
)
async def test_the_list_can_be_filtered(caller: Caller, query: str, ids: list[str]) -> None:
    rows = _object(await caller.control(f"deployment/list?{query}"))["data"]["rows"]
    assert [row["serviceId"] for row in rows] == ids


@pytest.mark.parametrize("query", ["size=101", "size=0", "page=0", "page=x", "page=-1"])
async def test_a_page_that_cannot_be_is_refused(caller: Caller, query: str) -> None:
    response = await caller.control(f"deployment/list?{query}")
    assert (response.status_code, _object(response)["code"]) == (400, -1)


# The data plane: who may ask, and where


@pytest.mark.parametrize("headers", [{}, {"apiKey": "wrong"}, {"Authorization": "Bearer sandbox-key-qwen3"}])
async def test_the_key_goes_into_its_own_header(caller: Caller, headers: Mapping[str, str]) -> None:
    url = f"{caller.origin}/serve/sandbox-qwen3/v1/chat/completions"
    response = await caller.http.post(url, headers=headers, json={"messages": HELLO})
    assert (response.status_code, _object(response)) == (401, {"error": "Unauthorized"})


@pytest.mark.parametrize("state", ["starting", "stopping", "stopped", "failed", "loading"])
async def test_an_engine_that_does_not_run_is_a_503(caller: Caller, state: str) -> None:
    assert (await caller.chat(f"sandbox-{state}")).status_code == 503


@pytest.mark.parametrize(
    ("method", "path", "status", "body"),
    [
        ("POST", "v1/nothing", 404, '{"detail":"Not Found"}'),
        ("GET", "v1/models/qwen3-8b", 404, '{"detail":"Not Found"}'),
        ("GET", "v1/chat/completions", 405, '{"detail":"Method Not Allowed"}'),
        ("POST", "/v1/chat/completions", 404, '{"detail":"Not Found"}'),
        ("POST", "v1/chat/completions/", 307, ""),
        ("GET", "health", 200, ""),
        ("GET", "version", 200, '{"version":"0.32.0"}'),
    ],
)
async def test_the_router_answers_as_recorded(caller: Caller, method: str, path: str, status: int, body: str) -> None:
    response = await caller.engine(path, method=method)
    assert (response.status_code, response.text) == (status, body)


async def test_what_is_not_there_is_a_404(caller: Caller) -> None:
    assert (await caller.engine("version", "sandbox-sglang")).status_code == 404
    assert (await caller.http.get(f"{caller.origin}/serve/nobody/health")).status_code == 404
    assert (await caller.control("deployments")).status_code == 404


async def test_a_redirect_names_the_path_without_its_slash(caller: Caller) -> None:
    response = await caller.engine("v1/chat/completions/", method="POST")
    assert response.headers["location"] == f"{caller.origin}/serve/sandbox-qwen3/v1/chat/completions"


async def test_vllm_lists_aliases_with_a_length_and_adapters_with_a_parent(caller: Caller) -> None:
    models = _object(await caller.engine("v1/models"))["data"]
    assert [(each["id"], each["parent"], each["max_model_len"]) for each in models] == [
        ("qwen3-8b", None, 32768),
        ("qwen3-8b-chat", None, 32768),
        ("support-zh", "qwen3-8b", None),
        ("sql-writer", "qwen3-8b", None),
    ]
    assert {each["owned_by"] for each in models} == {"vllm"}
    assert set(models[0]) == {
        "id",
        "object",
        "created",
        "owned_by",
        "root",
        "parent",
        "max_model_len",
        "permission",
    }


# The data plane: refusals


def _error(message: str, kind: str, param: str | None, code: int = 400) -> str:
    error = {"message": message, "type": kind, "param": param, "code": code}
    return json.dumps({"error": error}, separators=(",", ":"))


def _one_validation_error(detail: str, param: str) -> str:
    return _error(f"1 validation error:\n  {detail}", "Bad Request", param)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        pytest.param(
            '{"model": "base", "messages": [',
            _one_validation_error(
                "{'type': 'json_invalid', 'loc': 'body.31', 'msg': 'JSON decode error', "
                "'input': '<dict of 0 items>', 'ctx': {'error': 'Expecting value'}}",
                "body.31",
            ),
            id="invalid_json",
        ),
        pytest.param(
            "[1,2]",
            _one_validation_error(
                "{'type': 'model_attributes_type', 'loc': 'body', 'msg': 'Input should be a valid dictionary or "
                "object to extract fields from', 'input': '<list of 2 items>'}",
                "body",
            ),
            id="json_not_object",
        ),
        pytest.param(
            "",
            _one_validation_error(
                "{'type': 'missing', 'loc': 'body', 'msg': 'Field required', 'input': 'None'}", "body"
            ),
            id="empty_body",
        ),
        pytest.param(
            '{"model": "base", "max_tokens": 12, "temperature": 0}',
            _one_validation_error(
                "{'type': 'missing', 'loc': 'body.messages', 'msg': 'Field required', 'input': '<dict of 3 items>'}",
                "body.messages",
            ),
            id="missing_messages",
        ),
        pytest.param(
            '{"messages": "hi"}',
            _one_validation_error(
                "{'type': 'list_type', 'loc': 'body.messages', 'msg': 'Input should be a valid list', 'input': 'hi'}",
                "body.messages",
            ),
            id="messages_not_list",
        ),
    ],
)
async def test_a_body_that_cannot_be_read_is_refused_as_recorded(caller: Caller, raw: str, expected: str) -> None:
    headers = {"Content-Type": "application/json"}
    response = await caller.engine("v1/chat/completions", method="POST", content=raw, headers=headers)
    assert (response.status_code, response.text) == (400, expected)


async def test_another_content_type_is_refused_as_recorded(caller: Caller) -> None:
    headers = {"Content-Type": "text/plain"}
    response = await caller.engine("v1/chat/completions", method="POST", content='{"messages": []}', headers=headers)
    message = "1 validation error:\n  Unsupported Media Type: Only 'application/json' is allowed"
    assert (response.status_code, response.text) == (400, _error(message, "Bad Request", None))


def _range_error(rule: str, param: str) -> str:
    value = rule.rpartition(" ")[2]
    return _error(f"{rule}. (parameter={param}, value={value})", "BadRequestError", param)


TOOL = {"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object"}}}
PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (
            {"messages": []},
            _error(
                "Cannot apply chat template to an empty conversation. Provide at least one message.",
                "BadRequestError",
                None,
            ),
        ),
        ({"temperature": 99}, _range_error("temperature must be in [0, 2], got 99.0", "temperature")),
        ({"temperature": -1}, _range_error("temperature must be non-negative, got -1.0", "temperature")),
        ({"top_p": 2}, _range_error("top_p must be in (0, 1], got 2.0", "top_p")),
        ({"top_p": 0}, _range_error("top_p must be in (0, 1], got 0.0", "top_p")),
        ({"max_tokens": 0}, _range_error("max_tokens must be at least 1, got 0", "max_tokens")),
        ({"max_tokens": -5}, _range_error("max_tokens must be at least 1, got -5", "max_tokens")),
        (
            {"max_tokens": "ten"},
            _one_validation_error(
                "{'type': 'int_parsing', 'loc': 'body.max_tokens', 'msg': 'Input should be a valid integer, "
                "unable to parse string as an integer', 'input': 'ten'}",
                "body.max_tokens",
            ),
        ),
        (
            {"max_tokens": 3.5},
            _one_validation_error(
                "{'type': 'int_from_float', 'loc': 'body.max_tokens', 'msg': 'Input should be a valid integer, "
                "got a number with a fractional part', 'input': '3.5'}",
                "body.max_tokens",
            ),
        ),
        (
            {"temperature": "hot"},
            _one_validation_error(
                "{'type': 'float_parsing', 'loc': 'body.temperature', 'msg': 'Input should be a valid number, "
                "unable to parse string as a number', 'input': 'hot'}",
                "body.temperature",
            ),
        ),
        (
            {"seed": "x"},
            _one_validation_error(
                "{'type': 'int_parsing', 'loc': 'body.seed', 'msg': 'Input should be a valid integer, unable to "
                "parse string as an integer', 'input': 'x'}",
                "body.seed",
            ),
        ),
        (
            {"stop": ["a1", "b1", "c1", "d1", "e1", "f1"]},
            _error(
                "2 validation errors:\n  {'type': 'string_type', 'loc': 'body.stop', 'msg': 'Input should be a "
                "valid string', 'input': '<list of 6 items>'}\n  {'type': 'too_long', 'loc': 'body.stop', 'msg': "
                "'List should have at most 4 items after validation, not 6', 'input': '<list of 6 items>', 'ctx': "
                "{'field_type': 'List', 'max_length': 4, 'actual_length': 6}}",
                "Bad Request",
                "body.stop",
            ),
        ),
        ({"n": 0}, _error("n must be at least 1, got 0.", "BadRequestError", None)),
        (
            {"n": 2, "temperature": 0},
            _error("n must be 1 when using greedy sampling, got 2.", "BadRequestError", None),
        ),
        (
            {"presence_penalty": 9},
            _error("presence_penalty must be in [-2, 2], got 9.0.", "BadRequestError", None),
        ),
        (
            {"tools": []},
            _error(
                "`tools` must not be an empty array. Either provide at least one tool or omit the field entirely. "
                "(parameter=tools)",
                "BadRequestError",
                "tools",
            ),
        ),
        (
            {"tool_choice": "auto"},
            _error(
                "When using `tool_choice`, `tools` must be set. (parameter=tool_choice)",
                "BadRequestError",
                "tool_choice",
            ),
        ),
        (
            {"tools": [TOOL]},
            _error(
                '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set',
                "BadRequestError",
                None,
            ),
        ),
        (
            {"tools": [TOOL], "tool_choice": "required"},
            _error('tool_choice="required" requires --tool-call-parser to be set', "BadRequestError", None),
        ),
        (
            {"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "get_weather"}}},
            _error(
                'tool_choice=function "get_weather" requires --tool-call-parser to be set',
                "BadRequestError",
                None,
            ),
        ),
        (
            {"top_logprobs": 2},
            _error(
                "when using `top_logprobs`, `logprobs` must be set to true. (parameter=top_logprobs)",
                "BadRequestError",
                "top_logprobs",
            ),
        ),
        (
            {"messages": [{"role": "user", "content": [PICTURE]}]},
            _error("qwen3-8b is not a multimodal model", "BadRequestError", None),
        ),
        (
            {"max_tokens": 40000},
            _error(
                "max_tokens=40000 cannot be greater than max_model_len=32768. Please request fewer output tokens. "
                "(parameter=max_tokens, value=40000)",
                "BadRequestError",
                "max_tokens",
            ),
        ),
        (
            {"messages": [{"role": "user", "content": "x" * 140000}]},
            _error(
                "This model's maximum context length is 32768 tokens. However, your prompt contains 140000 "
                "characters (more than 131072 characters, which is the upper bound for 32768 input tokens). Please "
                "reduce the length of the input prompt. (parameter=input_text, value=140000)",
                "BadRequestError",
                "input_text",
            ),
        ),
    ],
)
async def test_vllm_refuses_in_the_recorded_words_also_a_stream(
    caller: Caller, fields: dict[str, Any], expected: str, *, stream: bool
) -> None:
    response = await caller.chat(**fields, stream=stream)
    assert (response.status_code, response.headers["content-type"]) == (400, "application/json")
    assert response.text == expected


async def test_stream_options_need_a_stream(caller: Caller) -> None:
    response = await caller.chat(stream_options={"include_usage": True})
    message = "Stream options can only be defined when `stream=True`. (parameter=stream_options)"
    assert (response.status_code, response.text) == (
        400,
        _error(message, "BadRequestError", "stream_options"),
    )


async def test_a_prompt_and_an_answer_have_to_fit_together(caller: Caller) -> None:
    wide = [{"role": "user", "content": "\u6c34" * 32765}]
    alone, together = await caller.chat(messages=wide), await caller.chat(max_tokens=32768)
    assert "your prompt contains at least 32769 input tokens" in alone.text
    assert "you requested 32768 output tokens" in together.text


async def test_null_content_is_refused_only_where_something_must_be_said(caller: Caller) -> None:
    silent: Json = {"role": "assistant", "content": None, "tool_calls": []}
    assert (await caller.chat(messages=[{"role": "user", "content": None}])).status_code == 400
    assert (await caller.chat(messages=[silent, *HELLO])).status_code == 200


@pytest.mark.parametrize("raw", [b"\xff\xfe{", b"[" * 100000, b'{"messages": ' + b"1" * 5000 + b"}"])
async def test_a_body_no_parser_takes_is_refused_too(caller: Caller, raw: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    response = await caller.engine("v1/chat/completions", method="POST", content=raw, headers=headers)
    assert (response.status_code, response.headers["content-type"]) == (400, "application/json")


async def test_a_lone_surrogate_is_answered_with_a_question_mark(caller: Caller) -> None:
    raw = b'{"messages": [{"role": "user", "content": "sandbox: repeat 1 \\ud800"}]}'
    headers = {"Content-Type": "application/json"}
    response = await caller.engine("v1/chat/completions", method="POST", content=raw, headers=headers)
    assert _text(response) == "?"


# The data plane: names


@pytest.mark.parametrize(
    ("model", "answered"),
    [
        ("qwen3-8b", "qwen3-8b"),
        ("qwen3-8b-chat", "qwen3-8b"),
        ("", "qwen3-8b"),
        (None, "qwen3-8b"),
        ("sql-writer", "sql-writer"),
    ],
)
async def test_vllm_answers_with_the_primary_name_or_the_adapters(
    caller: Caller, model: str | None, answered: str
) -> None:
    assert _object(await caller.chat(model=model))["model"] == answered


@pytest.mark.parametrize("model", ["nobody", "SQL-WRITER", "qwen3-8b:sql-writer"])
async def test_vllm_names_only_its_aliases_when_it_does_not_know_a_model(caller: Caller, model: str) -> None:
    message = f"The model `{model}` does not exist. Valid aliases: qwen3-8b, qwen3-8b-chat."
    response = await caller.chat(model=model)
    assert (response.status_code, response.text) == (404, _error(message, "NotFoundError", "model", 404))


async def test_vllm_ignores_what_it_does_not_know_even_sglangs_adapter_field(caller: Caller) -> None:
    response = await caller.chat(lora_path="sql-writer", frobnicate=True)
    assert _object(response)["model"] == "qwen3-8b"


async def test_an_adapter_on_one_of_two_instances_is_found_every_other_time(caller: Caller) -> None:
    asked = [await caller.chat("sandbox-lora-partial", model="tone-formal") for _ in range(4)]
    assert [each.status_code for each in asked] == [404, 200, 404, 200]
    both = [await caller.chat("sandbox-lora-partial", model="tone-casual") for _ in range(2)]
    assert [each.status_code for each in both] == [200, 200]


async def test_sglang_takes_an_adapter_after_a_colon_and_runs_the_base_for_a_bare_one(caller: Caller) -> None:
    colon = await caller.chat("sandbox-sglang", model="qwen2.5-7b:poet")
    field = await caller.chat("sandbox-sglang", model="qwen2.5-7b", lora_path="poet")
    bare = await caller.chat("sandbox-sglang", model="poet")
    assert "poet (qwen2.5-7b)" in _text(colon)
    assert "poet (qwen2.5-7b)" in _text(field)
    assert "This is qwen2.5-7b in the sandbox" in _text(bare)
    assert _object(bare)["model"] == "poet"


async def test_sglang_refuses_an_unknown_adapter_in_a_flat_error(caller: Caller) -> None:
    response = await caller.chat("sandbox-sglang", model="qwen2.5-7b:nobody")
    body = _object(response)
    assert response.status_code == 400
    assert (body["object"], body["type"], body["code"]) == ("error", "BadRequestError", 400)
    assert "nobody" in body["message"]


async def test_sglang_lists_bare_adapters_as_its_own(caller: Caller) -> None:
    models = _object(await caller.engine("v1/models", "sandbox-sglang"))["data"]
    assert [(each["id"], each["owned_by"], each["parent"]) for each in models] == [
        ("qwen2.5-7b", "sglang", None),
        ("poet", "sglang", "qwen2.5-7b"),
    ]


async def test_the_lora_service_answers_with_its_adapter(caller: Caller) -> None:
    assert "legal-zh" in _text(await caller.chat("sandbox-lora-service", model="legal-zh"))


# The data plane: answers


async def test_an_answer_quotes_the_question_and_names_who_answers(caller: Caller) -> None:
    text = _text(await caller.chat())
    assert "Hello, how are you today?" in text
    assert "qwen3-8b" in text
    assert text == _text(await caller.chat())


async def test_a_chinese_question_gets_a_chinese_answer(caller: Caller) -> None:
    text = _text(await caller.chat(messages=[{"role": "user", "content": "\u4f60\u662f\u8c01"}]))
    assert "\u6c99\u7bb1" in text
    assert "\u4f60\u662f\u8c01" in text


async def test_every_voice_answers_differently_at_a_modest_length(caller: Caller) -> None:
    asked = [
        ("sandbox-qwen3", "qwen3-8b"),
        ("sandbox-qwen3", "support-zh"),
        ("sandbox-qwen3", "sql-writer"),
        ("sandbox-lora-partial", "tone-casual"),
        ("sandbox-lora-service", "legal-zh"),
        ("sandbox-sglang", "qwen2.5-7b:poet"),
    ]
    answers = [await caller.chat(service_id, model=model) for service_id, model in asked]
    assert len({_text(each) for each in answers}) == len(asked)
    assert all(30 <= _object(each)["usage"]["completion_tokens"] <= 100 for each in answers)
    assert _text(answers[2]).startswith("```sql\n")


async def test_an_answer_tells_of_the_system_message_and_of_earlier_turns(caller: Caller) -> None:
    history = [{"role": "system", "content": "Be brief."}, *HELLO, {"role": "assistant", "content": "Fine."}]
    text = _text(await caller.chat(messages=[*history, *HELLO]))
    assert "A system message was seen." in text
    assert "Earlier turns: 1." in text


async def test_content_can_come_in_parts(caller: Caller) -> None:
    parts = [{"type": "text", "text": "Left"}, {"type": "text", "text": "right"}]
    assert '"Left right"' in _text(await caller.chat(messages=[{"role": "user", "content": parts}]))


async def test_an_answer_has_every_field_that_was_recorded(caller: Caller) -> None:
    body = _object(await caller.chat())
    assert list(body) == [
        "id",
        "object",
        "created",
        "model",
        "choices",
        "service_tier",
        "system_fingerprint",
        "usage",
        "prompt_logprobs",
        "prompt_token_ids",
        "prompt_text",
        "kv_transfer_params",
        "ec_transfer_params",
        "metrics",
    ]
    (choice,) = body["choices"]
    assert list(choice) == [
        "index",
        "message",
        "logprobs",
        "finish_reason",
        "stop_reason",
        "token_ids",
        "routed_experts",
    ]
    assert list(choice["message"]) == [
        "role",
        "content",
        "refusal",
        "annotations",
        "audio",
        "function_call",
        "reasoning",
    ]


@pytest.mark.parametrize("field", ["max_tokens", "max_completion_tokens"])
async def test_a_limit_cuts_the_answer_off(caller: Caller, field: str) -> None:
    fields: Json = {field: 5}
    body = _object(await caller.chat(**fields))
    assert body["choices"][0]["finish_reason"] == "length"
    assert body["usage"]["completion_tokens"] == 5


async def test_a_stop_string_ends_the_answer_before_it(caller: Caller) -> None:
    messages = [{"role": "user", "content": "sandbox: repeat 9 word"}]
    body = _object(await caller.chat(messages=messages, stop=["rd word", "never"]))
    (choice,) = body["choices"]
    assert (choice["message"]["content"], choice["finish_reason"], choice["stop_reason"]) == (
        "wo",
        "stop",
        "rd word",
    )
    assert body["usage"]["completion_tokens"] == 2


async def test_a_stream_says_what_the_whole_answer_says_one_token_a_chunk(caller: Caller) -> None:
    options = {"include_usage": True}
    for service_id in ("sandbox-qwen3", "sandbox-sglang"):
        whole = _object(await caller.chat(service_id, model="qwen2.5-7b" if "sgl" in service_id else None))
        response = await caller.chat(service_id, stream=True, stream_options=options)
        chunks = _chunks(response)
        assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert _streamed(chunks) == whole["choices"][0]["message"]["content"]
        assert chunks[-1]["choices"] == []
        assert chunks[-1]["usage"]["completion_tokens"] == whole["usage"]["completion_tokens"]
        texts = [each for each in chunks[1:-1] if each["choices"][0]["delta"].get("content")]
        assert len(texts) == whole["usage"]["completion_tokens"]


async def test_vllms_chunks_have_the_recorded_shape(caller: Caller) -> None:
    messages = [{"role": "user", "content": "sandbox: repeat 2 no"}]
    chunks = _chunks(await caller.chat(messages=messages, stream=True, stream_options={"include_usage": True}))
    common = {key: chunks[0][key] for key in ("id", "object", "created", "model")}
    assert chunks == [
        common
        | {
            "choices": [
                {
                    "index": 0,
                    "delta": {"role": "assistant", "content": ""},
                    "logprobs": None,
                    "finish_reason": None,
                }
            ],
            "prompt_token_ids": None,
            "prompt_text": None,
        },
        common
        | {
            "choices": [
                {
                    "index": 0,
                    "delta": {"content": "no"},
                    "logprobs": None,
                    "finish_reason": None,
                    "token_ids": None,
                }
            ]
        },
        common
        | {
            "choices": [
                {
                    "index": 0,
                    "delta": {"content": " no"},
                    "logprobs": None,
                    "finish_reason": "stop",
                    "stop_reason": None,
                    "token_ids": None,
                }
            ]
        },
        common
        | {
            "choices": [],
            "usage": {"prompt_tokens": 9, "total_tokens": 11, "completion_tokens": 2},
            "system_fingerprint": chunks[-1]["system_fingerprint"],
        },
    ]


async def test_usage_is_streamed_only_when_asked_for_and_all_along_when_asked_so(caller: Caller) -> None:
    plain = _chunks(await caller.chat(stream=True))
    always = _chunks(
        await caller.chat(stream=True, stream_options={"include_usage": True, "continuous_usage_stats": True})
    )
    assert all("usage" not in chunk for chunk in plain)
    assert [chunk["usage"]["completion_tokens"] for chunk in always[:3]] == [0, 1, 2]


async def test_sglang_ends_a_stream_with_what_matched(caller: Caller) -> None:
    chunks = _chunks(await caller.chat("sandbox-sglang", stream=True, stop="sandbox"))
    choice = chunks[-1]["choices"][0]
    assert (choice["finish_reason"], choice["matched_stop"]) == ("stop", "sandbox")


async def test_a_thinking_engine_thinks_before_it_answers(caller: Caller) -> None:
    chunks = _chunks(await caller.chat("sandbox-thinking", stream=True))
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks[1:]]
    kinds = ["reasoning" if "reasoning" in delta else "content" for delta in deltas]
    assert kinds == sorted(kinds, reverse=True)
    assert deltas[0]["content"] is None
    message = _object(await caller.chat("sandbox-thinking"))["choices"][0]["message"]
    assert _streamed(chunks, "reasoning") == message["reasoning"]
    assert _streamed(chunks) == message["content"]


async def test_a_thinking_engine_cut_off_in_its_thoughts_has_no_content(caller: Caller) -> None:
    (choice,) = _object(await caller.chat("sandbox-thinking", max_tokens=3))["choices"]
    assert (choice["message"]["content"], choice["finish_reason"]) == (None, "length")


async def test_words_can_be_asked_for_by_their_number(caller: Caller) -> None:
    messages = [{"role": "user", "content": "sandbox: repeat 10000 word"}]
    body = _object(await caller.chat(messages=messages))
    assert body["choices"][0]["message"]["content"] == " ".join(["word"] * 10000)
    assert body["usage"]["completion_tokens"] == 10000


@pytest.mark.parametrize(("count", "finish"), [("0", "stop"), ("999999999", "length")])
async def test_no_words_and_too_many_words_end_well(caller: Caller, count: str, finish: str) -> None:
    messages = [{"role": "user", "content": f"sandbox: repeat {count} w"}]
    assert _object(await caller.chat(messages=messages))["choices"][0]["finish_reason"] == finish


# Clients that leave, and the counters


@pytest.mark.parametrize("content", ["hello", "sandbox: silence 600"])
async def test_a_closed_stream_is_aborted_while_the_engine_waits(content: str) -> None:
    delay = 0.0 if content.startswith("sandbox") else SLOW
    async with sandboxed(token_delay=delay) as each:
        headers = {"apiKey": await each.key("sandbox-qwen3")}
        body = {"messages": [{"role": "user", "content": content}], "stream": True}
        url = f"{each.origin}/serve/sandbox-qwen3/v1/chat/completions"
        async with each.http.stream("POST", url, headers=headers, json=body) as response:
            assert response.status_code == 200
            assert each.sandbox.stats.chats_active == 1
        await each.sandbox.stats.wait_for(lambda stats: stats.chats_aborted == 1)
        assert each.sandbox.stats.chats_finished == 0


async def test_a_client_that_gives_up_on_a_whole_answer_aborts_it() -> None:
    async with sandboxed() as each, anyio.create_task_group() as group:
        messages = [{"role": "user", "content": "sandbox: silence 600"}]
        group.start_soon(lambda: each.chat(messages=messages))
        await each.sandbox.stats.wait_for(lambda stats: stats.chats_active == 1)
        group.cancel_scope.cancel()
        with anyio.CancelScope(shield=True):
            await each.sandbox.stats.wait_for(lambda stats: stats.chats_aborted == 1)


async def test_a_long_stream_without_delays_notices_that_its_client_left(caller: Caller) -> None:
    headers = {"apiKey": await caller.key("sandbox-qwen3")}
    body = {"messages": [{"role": "user", "content": "sandbox: repeat 32000 word"}], "stream": True}
    url = f"{caller.origin}/serve/sandbox-qwen3/v1/chat/completions"
    async with caller.http.stream("POST", url, headers=headers, json=body) as response:
        await anext(response.aiter_bytes())
    await caller.sandbox.stats.wait_for(lambda stats: stats.chats_aborted == 1)


async def test_the_counters_can_be_asked_for_without_a_key(caller: Caller) -> None:
    await caller.chat()
    await caller.chat(stream=True)
    await caller.chat(temperature=99)
    stats = _object(await caller.http.get(f"{caller.origin}/sandbox/stats"))
    assert stats == {
        "requests": {"sandbox-qwen3": 3},
        "control_requests": 3,
        "chats_started": 2,
        "chats_finished": 2,
        "chats_aborted": 0,
        "chats_active": 0,
    }


# The backend


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
            assert (response.status_code, _object(response)) == (401, {"error": "Unauthorized"})
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
        assert set(_object(response)["error"]) == {"message", "type", "param", "code"}
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
