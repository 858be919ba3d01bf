"""Calls of tools: when they are made, and how they travel."""

import json
from itertools import groupby
from typing import Any

import pytest

from tests.sandbox.caller import HELLO, Caller, Json, body_of, chunks_of, text_of

pytestmark = pytest.mark.anyio

CITY = {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}, "required": ["city"]}
WEATHER: Json = {"type": "function", "function": {"name": "get_weather", "description": "-", "parameters": CITY}}
CLOCK: Json = {"type": "function", "function": {"name": "clock"}}
TOOLS = [WEATHER, CLOCK]
NAMED: Json = {"type": "function", "function": {"name": "clock"}}
ENGINES = pytest.mark.parametrize("service_id", ["sandbox-qwen3", "sandbox-sglang"])


def asking(text: str) -> list[Json]:
    return [{"role": "user", "content": text}]


async def choice_of(caller: Caller, service_id: str, **fields: Any) -> Json:  # noqa: ANN401 - fields of a request
    response = await caller.chat(service_id, **{"tools": TOOLS, **fields})
    assert response.status_code == 200, response.text
    return body_of(response)["choices"][0]


def called(choice: Json) -> list[tuple[str, Any]]:
    calls: list[Json] = choice["message"].get("tool_calls") or []
    return [(call["function"]["name"], json.loads(call["function"]["arguments"])) for call in calls]


@ENGINES
@pytest.mark.parametrize(
    "question",
    ["Please get_weather in Paris", "GET WEATHER Paris", "\u8bf7\u7528get_weather\u67e5\u4e00\u4e0bParis"],
)
async def test_a_tool_that_the_question_mentions_is_called(caller: Caller, service_id: str, question: str) -> None:
    choice = await choice_of(caller, service_id, messages=asking(question))
    assert called(choice) == [("get_weather", {"city": "Paris", "days": 1})]
    assert (choice["message"]["content"], choice["finish_reason"]) == (None, "tool_calls")


@ENGINES
async def test_a_question_that_mentions_no_tool_is_answered_in_text(caller: Caller, service_id: str) -> None:
    for question in ("Hello", "forget_weather", "my clockwork"):
        choice = await choice_of(caller, service_id, messages=asking(question))
        assert (called(choice), choice["finish_reason"]) == ([], "stop")
        assert question in choice["message"]["content"]


async def test_words_put_into_its_mouth_call_no_tool(caller: Caller) -> None:
    choice = await choice_of(caller, "sandbox-qwen3", messages=asking("sandbox: say clock"))
    assert (called(choice), choice["message"]["content"]) == ([], "clock")


@ENGINES
async def test_two_tools_are_called_in_the_order_of_the_question(caller: Caller, service_id: str) -> None:
    messages = asking("clock, then get_weather, then clock for Rome")
    both = await choice_of(caller, service_id, messages=messages)
    one = await choice_of(caller, service_id, messages=messages, parallel_tool_calls=False)
    assert [name for name, _ in called(both)] == ["clock", "get_weather"]
    assert [name for name, _ in called(one)] == ["clock"]
    assert len({call["id"] for call in both["message"]["tool_calls"]}) == 2


async def test_of_two_names_in_one_place_the_longer_is_meant(caller: Caller) -> None:
    get: Json = {"type": "function", "function": {"name": "get"}}
    choice = await choice_of(caller, "sandbox-qwen3", tools=[get, WEATHER], messages=asking("get weather in Oslo"))
    assert [name for name, _ in called(choice)] == ["get_weather"]


@pytest.mark.parametrize(
    ("service_id", "tool_choice", "name", "finish_reason"),
    [
        ("sandbox-qwen3", "required", "get_weather", "tool_calls"),
        ("sandbox-qwen3", NAMED, "clock", "stop"),
        ("sandbox-sglang", "required", "get_weather", "tool_calls"),
        ("sandbox-sglang", NAMED, "clock", "tool_calls"),
    ],
)
async def test_a_tool_that_has_to_be_called_is_called(
    caller: Caller, service_id: str, tool_choice: str | Json, name: str, finish_reason: str
) -> None:
    choice = await choice_of(caller, service_id, tool_choice=tool_choice)
    assert [name for name, _ in called(choice)] == [name]
    assert choice["finish_reason"] == finish_reason


@ENGINES
async def test_no_tool_is_called_when_none_may_be(caller: Caller, service_id: str) -> None:
    choice = await choice_of(caller, service_id, messages=asking("get_weather"), tool_choice="none")
    assert (called(choice), choice["finish_reason"]) == ([], "stop")


async def test_results_are_quoted_and_nothing_more_is_called(caller: Caller) -> None:
    question = asking("get_weather and clock")
    calls = (await choice_of(caller, "sandbox-qwen3", messages=question))["message"]
    results = [
        {"role": "tool", "tool_call_id": call["id"], "content": content}
        for call, content in zip(calls["tool_calls"], ("20 C", "noon"), strict=True)
    ]
    text = text_of(await caller.chat(messages=[*question, calls, *results], tools=TOOLS))
    assert 'The tool said: "20 C". The tool said: "noon". ' in text


