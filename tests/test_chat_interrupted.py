"""Answers that break off, and what is sent again, over real sockets."""

import asyncio
import json
import math

import anyio
import mcp_types as types
import pytest

from tests.calls import CHAT, call, connected, content_of, error_of, text_of
from tests.patience import LONG_BUDGET, PATIENCE
from tests.upstream import DONE, Exchange, Handler, Request, Upstream, in_turn, replies, says, text_chunk

pytestmark = [pytest.mark.anyio, pytest.mark.quick]


async def _text_then_reset(_: Request, exchange: Exchange) -> None:
    await exchange.events(text_chunk("half"))
    exchange.reset()


async def _text_then_end(_: Request, exchange: Exchange) -> None:
    await exchange.events(text_chunk("half"))


async def _text_then_silence(_: Request, exchange: Exchange) -> None:
    await exchange.events(text_chunk("half"))
    await exchange.hang()


def _text_then_error(error: object) -> Handler:
    async def handler(_: Request, exchange: Exchange) -> None:
        await exchange.events(text_chunk("half"), error, DONE)

    return handler


@pytest.mark.parametrize(
    ("chat", "reason"),
    [
        pytest.param(_text_then_reset, "stream_cut", id="reset"),
        pytest.param(_text_then_end, "stream_cut", id="end without a word"),
        pytest.param(_text_then_silence, "idle", id="silence"),
        pytest.param(_text_then_error({"error": {"message": "core died", "code": 500}}), "upstream_error", id="vLLM"),
        pytest.param(
            _text_then_error({"error": {"object": "error", "message": "core died", "code": 500}}),
            "upstream_error",
            id="SGLang",
        ),
        pytest.param(_text_then_error({"code": -1, "msg": "core died"}), "upstream_error", id="envelope"),
    ],
)
async def test_what_arrived_is_returned_with_the_reason_and_nothing_is_sent_again(chat: Handler, reason: str) -> None:
    async with Upstream(chat=chat) as upstream:
        result = await call(upstream.settings(ALAYA_IDLE_SECONDS="30"), CHAT, prompt="x")

        assert len(upstream.chats) == 1
    content = content_of(result)
    assert (content["content"], content["truncated"], content["truncated_reason"]) == ("half", True, reason)
    assert "finish_reason" not in content
    assert text_of(result).endswith("---\nhalf")
    assert reason in text_of(result)
    assert any("cut" in warning for warning in content["warnings"])


async def test_at_the_deadline_what_arrived_is_returned() -> None:
    async with Upstream(chat=_text_then_silence) as upstream:
        settings = upstream.settings(ALAYA_GENERATION_SECONDS="0")
        content = content_of(await call(settings, CHAT, prompt="x", timeout_seconds=40))

    assert (content["content"], content["truncated_reason"]) == ("half", "deadline")


async def test_a_stream_that_says_why_it_stopped_is_whole_without_its_end() -> None:
    async def no_done(_: Request, exchange: Exchange) -> None:
        await exchange.events(text_chunk("all"), text_chunk(finish_reason="stop"))
        exchange.reset()

    async with Upstream(chat=no_done) as upstream:
        content = content_of(await call(upstream.settings(), CHAT, prompt="x"))

    assert (content["content"], content["truncated"], content["finish_reason"]) == ("all", False, "stop")


async def test_a_stream_that_says_why_it_stopped_is_not_waited_for_until_the_idle_limit() -> None:
    async def never_ends(_: Request, exchange: Exchange) -> None:
        await exchange.events(text_chunk("all"), text_chunk(finish_reason="stop"))
        await exchange.hang()

    async with Upstream(chat=never_ends) as upstream:
        settings = upstream.settings(ALAYA_IDLE_SECONDS="3600")
        content = content_of(await call(settings, CHAT, prompt="x", timeout_seconds=3600))

    assert (content["content"], content["truncated"]) == ("all", False)


