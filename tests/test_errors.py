"""Every row of the error table, seen through a client over real sockets, in both protocol eras."""

import gzip
from pathlib import Path

import pytest

from alaya_mcp.config.settings import load_settings
from alaya_mcp.errors import NotConfigured
from tests.calls import CHAT, ERAS, Era, call, error_of, text_of
from tests.upstream import SERVICE, Exchange, Handler, Request, Upstream, in_turn, replies, says, text_chunk

pytestmark = [pytest.mark.anyio, pytest.mark.quick, pytest.mark.parametrize("era", ERAS)]

NO_MODEL = {
    "error": {"message": "The model `x` does not exist.", "type": "NotFoundError", "param": "model", "code": 404}
}


def refuses(body: bytes, status: int = 200, content_type: str = "text/html") -> Handler:
    async def handler(_: Request, exchange: Exchange) -> None:
        await exchange.answer(status, body, headers={"content-type": content_type})

    return handler


async def resets(_: Request, exchange: Exchange) -> None:
    exchange.reset()


async def hangs(_: Request, exchange: Exchange) -> None:
    await exchange.hang()


@pytest.mark.parametrize(
    ("status", "code", "retryable"),
    [
        (400, "request_rejected", False),
        (401, "credentials_rejected", False),
        (403, "access_denied", False),
        (404, "deployment_not_found", False),
        (408, "upstream_timeout", True),
        (422, "request_rejected", False),
        (429, "rate_limited", True),
        (500, "upstream_unavailable", True),
        (502, "upstream_unavailable", True),
        (503, "upstream_unavailable", True),
        (504, "upstream_timeout", True),
        (302, "unexpected_response", False),
        (204, "unexpected_response", False),
    ],
)
async def test_each_status_of_the_control_plane_has_its_code(era: Era, status: int, code: str, retryable: bool) -> None:
    async with Upstream(control=says(status, {"code": -1, "msg": "because of reasons"})) as upstream:
        result = await call(upstream.settings(), "get_deployment", era)

    assert error_of(result) == {"code": code, "retryable": retryable, "plane": "control", "http_status": status}


@pytest.mark.parametrize(
    ("status", "body", "code", "retryable"),
    [
        (400, {"error": {"message": "temperature must be in [0, 2], got 99.0."}}, "request_rejected", False),
        (400, {"error": {"message": "This model's maximum context length is 512 tokens."}}, "context_too_long", False),
        (401, {"error": "Unauthorized"}, "credentials_rejected", False),
        (403, {"detail": "Forbidden"}, "access_denied", False),
        (404, NO_MODEL, "model_not_served", False),
        (404, {"detail": "Not Found"}, "unexpected_response", False),
        (307, {}, "unexpected_response", False),
        (408, {}, "upstream_timeout", True),
        (413, {}, "request_rejected", False),
        (422, {"detail": [{"msg": "field required"}]}, "request_rejected", False),
        (429, {"error": {"message": "slow down"}}, "rate_limited", True),
        (500, {"object": "error", "message": "CUDA error"}, "upstream_unavailable", True),
        (502, {}, "upstream_unavailable", True),
        (503, {}, "upstream_unavailable", True),
        (504, {}, "upstream_timeout", True),
    ],
)
async def test_each_status_of_the_data_plane_has_its_code(
    era: Era, status: int, body: object, code: str, retryable: bool
) -> None:
    async with Upstream(chat=says(status, body)) as upstream:
        result = await call(upstream.settings(), CHAT, era, prompt="hi")

    detail = error_of(result)
    assert (detail["code"], detail["retryable"]) == (code, retryable)
    assert (detail["plane"], detail["http_status"]) == ("data", status)


