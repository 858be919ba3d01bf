"""What upstream refuses, and how: the code, whether trying again helps, and the advice, over real sockets."""

import asyncio
import gc
import gzip
import json
import zlib
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from math import ceil
from typing import Any, cast

import brotli  # type: ignore[reportMissingTypeStubs] # it ships none
import pytest
from mcp import Client

from alaya_mcp.serving.server import create_server
from tests.calls import CHAT, call, content_of, error_of, text_of
from tests.upstream import DONE, SERVICE, Exchange, Handler, Request, Upstream, in_turn, replies, says, text_chunk

pytestmark = [pytest.mark.anyio, pytest.mark.quick]

HEAD = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"


def raw(text: str | bytes) -> Handler:
    """A handler that sends bytes in place of an answer, and closes."""

    async def handler(_: Request, exchange: Exchange) -> None:
        await exchange.send(text.encode() if isinstance(text, str) else text)

    return handler


BROKEN = {
    "two lengths": HEAD + "content-length: 3\r\ncontent-length: 4\r\n\r\nabcd",
    "a length that is no number": HEAD + "content-length: x\r\n\r\nabcd",
    "an unknown Transfer-Encoding": HEAD + "transfer-encoding: zip\r\n\r\nabcd",
    "a header without a colon": HEAD + "nonsense\r\n\r\nabcd",
    "no HTTP at all": "SSH-2.0-OpenSSH_9.2p1\r\n\r\n\r\n",
    "a status that is none": "HTTP/1.1 abc OK\r\n\r\n",
    "a chunk size that is none": HEAD + "transfer-encoding: chunked\r\n\r\nzz\r\nabc\r\n",
    "endless headers": HEAD + "a: b\r\n" * 30_000,
}


@pytest.mark.parametrize("answer", BROKEN.values(), ids=BROKEN)
async def test_an_answer_that_breaks_http_is_unexpected_and_not_sent_again(answer: str) -> None:
    async with Upstream(chat=raw(answer)) as upstream:
        result = await call(upstream.settings(), CHAT, prompt="x")

        assert len(upstream.chats) == 1
    assert error_of(result) == {"code": "unexpected_response", "retryable": False, "plane": "data"}


async def test_a_look_up_that_breaks_http_is_not_sent_again() -> None:
    async with Upstream(control=raw(BROKEN["two lengths"])) as upstream:
        result = await call(upstream.settings(), "get_deployment")

        assert len(upstream.requests) == 1
    assert error_of(result) == {"code": "unexpected_response", "retryable": False, "plane": "control"}


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200",
        f"{HEAD}content-length: 999\r\n\r\n".encode(),
        f"{HEAD}transfer-encoding: chunked\r\n\r\n5\r\n".encode(),
    ],
    ids=["nothing", "half a status", "a body that never came", "half a chunk"],
)
async def test_an_answer_that_ends_too_early_is_a_connection_that_closed(answer: bytes) -> None:
    async with Upstream(chat=raw(answer)) as upstream:
        result = await call(upstream.settings(), CHAT, prompt="x")

        assert len(upstream.chats) == 1
    assert error_of(result)["code"] == "upstream_unavailable"


async def test_text_before_http_breaks_is_kept() -> None:
    data = f"data: {json.dumps(text_chunk('Hello'))}\n\n"
    body = f"{HEAD}transfer-encoding: chunked\r\n\r\n{len(data):x}\r\n{data}\r\nzz\r\n"
    async with Upstream(chat=raw(body)) as upstream:
        content = content_of(await call(upstream.settings(), CHAT, prompt="x"))

    assert (content["content"], content["truncated_reason"]) == ("Hello", "stream_cut")


@pytest.mark.parametrize("status", [200, 201, 202, 203, 206, 226, 299])
async def test_a_good_stream_under_any_2xx_is_an_answer(status: int) -> None:
    body = "".join(f"data: {json.dumps(each)}\n\n" for each in (text_chunk("Hello"), text_chunk(finish_reason="stop")))

    async def handler(_: Request, exchange: Exchange) -> None:
        await exchange.answer(status, body.encode(), headers={"content-type": "text/event-stream"})

    async with Upstream(chat=handler) as upstream:
        content = content_of(await call(upstream.settings(), CHAT, prompt="x"))

    assert (content["content"], content["truncated"]) == ("Hello", False)