@pytest.mark.parametrize("last", [text_chunk(finish_reason="stop"), DONE], ids=["finish_reason", "[DONE]"])
async def test_comments_after_a_whole_answer_do_not_hold_it_back(last: object) -> None:
    async def pings(_: Request, exchange: Exchange) -> None:
        await exchange.events(text_chunk("all"), last)
        while True:
            await exchange.send(b": ping\n\n")
            await asyncio.sleep(0.02)

    async with Upstream(chat=pings) as upstream:
        with anyio.fail_after(PATIENCE):
            content = content_of(await call(upstream.settings(), CHAT, prompt="x", timeout_seconds=3600))

    assert (content["content"], content["truncated"]) == ("all", False)


async def test_bytes_beyond_the_cap_after_a_whole_answer_leave_it_whole() -> None:
    async def floods(_: Request, exchange: Exchange) -> None:
        await exchange.events(text_chunk("all"), text_chunk(finish_reason="stop"), DONE)
        await exchange.send(b"data: " + b"x" * (17 * 2**20))

    async with Upstream(chat=floods) as upstream:
        content = content_of(await call(upstream.settings(), CHAT, prompt="x"))

    assert (content["content"], content["truncated"]) == ("all", False)


@pytest.mark.parametrize("how", ["reset", "silence"])
async def test_text_that_might_have_become_a_tag_is_kept_when_the_answer_breaks_off(how: str) -> None:
    async def half_a_tag(_: Request, exchange: Exchange) -> None:
        await exchange.events(text_chunk("<thi"))
        if how == "reset":
            exchange.reset()
        else:
            await exchange.hang()

    async with Upstream(chat=half_a_tag) as upstream:
        content = content_of(await call(upstream.settings(ALAYA_IDLE_SECONDS="30"), CHAT, prompt="x"))

    assert (content["content"], content["truncated"]) == ("<thi", True)


async def test_a_403_is_looked_into_once_and_not_sent_again() -> None:
    async with Upstream(chat=says(403, {})) as upstream:
        error_of(await call(upstream.settings(), CHAT, prompt="x"))

        assert len(upstream.chats) == 1
        assert len(upstream.requests) == 3


async def test_whole_lines_without_their_blank_line_are_kept_when_the_answer_breaks_off() -> None:
    async def no_blank_lines(_: Request, exchange: Exchange) -> None:
        await exchange.events()
        lines = [f"data: {json.dumps(text_chunk(word))}\n".encode() for word in ("one ", "two")]
        await exchange.send(b"".join(lines) + b"data: {cut")
        await exchange.hang()

    async with Upstream(chat=no_blank_lines) as upstream:
        content = content_of(await call(upstream.settings(ALAYA_IDLE_SECONDS="30"), CHAT, prompt="x"))

    assert (content["content"], content["truncated"]) == ("one two", True)
    assert len(content["warnings"]) == 1


async def test_an_error_after_the_reason_to_stop_leaves_the_answer_whole() -> None:
    async def late(_: Request, exchange: Exchange) -> None:
        await exchange.events(text_chunk("all", finish_reason="stop"), {"error": {"message": "late"}})

    async with Upstream(chat=late) as upstream:
        content = content_of(await call(upstream.settings(), CHAT, prompt="x"))

    assert (content["content"], content["truncated"]) == ("all", False)


async def test_an_abort_before_any_text_is_an_error() -> None:
    async def aborts(_: Request, exchange: Exchange) -> None:
        await exchange.events(text_chunk(finish_reason="abort"), DONE)

    async with Upstream(chat=aborts) as upstream:
        detail = error_of(await call(upstream.settings(), CHAT, prompt="x"))

    assert (detail["code"], detail["retryable"]) == ("upstream_unavailable", True)


async def test_a_refused_adapter_is_not_offered_again() -> None:
    body = {"error": {"message": "The model `lora1` does not exist.", "code": 404}}
    async with Upstream(chat=says(404, body)) as upstream:
        detail = error_of(await call(upstream.settings(), CHAT, prompt="x", model="lora1"))

    assert detail["candidates"] == ["base", "base-alias"]


async def test_a_401_where_no_key_is_told_says_that_one_is_missing() -> None:
    async with Upstream(chat=says(401, {"error": "Unauthorized"}), deployment={"apikey": None}) as upstream:
        result = await call(upstream.settings(), CHAT, prompt="x")

    assert error_of(result)["code"] == "credentials_rejected"
    assert "reports none for this deployment" in text_of(result)


