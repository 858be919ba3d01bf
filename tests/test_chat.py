"""chat_with_deployment over real sockets: what is sent, and what comes back."""

import json
from typing import Any

import pytest

from alaya_mcp.sandbox import Sandbox
from tests.calls import CHAT, ERAS, Era, call, content_of, error_of, over, text_of
from tests.upstream import API_KEY, DONE, SERVICE, Exchange, Request, Upstream, in_turn, replies, says, text_chunk

pytestmark = [pytest.mark.anyio, pytest.mark.quick]


@pytest.mark.parametrize("era", ERAS)
async def test_a_chat_brings_the_reply_with_its_facts_in_both_forms(era: Era) -> None:
    async with Sandbox(token_delay=0) as sandbox:
        result = await call(over(sandbox), CHAT, era, prompt="Hello there")

    content = content_of(result)
    assert content["service_id"] == sandbox.default_service_id
    assert content["model"] == content["served_by"] == "qwen3-8b"
    assert "Hello there" in content["content"]
    assert (content["finish_reason"], content["truncated"]) == ("stop", False)
    assert content["usage"]["total_tokens"] == content["usage"]["prompt_tokens"] + content["usage"]["completion_tokens"]
    assert content["timing"]["total_seconds"] >= content["timing"]["first_token_seconds"] >= 0
    assert content["warnings"] == []
    assert "truncated_reason" not in content
    assert text_of(result).split("\n---\n")[1] == content["content"]
    assert "finish_reason stop" in text_of(result)


@pytest.mark.parametrize(
    ("service_id", "model", "served_by"),
    [
        ("sandbox-qwen3", "support-zh", "support-zh"),
        ("sandbox-qwen3", "qwen3-8b-chat", "qwen3-8b"),
        ("sandbox-sglang", "poet", "qwen2.5-7b:poet"),
        ("sandbox-sglang", "qwen2.5-7b:poet", "qwen2.5-7b:poet"),
        ("sandbox-lora-service", "legal-zh", "legal-zh"),
        ("sandbox-lora-service", "", "legal-zh"),
        ("sandbox-expert", "", "qwen2.5-72b"),
    ],
)
async def test_each_name_reaches_the_model_it_stands_for(service_id: str, model: str, served_by: str) -> None:
    async with Sandbox(token_delay=0) as sandbox:
        result = await call(over(sandbox), CHAT, service_id=service_id, prompt="hi", model=model)

    content = content_of(result)
    assert content["served_by"] == served_by
    assert content["model"] == (model or served_by)
    assert not any("answered" in warning for warning in content["warnings"])


async def test_a_thinking_model_keeps_its_thinking_apart() -> None:
    async with Sandbox(token_delay=0) as sandbox:
        result = await call(over(sandbox), CHAT, service_id="sandbox-thinking", prompt="hi")

    content = content_of(result)
    assert content["reasoning"]
    assert content["content"]
    assert content["reasoning"] not in content["content"]
    assert text_of(result).split("\n---\n")[1] == content["content"]
    assert content["reasoning"] in text_of(result)


async def test_a_budget_spent_on_thinking_is_an_outcome_of_its_own() -> None:
    async with Sandbox(token_delay=0) as sandbox:
        result = await call(over(sandbox), CHAT, service_id="sandbox-thinking", prompt="hi", max_tokens=3)

    content = content_of(result)
    assert content["content"] == ""
    assert content["truncated_reason"] == "max_tokens"
    assert any("larger max_tokens" in warning for warning in content["warnings"])
    assert text_of(result).split("\n---\n")[1] == "(no reply)"
    assert "larger max_tokens" in text_of(result)


async def test_an_adapter_on_one_of_two_instances_is_asked_for_until_it_answers() -> None:
    async with Sandbox(token_delay=0) as sandbox:
        for _ in range(2):
            result = await call(over(sandbox), CHAT, service_id="sandbox-lora-partial", prompt="x", model="tone-formal")
            assert content_of(result)["served_by"] == "tone-formal"

        assert sandbox.stats.requests["sandbox-lora-partial"] > 2