async def test_a_missing_key_is_not_configured_and_says_which_variable(era: Era) -> None:
    with pytest.raises(NotConfigured) as problem:
        load_settings({"ALAYA_ACCESS_KEY": "ak", "ALAYA_SECRET_KEY": "${ALAYA_SECRET_KEY}"})

    result = await call(problem.value, "get_deployment", era, service_id=SERVICE)

    assert error_of(result) == {"code": "not_configured", "retryable": False}
    assert "ALAYA_SECRET_KEY holds a reference that was not replaced" in text_of(result)
    assert "ALAYA_ACCESS_KEY is" not in text_of(result)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"prompt": "a", "messages": [{"role": "user", "content": "b"}]}, "Both prompt and messages"),
        ({}, "Neither prompt nor messages"),
        ({"prompt": "a", "service_id": "x" * 257}, "service_id"),
        ({"prompt": "a", "service_id": "\u200b\n"}, "service_id"),
        ({"prompt": "a", "service_id": 7}, "service_id"),
        ({"prompt": "a", "temprature": 1}, "temprature: no such argument"),
        ({"prompt": "a", "temperature": 2.5}, "temperature"),
        ({"prompt": "a", "top_p": 0}, "top_p"),
        ({"prompt": "a", "max_tokens": 0}, "max_tokens"),
        ({"prompt": "a", "stop": ["1", "2", "3", "4", "5"]}, "stop"),
        ({"prompt": "a", "timeout_seconds": 3601}, "timeout_seconds"),
        ({"messages": [{"role": "robot", "content": "b"}]}, "messages.0.role"),
        ({"messages": [{"role": "user", "content": "b", "name": "n"}]}, "messages.0.name: no such argument"),
        ({"messages": [{"role": "system", "content": "b"}], "system": "c"}, "system"),
        ({"prompt": {"k": "planted-value"}}, "prompt"),
        ({"messages": '[{"role":"user","content":"\\ud800"}]'}, "messages.0.content"),
        ({"prompt": "a", **{f"x{number}": 1 for number in range(30)}}, "and 20 more"),
    ],
)
async def test_a_wrong_argument_is_named_and_nothing_is_sent(
    era: Era, arguments: dict[str, object], words: str
) -> None:
    async with Upstream(chat=replies("x")) as upstream:
        result = await call(upstream.settings(), CHAT, era, **arguments)

        assert upstream.requests == []
    assert error_of(result) == {"code": "invalid_arguments", "retryable": False}
    assert words in text_of(result)
    assert "planted-value" not in text_of(result)
    assert "pydantic" not in text_of(result)


async def test_no_service_id_and_no_default_is_an_argument_error(era: Era) -> None:
    async with Upstream() as upstream:
        result = await call(upstream.settings(ALAYA_SERVICE_ID=""), "list_lora_models", era)

    assert error_of(result)["code"] == "invalid_arguments"
    assert all("/deployment/list?" in request.path for request in upstream.requests), "for candidates alone"


@pytest.mark.parametrize("message", ["service not found", "服务不存在", "deployment does not exist"])
async def test_code_minus_one_that_says_so_is_not_found(era: Era, message: str) -> None:
    async with Upstream(control=says(200, {"code": -1, "msg": message})) as upstream:
        result = await call(upstream.settings(), "get_deployment", era)

    assert error_of(result)["code"] == "deployment_not_found"


async def test_a_message_that_says_so_is_not_found_under_another_status_too(era: Era) -> None:
    async with Upstream(control=says(400, {"code": -1, "msg": "deployment does not exist"})) as upstream:
        result = await call(upstream.settings(), "get_deployment", era)

    assert error_of(result)["code"] == "deployment_not_found"
    assert 'Upstream said: "deployment does not exist"' in text_of(result)


async def test_a_key_that_is_not_found_is_no_missing_deployment(era: Era) -> None:
    async with Upstream(control=says(200, {"code": -1, "msg": "access key not found"})) as upstream:
        result = await call(upstream.settings(), "get_deployment", era)

    assert error_of(result)["code"] == "request_rejected"