@pytest.mark.parametrize("status", [401, 403, 503])
async def test_a_deployment_that_is_gone_meanwhile_is_told_so(status: int) -> None:
    async def vanishes(_: Request, exchange: Exchange) -> None:
        upstream.control = says(404, {"code": -1, "msg": "not found"})
        await exchange.answer_json(status, {}, headers={"retry-after": "3600"})

    async with Upstream(chat=vanishes) as upstream:
        detail = error_of(await call(upstream.settings(), CHAT, prompt="x"))

    assert detail["code"] == "deployment_not_found"


@pytest.mark.parametrize("status", [429, 503])
async def test_a_full_engine_is_asked_again(status: int) -> None:
    async with Upstream(chat=in_turn(says(status, {}, retry_after="0"), replies("ok"))) as upstream:
        content = content_of(await call(upstream.settings(), CHAT, prompt="x"))

        assert len(upstream.chats) == 2
    assert content["content"] == "ok"


@pytest.mark.parametrize("status", [400, 403, 408, 500, 502, 504])
async def test_a_chat_that_may_have_run_is_not_sent_again(status: int) -> None:
    async with Upstream(chat=in_turn(says(status, {}), replies("ok"))) as upstream:
        error_of(await call(upstream.settings(), CHAT, prompt="x"))

        assert len(upstream.chats) == 1


async def test_a_full_engine_is_asked_four_times_at_most() -> None:
    async with Upstream(chat=says(503, {}, retry_after="0")) as upstream:
        detail = error_of(await call(upstream.settings(), CHAT, prompt="x"))

        assert len(upstream.chats) == 4
    assert detail["code"] == "upstream_unavailable"


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
async def test_a_lookup_is_tried_again_four_times_at_most(status: int) -> None:
    async with Upstream(control=says(status, {}, retry_after="0")) as upstream:
        error_of(await call(upstream.settings(), "get_deployment"))

        assert len(upstream.requests) == 4


@pytest.mark.parametrize("status", [400, 401, 403, 404])
async def test_a_lookup_that_was_refused_is_not_tried_again(status: int) -> None:
    async with Upstream(control=says(status, {})) as upstream:
        error_of(await call(upstream.settings(), "get_deployment", service_id="38fbfc3d-6a88-4c35-b8b6-9efc83949d47"))

        assert len(upstream.requests) == 1


async def test_a_lookup_that_was_reset_is_tried_again() -> None:
    async def resets(_: Request, exchange: Exchange) -> None:
        exchange.reset()

    async with Upstream() as upstream:
        upstream.control = in_turn(resets, says(200, {"code": "0", "data": upstream.deployment}))
        content = content_of(await call(upstream.settings(), "get_deployment"))

    assert content["ready"] is True


async def test_a_key_that_was_rotated_is_looked_up_and_used_once() -> None:
    async def rotated(request: Request, exchange: Exchange) -> None:
        if request.headers["apikey"] == "new-key":
            await replies("ok")(request, exchange)
        else:
            upstream.deployment["apikey"] = "new-key"
            await exchange.answer_json(401, {"error": "Unauthorized"})

    async with Upstream(chat=rotated) as upstream:
        content = content_of(await call(upstream.settings(), CHAT, prompt="x"))

        assert [chat.headers["apikey"] for chat in upstream.chats] == ["deployment-apikey-0", "new-key"]
    assert content["content"] == "ok"


async def test_a_key_that_stays_rejected_is_sent_once_and_named() -> None:
    async with Upstream(chat=says(401, {"error": "Unauthorized"})) as upstream:
        result = await call(upstream.settings(), CHAT, prompt="x")

        assert len(upstream.chats) == 1
        assert len(upstream.requests) == 3
    assert error_of(result)["code"] == "credentials_rejected"
    assert "deployment's own apikey" in text_of(result)