async def test_the_request_is_the_documented_one_and_no_more() -> None:
    async with Upstream(chat=replies("ok")) as upstream:
        await call(upstream.settings(), CHAT, prompt='{"a": 1}')

        lookup, chat = upstream.requests
    assert lookup.headers["authorization"] == "plain Credential=planted-access-key,Signature=planted-secret-key"
    assert "apikey" not in lookup.headers
    assert chat.headers["apikey"] == API_KEY
    assert "authorization" not in chat.headers
    assert chat.path == "/serve/v1/chat/completions"
    assert chat.json == {
        "model": "base",
        "messages": [{"role": "user", "content": '{"a": 1}'}],
        "stream": True,
        "stream_options": {"include_usage": True, "continuous_usage_stats": True},
    }


@pytest.mark.parametrize("service_url", ["/serve/", "/serve//", "/serve?token=x#y"])
async def test_paths_are_joined_without_double_slashes(service_url: str) -> None:
    async with Upstream(chat=replies("ok")) as upstream:
        upstream.deployment["serviceUrl"] = upstream.url.replace("http://", "http://user:pass@") + service_url
        content_of(await call(upstream.settings(), CHAT, prompt="x"))

        (chat,) = upstream.chats
    assert chat.path == "/serve/v1/chat/completions"
    assert "authorization" not in chat.headers


async def test_every_given_argument_is_sent_and_empty_ones_are_not() -> None:
    async with Upstream(chat=replies("ok")) as upstream:
        await call(
            upstream.settings(),
            CHAT,
            messages=[{"role": "user", "content": "a"}, {"role": "assistant", "content": ""}],
            prompt="",
            system="be brief",
            temperature=0,
            top_p="0.5",
            max_tokens=7.0,
            seed=-3,
            stop="END",
            model=None,
            service_id="",
        )
        await call(upstream.settings(), CHAT, prompt="a", stop=[], temperature=None, seed="")

        full, bare = (chat.json for chat in upstream.chats)
    assert {key: full[key] for key in ("temperature", "top_p", "max_tokens", "seed", "stop")} == {
        "temperature": 0,
        "top_p": 0.5,
        "max_tokens": 7,
        "seed": -3,
        "stop": ["END"],
    }
    assert [message["role"] for message in full["messages"]] == ["system", "user", "assistant"]
    assert set(bare) == {"model", "messages", "stream", "stream_options"}


@pytest.mark.parametrize(
    ("sent", "taken"),
    [("END", ["END"]), ('["a", "b"]', ["a", "b"]), ("[1]", ["[1]"]), ("[END]", ["[END]"]), (["", "a"], ["a"])],
)
async def test_stop_is_taken_as_hosts_send_it(sent: object, taken: list[str]) -> None:
    async with Upstream(chat=replies("ok")) as upstream:
        content_of(await call(upstream.settings(), CHAT, prompt="a", stop=sent))

        assert upstream.chats[0].json["stop"] == taken


async def test_messages_sent_as_json_text_are_taken() -> None:
    messages = [{"role": "user", "content": "a"}]
    async with Upstream(chat=replies("ok")) as upstream:
        content_of(await call(upstream.settings(), CHAT, messages=json.dumps(messages)))

        assert upstream.chats[0].json["messages"] == messages


async def test_the_conversation_to_send_next_can_be_sent_next() -> None:
    async with Upstream(chat=replies("four", ".")) as upstream:
        first = await call(upstream.settings(), CHAT, prompt="2+2?", system="brief", return_messages=True)
        messages: list[dict[str, Any]] = content_of(first)["messages"]
        again = [*messages, {"role": "user", "content": "sure?"}]
        content_of(await call(upstream.settings(), CHAT, messages=again))

        assert upstream.chats[1].json["messages"] == again
    assert [(m["role"], m["content"]) for m in messages] == [
        ("system", "brief"),
        ("user", "2+2?"),
        ("assistant", "four."),
    ]
    assert json.dumps(messages) in text_of(first)