@pytest.mark.parametrize("status", [201, 202])
async def test_a_look_up_under_any_2xx_is_an_answer(status: int) -> None:
    async def handler(_: Request, exchange: Exchange) -> None:
        await exchange.answer_json(status, {"code": 0, "data": upstream.deployment})

    async with Upstream(control=handler) as upstream:
        assert content_of(await call(upstream.settings(), "get_deployment"))["ready"] is True


@pytest.mark.parametrize("status", [204, 205])
async def test_a_status_without_a_body_is_no_answer(status: int) -> None:
    async with Upstream(chat=raw(f"HTTP/1.1 {status} No\r\n\r\n")) as upstream:
        result = await call(upstream.settings(), CHAT, prompt="x")

    assert error_of(result)["code"] == "unexpected_response"


def _brotli(data: bytes) -> bytes:
    packed: Any = brotli.compress(data)  # type: ignore[reportUnknownMemberType] # it has no types
    return bytes(cast("bytes", packed))


@pytest.mark.parametrize("encoding", ["br", "gzip", "deflate"])
async def test_a_body_that_was_compressed_unasked_is_read(encoding: str) -> None:
    compress = {"br": _brotli, "gzip": gzip.compress, "deflate": zlib.compress}[encoding]
    body = "".join(f"data: {json.dumps(each)}\n\n" for each in (text_chunk("Hello"), text_chunk(finish_reason="stop")))

    async def handler(_: Request, exchange: Exchange) -> None:
        await exchange.answer(200, compress(body.encode()), headers={"content-encoding": encoding})

    async with Upstream(chat=handler) as upstream:
        content = content_of(await call(upstream.settings(), CHAT, prompt="x"))

    assert content["content"] == "Hello"


STREAM_OPTIONS_REFUSED: dict[str, tuple[int, Any]] = {
    "vLLM": (400, {"error": {"message": "Unknown parameter: stream_options", "code": 400}}),
    "FastAPI": (
        422,
        {"detail": [{"loc": ["body", "stream_options"], "msg": "Extra inputs are not permitted", "type": "extra"}]},
    ),
    "its own field": (400, {"message": "continuous_usage_stats is not supported"}),
    "text": (400, "unsupported: include_usage"),
    "param": (400, {"error": {"message": "Unknown parameter", "param": "stream_options", "type": "invalid"}}),
    "path": (422, {"errors": [{"path": ["body", "stream_options", "x"], "message": "not permitted"}]}),
}


@pytest.mark.parametrize(("status", "body"), STREAM_OPTIONS_REFUSED.values(), ids=STREAM_OPTIONS_REFUSED)
async def test_a_field_that_this_server_adds_is_left_out_once_it_is_refused(status: int, body: object) -> None:
    async with Upstream(chat=in_turn(says(status, body), replies("Hello"))) as upstream:
        content = content_of(await call(upstream.settings(), CHAT, prompt="x"))

        first, second = (request.json for request in upstream.chats)
    assert content["content"] == "Hello"
    assert "stream_options" in first
    assert second == {name: value for name, value in first.items() if name != "stream_options"}


async def test_a_field_that_is_refused_once_more_is_told() -> None:
    async with Upstream(chat=says(*STREAM_OPTIONS_REFUSED["vLLM"])) as upstream:
        result = await call(upstream.settings(), CHAT, prompt="x")

        assert len(upstream.chats) == 2
    assert error_of(result)["code"] == "request_rejected"


async def test_what_the_caller_asked_for_is_never_left_out() -> None:
    refusal = says(400, {"error": {"message": "top_k is not supported", "code": 400}})
    async with Upstream(chat=refusal) as upstream:
        result = await call(upstream.settings(), CHAT, prompt="x", extra_body={"top_k": 5})

        assert len(upstream.chats) == 1
    assert error_of(result)["code"] == "request_rejected"


async def test_each_detail_is_quoted_with_its_place() -> None:
    details = [
        {"type": "missing", "loc": ["body", "messages", 0, "content"], "msg": "Field required", "input": {"x": 1}},
        {"type": "float_type", "loc": ["body", "top_k"], "msg": "Input should be a number"},
    ]
    async with Upstream(chat=says(422, {"detail": details})) as upstream:
        result = await call(upstream.settings(), CHAT, prompt="x")

    assert error_of(result)["code"] == "request_rejected"
    assert "body.messages.0.content: Field required; body.top_k: Input should be a number" in text_of(result)