async def test_a_question_about_contexts_and_models_does_not_decide_the_code(era: Era) -> None:
    echo = "1 validation error: {'msg': 'bad', 'input': 'why is my LoRA adapter unknown, what is a context window'}"
    async with Upstream(chat=says(400, {"error": {"message": echo}})) as upstream:
        result = await call(upstream.settings(), CHAT, era, prompt="hi")

    assert error_of(result)["code"] == "request_rejected"


async def test_any_other_code_minus_one_is_rejected_and_quoted(era: Era) -> None:
    async with Upstream(control=says(200, {"code": "-1", "msg": "quota exceeded"})) as upstream:
        result = await call(upstream.settings(), "get_deployment", era)

    assert error_of(result)["code"] == "request_rejected"
    assert 'Upstream said: "quota exceeded"' in text_of(result)


@pytest.mark.parametrize(
    ("status", "retryable"),
    [("staring", True), ("stoping", False), ("Stopped ", False), ("failed", False), ("?", False)],
)
async def test_a_deployment_that_does_not_run_is_not_ready_and_gets_no_chat(
    era: Era, status: str, retryable: bool
) -> None:
    async with Upstream(chat=replies("x"), deployment={"status": status}) as upstream:
        result = await call(upstream.settings(), CHAT, era, prompt="hi")

        assert upstream.chats == []
    assert error_of(result) == {"code": "deployment_not_ready", "retryable": retryable, "plane": "control"}


@pytest.mark.parametrize("instances", [None, [], [{"instanceId": "0", "baseModelReady": "false"}]])
async def test_a_running_deployment_without_a_ready_instance_is_not_ready(era: Era, instances: object) -> None:
    async with Upstream(chat=replies("x"), deployment={"instance": instances}) as upstream:
        result = await call(upstream.settings(), CHAT, era, prompt="hi")

        assert upstream.chats == []
    assert error_of(result)["code"] == "deployment_not_ready"


async def test_a_503_from_a_service_that_has_stopped_meanwhile_is_not_ready(era: Era) -> None:
    async def stops(_: Request, exchange: Exchange) -> None:
        upstream.deployment["status"] = "stopped"
        await exchange.answer_json(503, {})

    async with Upstream(chat=stops) as upstream:
        result = await call(upstream.settings(), CHAT, era, prompt="hi")

    assert error_of(result) == {
        "code": "deployment_not_ready",
        "retryable": False,
        "plane": "data",
        "http_status": 503,
    }


async def test_an_unknown_name_is_refused_before_any_generation_with_the_nearest_first(era: Era) -> None:
    models = says(200, {"data": [{"id": "base", "owned_by": "vllm"}, {"id": "lora2", "parent": "base"}]})
    async with Upstream(chat=replies("x"), models=models) as upstream:
        result = await call(upstream.settings(), CHAT, era, prompt="hi", model="lora22")

        assert upstream.chats == []
        assert len(upstream.asked("/v1/models")) == 1
    detail = error_of(result)
    assert detail["code"] == "model_not_served"
    assert detail["candidates"][0] == "lora2"
    assert set(detail["candidates"]) == {"base", "lora2"}, "what the engine lists, since it was asked"


async def test_too_long_a_context_names_both_numbers(era: Era) -> None:
    body = {"error": {"message": "max_tokens=5120 cannot be greater than max_model_len=512.", "code": 400}}
    async with Upstream(chat=says(400, body)) as upstream:
        result = await call(upstream.settings(), CHAT, era, prompt="hi", max_tokens=5120)

    assert error_of(result)["code"] == "context_too_long"
    assert "asked for 5120" in text_of(result)
    assert "limit 512" in text_of(result)


