"""The chat tool's further abilities over the emulator, whose engines behave as the recorded ones do."""

import base64
from typing import Any

import pytest

from alaya_mcp.sandbox import Sandbox
from tests.calls import CHAT, ERAS, Era, call, connected, content_of, environ_of, error_of, over, text_of
from tests.stdio_host import host

pytestmark = [pytest.mark.anyio]

WEATHER: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string", "enum": ["Paris", "Rome"]}},
            "required": ["city"],
        },
    },
}
TICKET: dict[str, Any] = {
    "type": "object",
    "properties": {"order": {"type": "integer"}, "urgent": {"type": "boolean"}, "note": {"type": "string"}},
    "required": ["order", "urgent", "note"],
    "additionalProperties": False,
}
PNG = "data:image/png;base64," + base64.b64encode(b"\x89PNG\r\n\x1a\n").decode()


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("service_id", ["sandbox-qwen3", "sandbox-sglang"])
async def test_a_tool_is_called_and_its_result_answered(service_id: str, era: Era) -> None:
    async with Sandbox(token_delay=0) as sandbox, connected(over(sandbox), era) as client:
        question = {"service_id": service_id, "tools": [WEATHER], "return_messages": True}
        asked = content_of(await client.call_tool(CHAT, {**question, "prompt": "use get_weather for Paris"}))
        (tool_call,) = asked["tool_calls"]
        answer = {"role": "tool", "tool_call_id": tool_call["id"], "content": "20 C"}
        messages = [*asked["messages"], answer]
        answered = content_of(await client.call_tool(CHAT, {**question, "messages": messages}))

    assert tool_call["function"]["name"] == "get_weather"
    assert (asked["content"], asked["truncated"], asked["warnings"]) == ("", False, [])
    assert "20 C" in answered["content"]
    assert "tool_calls" not in answered


async def test_a_call_that_max_tokens_cuts_is_told() -> None:
    async with Sandbox(token_delay=0) as sandbox:
        result = await call(over(sandbox), CHAT, prompt="x", tools=[WEATHER], tool_choice="required", max_tokens=2)

    content = content_of(result)
    assert content["truncated_reason"] == "max_tokens"
    assert any("cut off" in warning for warning in content["warnings"])


async def test_an_engine_without_a_tool_parser_is_explained() -> None:
    async with Sandbox(token_delay=0) as sandbox:
        result = await call(over(sandbox), CHAT, service_id="sandbox-expert", prompt="x", tools=[WEATHER])

    assert error_of(result)["code"] == "request_rejected"
    assert "--tool-call-parser" in text_of(result)


async def test_a_reply_follows_its_schema() -> None:
    async with Sandbox(token_delay=0) as sandbox, connected(over(sandbox)) as client:
        good = content_of(await client.call_tool(CHAT, {"prompt": "order 1042", "response_schema": TICKET}))
        say = {"prompt": 'sandbox: say {"order": "many"}', "response_schema": TICKET}
        bad = content_of(await client.call_tool(CHAT, say))

    assert set(good["parsed"]) == {"order", "urgent", "note"}
    assert "parsed" not in bad
    assert any("does not follow response_schema" in warning for warning in bad["warnings"])


async def test_an_image_is_seen_by_a_vision_model_and_refused_by_another() -> None:
    messages = [{"role": "user", "content": "what is this?", "images": [PNG]}]
    async with Sandbox(token_delay=0) as sandbox, connected(over(sandbox)) as client:
        seen = await client.call_tool(CHAT, {"messages": messages, "service_id": "sandbox-vision"})
        refused = await client.call_tool(CHAT, {"messages": messages})

    assert "Images seen: 1" in content_of(seen)["content"]
    assert error_of(refused)["code"] == "request_rejected"
    assert "takes no images" in text_of(refused)


@pytest.mark.parametrize("service_id", ["sandbox-qwen3", "sandbox-sglang"])
async def test_a_reply_in_parts_is_the_reply_in_one(service_id: str) -> None:
    async with Sandbox(token_delay=0) as sandbox, connected(over(sandbox)) as client:
        question = {"service_id": service_id, "return_messages": True}
        whole = content_of(await client.call_tool(CHAT, {**question, "prompt": "Tell me more."}))
        part = content_of(await client.call_tool(CHAT, {**question, "prompt": "Tell me more.", "max_tokens": 5}))
        parts = 1
        while part["truncated"]:
            goes_on = {**question, "messages": part["messages"], "continue_reply": True, "max_tokens": 9}
            part = content_of(await client.call_tool(CHAT, goes_on))
            parts += 1

    assert parts > 2
    assert part["messages"] == whole["messages"]


@pytest.mark.parametrize("service_id", ["sandbox-thinking", "sandbox-thinking-tags", "sandbox-thinking-prefilled"])
async def test_thinking_is_parted_whoever_parts_it_and_can_be_switched_off(service_id: str) -> None:
    async with Sandbox(token_delay=0) as sandbox, connected(over(sandbox)) as client:
        thinks = content_of(await client.call_tool(CHAT, {"prompt": "hi", "service_id": service_id}))
        off = content_of(await client.call_tool(CHAT, {"prompt": "hi", "service_id": service_id, "thinking": "off"}))
        cut = content_of(await client.call_tool(CHAT, {"prompt": "hi", "service_id": service_id, "max_tokens": 4}))

    assert "sandbox" in thinks["reasoning"]
    assert "think>" not in thinks["content"] + thinks["reasoning"]
    assert "reasoning" not in off
    assert off["content"] == thinks["content"]
    assert (cut["content"], cut["truncated_reason"]) == ("", "max_tokens")
    assert any("larger max_tokens" in warning for warning in cut["warnings"])


async def test_a_starting_deployment_is_waited_for_over_the_real_process() -> None:
    async with Sandbox(token_delay=0, starting_seconds=1.5) as sandbox, host(**environ_of(sandbox)) as server:
        await server.initialize()
        await server.call(1, CHAT, prompt="hi", service_id="sandbox-starting", wait_seconds=20)
        answer = await server.answer(1)

    words = [line["params"]["message"] for line in server.lines if line.get("method") == "notifications/progress"]
    assert answer["result"]["structuredContent"]["finish_reason"] == "stop"
    assert any(text.startswith("starting") for text in words)