async def test_a_chat_is_not_sent_again_where_a_gateway_gave_up_waiting() -> None:
    body = {"error": {"type": "timeout_error", "message": "m"}}
    async with Upstream(chat=says(503, body)) as upstream:
        result = await call(upstream.settings(), CHAT, prompt="x")

        assert len(upstream.chats) == 1
    assert error_of(result)["code"] == "upstream_timeout"


async def test_a_fraction_of_a_second_is_waited_for() -> None:
    busy = says(429, {}, retry_after="0.05")
    async with Upstream(chat=in_turn(busy, replies("Hello"))) as upstream:
        content = content_of(await call(upstream.settings(), CHAT, prompt="x"))

        assert len(upstream.chats) == 2
    assert content["content"] == "Hello"


@pytest.mark.parametrize("wait", ["299.997", "300", "9999999999"])
@pytest.mark.parametrize(("status", "code"), [(429, "rate_limited"), (503, "upstream_unavailable")])
async def test_a_wait_that_does_not_fit_is_told_after_one_send(status: int, code: str, wait: str) -> None:
    async with Upstream(chat=says(status, {}, retry_after=wait)) as upstream:
        result = await call(upstream.settings(), CHAT, prompt="x")

        assert len(upstream.chats) == 1
    assert error_of(result)["code"] == code
    assert error_of(result)["retry_after_seconds"] == float(wait)
    assert f"after {ceil(float(wait))} s" in text_of(result)


NOT_HERE = {
    "FastAPI": {"detail": "Not Found"},
    "Spring": {"timestamp": "2026-11-26T00:00:00Z", "status": 404, "error": "Not Found", "path": "/deployment/x"},
    "Kong": {"message": "no Route matched with those values"},
    "Express": "<html><pre>Cannot GET /deployment/x</pre></html>",
    "Go": "404 page not found",
    "Kubernetes": "default backend - 404",
}


@pytest.mark.parametrize("body", NOT_HERE.values(), ids=NOT_HERE)
@pytest.mark.parametrize("service_id", [SERVICE, "38fbfc3d-6a88-4c35-b8b6-9efc83949d47", "a name"])
async def test_a_wrong_base_path_is_no_missing_deployment(body: object, service_id: str) -> None:
    async def handler(_: Request, exchange: Exchange) -> None:
        text = body if isinstance(body, str) else json.dumps(body)
        await exchange.answer(404, text.encode(), headers={"content-type": "text/plain"})

    async with Upstream(control=handler) as upstream:
        result = await call(upstream.settings(), "get_deployment", service_id=service_id)

    assert error_of(result)["code"] == "unexpected_response"
    assert "ALAYA_BASE_URL" in text_of(result)
    assert "no deployment" not in text_of(result)


@pytest.mark.parametrize(
    "body", [{"code": -1, "msg": "not found"}, {"message": "deployment x not found"}, {"error": "服务不存在"}]
)
async def test_a_404_about_a_deployment_is_one(body: object) -> None:
    missing = in_turn(says(404, body), says(200, {"code": 0, "data": {"count": 0, "rows": []}}))
    async with Upstream(control=missing) as upstream:
        result = await call(upstream.settings(), "get_deployment", service_id="x")

    assert error_of(result)["code"] == "deployment_not_found"