@pytest.mark.parametrize(
    "chat",
    [
        pytest.param(refuses(b"<html>gateway</html>"), id="html"),
        pytest.param(refuses(b"OK", content_type="text/plain"), id="text"),
        pytest.param(refuses(b"[1, 2]", content_type="application/json"), id="a list"),
        pytest.param(refuses(b'{"hello": 1}', content_type="application/json"), id="another object"),
        pytest.param(refuses(b"data: not json\n\n", content_type="text/event-stream"), id="events that are no JSON"),
    ],
)
async def test_what_is_no_answer_of_an_engine_is_unexpected(era: Era, chat: Handler) -> None:
    async with Upstream(chat=chat) as upstream:
        result = await call(upstream.settings(), CHAT, era, prompt="hi")

    assert error_of(result) == {"code": "unexpected_response", "retryable": False, "plane": "data", "http_status": 200}


async def test_code_minus_one_from_the_data_plane_is_rejected_and_quoted(era: Era) -> None:
    async with Upstream(chat=says(200, {"code": -1, "msg": "balance too low"})) as upstream:
        result = await call(upstream.settings(), CHAT, era, prompt="hi")

    assert error_of(result)["code"] == "request_rejected"
    assert "balance too low" in text_of(result)


@pytest.mark.parametrize(
    "control",
    [
        pytest.param(refuses(b"<!doctype html><title>Sign in</title>"), id="html"),
        pytest.param(says(200, {"code": 0, "data": None}), id="no data"),
        pytest.param(says(200, {"code": 0, "data": {"foo": 1}}), id="another object"),
        pytest.param(says(200, [1]), id="a list"),
    ],
)
async def test_what_is_no_answer_of_the_control_plane_is_unexpected(era: Era, control: Handler) -> None:
    async with Upstream(control=control) as upstream:
        result = await call(upstream.settings(), "get_deployment", era)

    assert error_of(result)["code"] == "unexpected_response"


async def test_a_body_over_the_cap_is_unexpected_even_when_compressed(era: Era) -> None:
    bomb = gzip.compress(b'{"code": 0, "data": "' + b"x" * (9 * 2**20))

    async def bombs(_: Request, exchange: Exchange) -> None:
        await exchange.answer(200, bomb, headers={"content-encoding": "gzip"})

    async with Upstream(control=bombs) as upstream:
        result = await call(upstream.settings(), "get_deployment", era)

    assert error_of(result)["code"] == "unexpected_response"


@pytest.mark.parametrize(
    "url", ["http://169.254.169.254/x", "http://[::ffff:169.254.1.1]/x", "ftp://files.invalid/x", "nonsense", ""]
)
async def test_a_service_url_that_is_refused_is_unexpected_and_gets_no_request(era: Era, url: str) -> None:
    async with Upstream(deployment={"serviceUrl": url}) as upstream:
        result = await call(upstream.settings(), CHAT, era, prompt="hi")

        assert len(upstream.requests) == 1
    assert error_of(result)["code"] == "unexpected_response"


async def test_a_host_that_does_not_exist_is_unavailable(era: Era) -> None:
    async with Upstream(deployment={"serviceUrl": "http://engine.invalid/serve"}) as upstream:
        result = await call(upstream.settings(), CHAT, era, prompt="hi")

    assert error_of(result) == {"code": "upstream_unavailable", "retryable": True, "plane": "data"}


async def test_a_refused_connection_is_unavailable(era: Era) -> None:
    async with Upstream() as closed:
        settings = closed.settings()

    result = await call(settings, "get_deployment", era)

    assert error_of(result) == {"code": "upstream_unavailable", "retryable": True, "plane": "control"}


async def test_tls_with_a_server_that_speaks_none_is_unavailable(era: Era) -> None:
    async with Upstream() as upstream:
        settings = upstream.settings(ALAYA_BASE_URL=upstream.url.replace("http:", "https:"))
        result = await call(settings, "get_deployment", era)

    assert error_of(result)["code"] == "upstream_unavailable"
    assert "TLS" in text_of(result)