async def test_vllm_streams_a_call_by_its_head_and_the_pieces_of_its_arguments(caller: Caller) -> None:
    chunks = chunks_of(await caller.chat(messages=asking("clock"), tools=TOOLS, stream=True))
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks[1:]]
    head = deltas[0]["tool_calls"][0]
    assert deltas == [
        {
            "content": None,
            "tool_calls": [
                {"index": 0, "id": head["id"], "type": "function", "function": {"name": "clock", "arguments": ""}}
            ],
        },
        {"content": None, "tool_calls": [{"index": 0, "function": {"arguments": "{"}}]},
        {"content": None, "tool_calls": [{"index": 0, "function": {"arguments": "}"}}]},
    ]
    assert head["id"].startswith("chatcmpl-tool-")
    assert [chunk["choices"][0]["finish_reason"] for chunk in chunks] == [None, None, None, "tool_calls"]


async def test_sglang_streams_a_call_with_nulls_and_ends_it_in_a_chunk_of_its_own(caller: Caller) -> None:
    chunks = chunks_of(await caller.chat("sandbox-sglang", messages=asking("clock"), tools=TOOLS, stream=True))
    choices = [chunk["choices"][0] for chunk in chunks]
    assert choices[1]["delta"]["tool_calls"][0]["id"].startswith("call_")
    assert choices[2]["delta"]["tool_calls"] == [
        {"id": None, "index": 0, "type": "function", "function": {"name": None, "arguments": "{"}}
    ]
    assert (choices[-1]["delta"]["tool_calls"], choices[-1]["finish_reason"]) == (None, "tool_calls")
    # Its source: only a whole answer forgets which token ended it.
    whole = await choice_of(caller, "sandbox-sglang", messages=asking("clock"))
    assert (choices[-1]["matched_stop"], whole["matched_stop"]) == (151645, None)


@ENGINES
async def test_a_stream_calls_what_the_whole_answer_calls(caller: Caller, service_id: str) -> None:
    messages = asking("get_weather, clock, for Rome")
    options = {"include_usage": True}
    whole = body_of(await caller.chat(service_id, messages=messages, tools=TOOLS))
    chunks = chunks_of(
        await caller.chat(service_id, messages=messages, tools=TOOLS, stream=True, stream_options=options)
    )
    deltas = [each["choices"][0]["delta"].get("tool_calls") for each in chunks if each["choices"]]
    pieces = [each[0] for each in deltas if each]
    arguments = [
        "".join(piece["function"]["arguments"] for piece in group)
        for _, group in groupby(pieces, lambda piece: piece["index"])
    ]
    calls = whole["choices"][0]["message"]["tool_calls"]
    assert arguments == [call["function"]["arguments"] for call in calls]
    assert [piece["function"]["name"] for piece in pieces if piece["function"].get("name")] == ["get_weather", "clock"]
    assert chunks[-1]["usage"]["completion_tokens"] == whole["usage"]["completion_tokens"] == len(pieces)


@ENGINES
async def test_a_call_that_is_cut_off_is_streamed_so_and_whole_it_is_text(caller: Caller, service_id: str) -> None:
    fields: Json = {"messages": asking("get_weather Rome"), "tools": TOOLS, "max_tokens": 4}
    chunks = chunks_of(await caller.chat(service_id, **fields, stream=True))
    choices = [chunk["choices"][0] for chunk in chunks]
    calls = [each["delta"]["tool_calls"][0] for each in choices if each["delta"].get("tool_calls")]
    arguments = "".join(call["function"]["arguments"] for call in calls)
    assert (arguments, choices[-1]["finish_reason"]) == ('{"city', "length")
    choice = await choice_of(caller, service_id, **fields)
    assert not choice["message"].get("tool_calls")
    assert choice["message"]["content"] == '<tool_call>\n{"name": "get_weather", "arguments": {"city'
    assert choice["finish_reason"] == "length"


async def test_a_limit_can_fall_between_two_calls(caller: Caller) -> None:
    fields: Json = {"messages": asking("clock, get_weather"), "tools": TOOLS, "max_tokens": 3}
    chunks = chunks_of(await caller.chat(**fields, stream=True))
    indexes = [call["index"] for chunk in chunks for call in chunk["choices"][0]["delta"].get("tool_calls", [])]
    assert (indexes, chunks[-1]["choices"][0]["finish_reason"]) == ([0, 0, 0], "length")


@pytest.mark.parametrize(
    ("tool_choice", "words"),
    [
        ({"type": "function", "function": {"name": "nobody"}}, "does not match any of the specified `tools`"),
        ({"type": "function"}, "does not match any of the specified `tools`"),
        ("sometimes", "Invalid value for `tool_choice`: sometimes!"),
    ],
)
async def test_a_choice_of_no_tool_is_refused(caller: Caller, tool_choice: object, words: str) -> None:
    response = await caller.chat(tools=TOOLS, tool_choice=tool_choice)
    assert response.status_code == 400
    assert words in response.text


async def test_a_tool_without_a_name_is_refused(caller: Caller) -> None:
    nameless: Json = {"type": "function", "function": {}}
    response = await caller.chat(tools=[nameless])
    assert response.status_code == 400
    assert "'loc': 'body.tools.0.function.name', 'msg': 'Field required'" in response.text


async def test_tools_count_as_a_part_of_the_prompt(caller: Caller) -> None:
    without, within = await caller.chat(), await caller.chat(messages=HELLO, tools=TOOLS, tool_choice="none")
    assert body_of(within)["usage"]["prompt_tokens"] > body_of(without)["usage"]["prompt_tokens"]