CODES: list[tuple[int, dict[str, Any], str]] = [
    (400, {"code": "InvalidParameter", "message": "m"}, "request_rejected"),
    (500, {"error": {"code": "InvalidParameter", "message": "m"}}, "request_rejected"),
    (400, {"error": {"code": "invalid_api_key", "message": "m"}}, "credentials_rejected"),
    (403, {"error": {"type": "authentication_error", "message": "m"}}, "credentials_rejected"),
    (400, {"error": {"code": "rate_limit_exceeded", "message": "m"}}, "rate_limited"),
    (500, {"error": {"type": "RateLimitError", "message": "m"}}, "rate_limited"),
    (429, {"error": {"code": "insufficient_quota", "type": "insufficient_quota", "message": "m"}}, "access_denied"),
    (400, {"code": "Arrearage", "message": "m", "request_id": "r"}, "access_denied"),
    (429, {"error": {"code": "1113", "message": "余额不足"}}, "access_denied"),
    (400, {"error": {"code": "context_length_exceeded", "message": "m"}}, "context_too_long"),
    (413, {"error": {"type": "ContextWindowExceededError", "message": "m"}}, "context_too_long"),
    (
        400,
        {"error": {"message": "Invalid model name passed in model=x. Call `/v1/models`", "code": "400"}},
        "model_not_served",
    ),
    (400, {"error": {"code": "model_not_found", "message": "m"}}, "model_not_served"),
    (400, {"error": {"message": "The model `x` does not exist."}}, "model_not_served"),
    (400, {"code": "DataInspectionFailed", "message": "m"}, "request_rejected"),
    (400, {"error": {"type": "engine_overloaded_error", "message": "m"}}, "upstream_unavailable"),
    (400, {"error": {"type": "invalid_request_error", "message": "m"}}, "request_rejected"),
    (
        401,
        {"error": {"type": "invalid_request_error", "code": "invalid_api_key", "message": "m"}},
        "credentials_rejected",
    ),
    (400, {"error": {"type": "BadRequestError", "message": "m", "code": 400}}, "request_rejected"),
    (500, {"error": {"type": "InternalServerError", "message": "m", "code": 500}}, "upstream_unavailable"),
    (429, {"error": {"code": "unheard_of", "message": "m"}}, "rate_limited"),
    (400, {"error": "rate_limit_exceeded"}, "rate_limited"),
    *(
        (status, {"error": {"type": "invalid_request_error", "code": None, "message": "m"}}, code)
        for status, code in {
            401: "credentials_rejected",
            403: "access_denied",
            429: "rate_limited",
            503: "upstream_unavailable",
        }.items()
    ),
    (400, {"error": {"code": "invalid_request_error", "type": "rate_limit_error"}}, "rate_limited"),
    (429, {"error": {"code": "AccountOverdueError", "message": "m"}}, "access_denied"),
    (403, {"error": {"code": "insufficient_user_quota", "message": "m"}}, "access_denied"),
    (413, {"error": {"message": "prompt is too long: 210000 tokens > 200000 maximum"}}, "context_too_long"),
    (500, {"error": {"message": "context_length_exceeded: the prompt is too long"}}, "context_too_long"),
    (413, {"error": {"message": "request entity too large"}}, "request_rejected"),
    (400, {"error": {"message": "The tool referenced by the model does not exist: get_x"}}, "request_rejected"),
    (400, {"error": {"message": "The image url in the model message was not found"}}, "request_rejected"),
    (400, {"error": {"message": "foo is not a valid model ID"}}, "model_not_served"),
    (400, {"error": {"message": "Unsupported model: base"}}, "model_not_served"),
]
RETRYABLE = {"rate_limited", "upstream_unavailable"}


@pytest.mark.parametrize(("status", "body", "code"), CODES)
async def test_a_word_for_the_kind_of_error_decides(status: int, body: dict[str, Any], code: str) -> None:
    async with Upstream(chat=says(status, body)) as upstream:
        result = await call(upstream.settings(), CHAT, prompt="x")

        assert len(upstream.chats) == 1 or code in RETRYABLE
    error = error_of(result)
    assert (error["code"], error["retryable"]) == (code, code in RETRYABLE)
    assert error["http_status"] == status


@pytest.mark.parametrize(
    ("error", "code"),
    [
        ({"code": "rate_limit_exceeded", "message": "m"}, "rate_limited"),
        ({"type": "insufficient_quota", "message": "m"}, "access_denied"),
        ({"code": "context_length_exceeded", "message": "m"}, "context_too_long"),
        ({"code": "model_not_found", "message": "m"}, "model_not_served"),
        ({"code": "invalid_api_key", "message": "m"}, "credentials_rejected"),
        ({"code": 500, "message": "m"}, "upstream_unavailable"),
        ({"code": "1302", "message": "m"}, "rate_limited"),
        ({"code": 1302, "message": "m"}, "rate_limited"),
        ("insufficient_quota", "access_denied"),
        ({"message": "m"}, "upstream_unavailable"),
    ],
)
async def test_a_word_in_an_error_event_decides_too(error: object, code: str) -> None:
    async def handler(_: Request, exchange: Exchange) -> None:
        await exchange.events({"error": error}, DONE)

    async with Upstream(chat=handler) as upstream:
        result = await call(upstream.settings(), CHAT, prompt="x")

    assert error_of(result)["code"] == code


LOADING = [{"instanceId": "0", "baseModelReady": False}]