@pytest.mark.parametrize(
    "chat",
    [
        pytest.param(resets, id="reset before the answer"),
        pytest.param(refuses(b"", content_type="text/event-stream"), id="an empty answer"),
        pytest.param(says(200, {"error": {"message": "engine died"}}), id="an error under 200"),
    ],
)
async def test_an_answer_that_breaks_off_before_any_text_is_unavailable_and_not_sent_again(
    era: Era, chat: Handler
) -> None:
    async with Upstream(chat=chat) as upstream:
        result = await call(upstream.settings(), CHAT, era, prompt="hi")

        assert len(upstream.chats) == 1
    detail = error_of(result)
    assert (detail["code"], detail["retryable"]) == ("upstream_unavailable", True)


async def test_nothing_within_the_deadline_is_a_timeout(era: Era) -> None:
    async with Upstream(chat=hangs) as upstream:
        settings = upstream.settings(ALAYA_GENERATION_SECONDS="0")
        result = await call(settings, CHAT, era, prompt="hi", timeout_seconds=40)

        assert len(upstream.chats) == 1
    assert error_of(result) == {"code": "upstream_timeout", "retryable": True, "plane": "data"}


async def test_silence_after_a_role_alone_is_a_timeout(era: Era) -> None:
    async def role_then_silence(_: Request, exchange: Exchange) -> None:
        await exchange.events(text_chunk(""))
        await exchange.hang()

    async with Upstream(chat=role_then_silence) as upstream:
        result = await call(upstream.settings(ALAYA_IDLE_SECONDS="30"), CHAT, era, prompt="hi")

    assert error_of(result) == {"code": "upstream_timeout", "retryable": True, "plane": "data"}


async def test_a_retry_after_that_does_not_fit_is_handed_on(era: Era) -> None:
    async with Upstream(chat=says(429, {}, retry_after="120")) as upstream:
        result = await call(upstream.settings(), CHAT, era, prompt="hi")

        assert len(upstream.chats) == 1
    detail = error_of(result)
    assert (detail["code"], detail["retry_after_seconds"]) == ("rate_limited", 120)
    assert "after 120 s" in text_of(result)


async def test_the_server_answers_the_next_call_after_each_failure(era: Era) -> None:
    chat = in_turn(resets, refuses(b"<html>"), replies("fine"))
    async with Upstream(chat=chat) as upstream:
        settings = upstream.settings()
        codes = [error_of(await call(settings, CHAT, era, prompt="hi"))["code"] for _ in range(2)]
        result = await call(settings, CHAT, era, prompt="hi")

    assert codes == ["upstream_unavailable", "unexpected_response"]
    assert not result.is_error


@pytest.mark.parametrize(
    ("chat", "models", "may_cost_twice"),
    [(resets, None, True), (says(504, {}), None, True), (says(503, {}), None, False), (None, resets, False)],
    ids=["closed", "504", "503", "closed before a chat was sent"],
)
async def test_a_second_cost_is_warned_of_where_a_chat_may_have_begun(
    chat: Handler | None, models: Handler | None, era: Era, *, may_cost_twice: bool
) -> None:
    named = {} if models is None else {"servedName": None}
    async with Upstream(chat=chat, models=models, deployment=named) as upstream:
        result = await call(upstream.settings(), CHAT, era, prompt="x")

    assert error_of(result)["retryable"]
    assert ("cost twice" in text_of(result)) is may_cost_twice


async def test_what_a_profile_holds_is_corrected_there(era: Era, tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text('[profiles.work]\naccess_key = "AK"\nsecret_key_env = "NOT_SET"\n', encoding="utf-8")
    with pytest.raises(NotConfigured) as raised:
        load_settings({"ALAYA_CONFIG": str(file), "ALAYA_PROFILE": "work"})

    text = text_of(await call(raised.value, CHAT, era, prompt="x"))
    assert "the variable named by secret_key_env of profile work" in text
    assert "env block" not in text