@pytest.mark.parametrize(("holders", "tries"), [(1, 4), (2, 1), (0, 1)])
async def test_a_missing_adapter_is_asked_for_again_only_where_some_instances_hold_it(holders: int, tries: int) -> None:
    body = {"error": {"message": "The model `lora1` does not exist.", "code": 404}}
    instances = [{"baseModelReady": True, "loraModels": ["lora1"] if index < holders else []} for index in range(2)]
    instances.append({"baseModelReady": False, "loraModels": ["lora1"]})
    async with Upstream(chat=says(404, body), deployment={"instance": instances}) as upstream:
        result = await call(upstream.settings(), CHAT, prompt="x", model="lora1")

        assert len(upstream.chats) == tries
    assert error_of(result)["code"] == "model_not_served"
    assert f"loaded on {holders} of 2 ready instances" in text_of(result)


async def test_sglang_says_400_of_an_adapter_that_this_instance_lacks_and_another_is_asked() -> None:
    lacks = {"object": "error", "message": "The following requested LoRA adapters are not loaded: lora1", "code": 400}
    instances = [{"baseModelReady": True, "loraModels": names} for names in (["lora1"], [])]
    deployment = {"quickStart": {"backend": "sglang"}, "instance": instances}
    chat = in_turn(says(400, lacks), replies("ok", model="base:lora1"))
    async with Upstream(chat=chat, deployment=deployment) as upstream:
        content = content_of(await call(upstream.settings(), CHAT, prompt="x", model="lora1"))

        assert len(upstream.chats) == 2
    assert (content["content"], content["warnings"]) == ("ok", [])


async def test_chats_over_the_limit_wait_and_then_run() -> None:
    running = most = 0
    full = anyio.Event()

    async def counts(request: Request, exchange: Exchange) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        if running == 2:
            full.set()
        await full.wait()
        await replies("ok")(request, exchange)
        running -= 1

    async with (
        Upstream(chat=counts) as upstream,
        connected(upstream.settings(ALAYA_MAX_CONCURRENCY="2")) as client,
        anyio.create_task_group() as tasks,
    ):
        for _ in range(6):
            tasks.start_soon(client.call_tool, CHAT, {"prompt": "x"})

    assert most == 2
    assert len(upstream.chats) == 6


async def test_a_chat_that_never_gets_its_turn_says_so() -> None:
    waiting = anyio.Event()
    results: list[types.CallToolResult] = []

    async def hangs(_: Request, exchange: Exchange) -> None:
        waiting.set()
        await exchange.hang()

    async with Upstream(chat=hangs) as upstream, connected(upstream.settings(ALAYA_MAX_CONCURRENCY="1")) as client:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(client.call_tool, CHAT, {"prompt": "x"})
            await waiting.wait()
            results.append(await client.call_tool(CHAT, {"prompt": "y", "timeout_seconds": 40}))
            tasks.cancel_scope.cancel()

        assert len(upstream.chats) == 1
    assert error_of(results[0])["code"] == "upstream_timeout"
    assert "local queue" in text_of(results[0])


async def test_a_cancelled_call_closes_its_connection_and_the_next_call_works() -> None:
    started, closed = anyio.Event(), anyio.Event()

    async def hangs(_: Request, exchange: Exchange) -> None:
        await exchange.events(text_chunk("half"))
        started.set()
        await exchange.hang()
        closed.set()

    async with (
        Upstream(chat=in_turn(hangs, replies("ok"))) as upstream,
        connected(upstream.settings(**LONG_BUDGET), "legacy") as client,
    ):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(client.call_tool, CHAT, {"prompt": "x"})
            await started.wait()
            tasks.cancel_scope.cancel()
        with anyio.fail_after(PATIENCE):
            await closed.wait()
        content = content_of(await client.call_tool(CHAT, {"prompt": "y"}))

    assert content["content"] == "ok"


async def test_concurrent_chats_each_get_their_own_text() -> None:
    async def echoes(request: Request, exchange: Exchange) -> None:
        question = request.json["messages"][-1]["content"]
        await replies(*question)(request, exchange)

    answers: dict[str, str] = {}
    async with Upstream(chat=echoes) as upstream, connected(upstream.settings(), "legacy") as client:

        async def ask(question: str) -> None:
            answers[question] = content_of(await client.call_tool(CHAT, {"prompt": question}))["content"]

        async with anyio.create_task_group() as tasks:
            for number in range(40):
                tasks.start_soon(ask, f"question {number} {math.sqrt(number)}")

    assert len(answers) == 40
    assert all(question == answer for question, answer in answers.items())