async def test_an_engine_that_answers_plain_json_is_taken() -> None:
    body = {
        "model": "base",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "plain"}, "finish_reason": "length"}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3},
    }
    async with Upstream(chat=says(200, body)) as upstream:
        content = content_of(await call(upstream.settings(), CHAT, prompt="x"))

    assert content["content"] == "plain"
    assert (content["truncated"], content["truncated_reason"]) == (True, "max_tokens")
    assert content["usage"]["total_tokens"] == 3


async def test_a_lora_that_was_not_used_is_told() -> None:
    async with Upstream(chat=replies("ok", model="base")) as upstream:
        result = await call(upstream.settings(), CHAT, prompt="x", model="lora1")

    assert any("lora1 was requested" in warning for warning in content_of(result)["warnings"])
    assert "warning: The LoRA lora1 was requested" in text_of(result)


@pytest.mark.parametrize(("served_by", "warned"), [("base", False), ("base-alias", False), ("somebody-else", True)])
async def test_another_name_for_the_base_model_is_no_surprise(served_by: str, warned: bool) -> None:
    async with Upstream(chat=replies("ok", model=served_by)) as upstream:
        content = content_of(await call(upstream.settings(), CHAT, prompt="x", model="base-alias"))

    assert any("served names" in warning for warning in content["warnings"]) is warned


async def test_without_names_the_engine_is_asked_once_and_its_first_base_model_is_taken() -> None:
    rows = [{"id": "ad", "parent": "m1", "owned_by": "vllm"}, {"id": "m1", "owned_by": "vllm"}, {"id": "m2"}]
    async with Upstream(chat=replies("ok", model="m1"), models=says(200, {"data": rows})) as upstream:
        upstream.deployment |= {"servedName": None, "instance": [{"baseModelReady": True}]}
        content = content_of(await call(upstream.settings(), CHAT, prompt="x"))

        assert len(upstream.asked("/v1/models")) == 1
        assert upstream.asked("/v1/models")[0].headers["apikey"] == API_KEY
    assert content["model"] == "m1"


async def test_an_adapter_that_only_sglang_itself_tells_is_named_sglangs_way() -> None:
    rows = [{"id": "m1", "owned_by": "sglang"}, {"id": "fresh", "parent": "m1", "owned_by": "sglang"}]
    async with Upstream(chat=replies("ok", model="m1:fresh"), models=says(200, {"data": rows})) as upstream:
        upstream.deployment |= {"servedName": "m1", "quickStart": None}
        content = content_of(await call(upstream.settings(), CHAT, prompt="x", model="fresh"))

        assert upstream.chats[0].json["model"] == "m1:fresh"
    assert content["model"] == "fresh"


async def test_an_explicit_name_is_sent_when_the_engine_cannot_be_asked() -> None:
    async with Upstream(chat=replies("ok", model="mine"), models=says(500, {})) as upstream:
        content = content_of(await call(upstream.settings(), CHAT, prompt="x", model="mine"))

    assert content["content"] == "ok"
    assert any("/v1/models could not be read" in warning for warning in content["warnings"])


async def test_a_deployment_without_an_apikey_is_asked_without_one() -> None:
    async with Upstream(chat=replies("ok")) as upstream:
        upstream.deployment["apikey"] = ""
        content = content_of(await call(upstream.settings(), CHAT, prompt="x"))

        assert "apikey" not in upstream.chats[0].headers
    assert any("no apikey" in warning for warning in content["warnings"])


async def test_emoji_chinese_and_unusual_spaces_pass_unharmed() -> None:
    words = ("你好", "\u2028", "👩‍🚀", "\u00a0", "ü")

    async def utf8(_: Request, exchange: Exchange) -> None:
        await exchange.events()
        for word in words:
            for byte in f"data: {json.dumps(text_chunk(word), ensure_ascii=False)}\r\n\r\n".encode():
                await exchange.send(bytes([byte]))
        await exchange.event(DONE)

    async with Upstream(chat=utf8) as upstream:
        content = content_of(await call(upstream.settings(), CHAT, prompt="".join(words), service_id=SERVICE))

        assert upstream.chats[0].json["messages"][0]["content"] == "".join(words)
    assert content["content"] == "".join(words)