async def test_a_model_that_is_loading_is_told_in_the_same_words_everywhere() -> None:
    words = "rying again helps once it is loaded"
    async with Upstream(chat=says(503, {}), deployment={"instance": LOADING}) as upstream:
        settings = upstream.settings()
        refused = await call(settings, CHAT, prompt="x")
        looked = content_of(await call(settings, "get_deployment"))
        listed = content_of(await call(settings, "list_lora_models"))
        upstream.deployment["instance"] = [{"instanceId": "0", "baseModelReady": True}]

        async def stops(_: Request, exchange: Exchange) -> None:
            upstream.deployment["instance"] = LOADING
            await exchange.answer_json(503, {})

        upstream.chat = stops
        meanwhile = await call(settings, CHAT, prompt="x")

    for result in (refused, meanwhile):
        assert error_of(result)["retryable"] is True
        assert text_of(result).count(words) == 1
    assert looked["summary"].count(words) == 1
    assert listed["summary"].count(words) == 1


async def test_an_instance_without_the_adapter_is_told_as_that() -> None:
    instances: list[dict[str, Any]] = [
        {"instanceId": "0", "baseModelReady": True, "loraModels": ["lora1"]},
        {"instanceId": "1", "baseModelReady": True, "loraModels": []},
    ]
    missing = says(404, {"error": {"message": "The model `lora1` does not exist.", "code": 404}})
    notes: list[str] = []

    async def keep(progress: float, total: float | None, message: str | None) -> None:
        del progress, total
        notes.append(message or "")

    chat = in_turn(missing, replies("Hello", model="lora1"))
    async with (
        Upstream(chat=chat, deployment={"instance": instances}) as upstream,
        Client(create_server(upstream.settings())) as client,
    ):
        content_of(await client.call_tool(CHAT, {"prompt": "x", "model": "lora1"}, progress_callback=keep))

    assert any("this instance does not have the adapter; trying another" in note for note in notes)
    assert not any("404" in note for note in notes)


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
async def test_a_proxy_that_cannot_be_used_is_told_by_its_variable(
    monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, "gopher://user:planted-pass@proxy.invalid:1")
    async with Upstream() as upstream:
        settings = upstream.settings(ALAYA_BASE_URL="https://alaya.invalid/v1")
        result = await call(settings, "get_deployment")

    assert error_of(result)["code"] == "not_configured"
    assert variable in text_of(result)
    assert "planted-pass" not in text_of(result)


@asynccontextmanager
async def socks_proxy(port: int) -> AsyncGenerator[tuple[int, list[str]]]:
    """A SOCKS5 proxy (RFC 1928) that leads every connection to one port: where it listens, and who was asked for."""
    asked: list[str] = []

    async def relay(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await source.read(65536):
                target.write(data)
                await target.drain()
        target.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        _, methods = await reader.readexactly(2)
        await reader.readexactly(methods)
        writer.write(b"\x05\x00")
        *_, kind = await reader.readexactly(4)
        length = (await reader.readexactly(1))[0] if kind == 3 else 4
        asked.append((await reader.readexactly(length)).decode("latin-1"))
        await reader.readexactly(2)
        writer.write(b"\x05\x00\x00\x01" + bytes(6))
        there, back = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(relay(reader, back), relay(there, writer))

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1], asked


@pytest.mark.parametrize("scheme", ["socks", "socks5", "socks5h"])
async def test_socks_is_taken_as_socks5(monkeypatch: pytest.MonkeyPatch, scheme: str) -> None:
    async with Upstream(chat=replies("Hello")) as upstream, socks_proxy(upstream.port) as (port, asked):
        monkeypatch.setenv("ALL_PROXY", f"{scheme}://127.0.0.1:{port}")
        upstream.deployment["serviceUrl"] = "http://engine.invalid/serve"
        content = content_of(await call(upstream.settings(), CHAT, prompt="x"))

    assert content["content"] == "Hello"
    assert asked == ["engine.invalid"]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_a_socks_proxy_that_speaks_no_socks_is_told_by_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """The HTTP library leaves the connection to the garbage collector then, which is run here so that it warns here."""

    async def nonsense(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(nonsense, "127.0.0.1", 0)
    async with server, Upstream() as upstream:
        monkeypatch.setenv("ALL_PROXY", f"socks5://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        upstream.deployment["serviceUrl"] = "http://engine.invalid/serve"
        result = await call(upstream.settings(), CHAT, prompt="x")
        gc.collect()

    assert error_of(result)["code"] == "not_configured"
    assert "ALL_PROXY" in text_of(result)