async def test_a_chat_without_a_model_never_goes_to_an_adapter_that_nobody_asked_for() -> None:
    rows = [{"id": "m1", "owned_by": "vllm"}, {"id": "lora1", "parent": "m1"}]
    async with Upstream(chat=replies("ok", model="m1"), models=says(200, {"data": rows})) as upstream:
        upstream.deployment["servedName"] = None
        content = content_of(await call(upstream.settings(), CHAT, prompt="x"))

        assert upstream.chats[0].json["model"] == "m1"
    assert content["warnings"] == []


async def test_an_sglang_adapter_without_a_told_base_name_gets_it_from_the_engine() -> None:
    rows = [{"id": "m1", "owned_by": "sglang"}]
    async with Upstream(chat=replies("ok", model="m1:lora1"), models=says(200, {"data": rows})) as upstream:
        upstream.deployment |= {"servedName": None, "quickStart": {"backend": "sglang"}}
        content_of(await call(upstream.settings(), CHAT, prompt="x", model="lora1"))

        assert upstream.chats[0].json["model"] == "m1:lora1"


async def test_an_sglang_adapter_whose_base_name_cannot_be_learned_is_sent_with_a_doubt() -> None:
    async with Upstream(chat=replies("ok", model="lora1"), models=says(500, {})) as upstream:
        upstream.deployment |= {"servedName": None, "quickStart": {"backend": "sglang"}}
        content = content_of(await call(upstream.settings(), CHAT, prompt="x", model="lora1"))

        assert upstream.chats[0].json["model"] == "lora1"
    assert any("the base model may have answered" in warning for warning in content["warnings"])


async def test_the_list_of_models_follows_the_rules_of_a_chat() -> None:
    listed = says(200, {"data": [{"id": "m1"}]})

    async def rotated(request: Request, exchange: Exchange) -> None:
        if request.headers["apikey"] == "new-key":
            await listed(request, exchange)
        else:
            upstream.deployment["apikey"] = "new-key"
            await exchange.answer_json(401, {"error": "Unauthorized"})

    async with Upstream(chat=replies("ok", model="m1")) as upstream:
        upstream.deployment["servedName"] = None
        upstream.models = in_turn(says(503, {}, retry_after="0"), rotated)
        content_of(await call(upstream.settings(), CHAT, prompt="x"))

        assert upstream.chats[0].headers["apikey"] == "new-key"


async def test_an_engine_that_lists_nothing_says_to_pass_a_name() -> None:
    async with Upstream(chat=replies("ok"), models=says(200, {"data": []})) as upstream:
        upstream.deployment |= {"servedName": None, "instance": [{"baseModelReady": True}]}
        result = await call(upstream.settings(), CHAT, prompt="x")

        assert upstream.chats == []
    assert error_of(result)["code"] == "model_not_served"
    assert "Pass the served name as model" in text_of(result)


async def test_empty_optionals_inside_messages_count_as_not_given() -> None:
    message: dict[str, object] = {"role": "user", "content": "a", "images": [], "tool_calls": None, "tool_call_id": ""}
    async with Upstream(chat=replies("ok")) as upstream:
        content_of(await call(upstream.settings(), CHAT, messages=[message]))

        assert upstream.chats[0].json["messages"] == [{"role": "user", "content": "a"}]


async def test_waiting_for_a_full_engine_is_not_counted_as_its_time() -> None:
    chat = in_turn(says(429, {}, retry_after="1"), replies("ok"))
    async with Upstream(chat=chat) as upstream:
        content = content_of(await call(upstream.settings(), CHAT, prompt="x"))

        assert len(upstream.chats) == 2
    assert content["timing"]["total_seconds"] < 1
