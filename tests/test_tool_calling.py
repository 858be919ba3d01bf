"""Tools offered to the model: sent as given, its calls put together, and put back into the history."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alaya_mcp.chat.stream.tool_calls import MOST_CALLS, Flaw, ToolCallCollector
from tests.calls import CHAT, call, connected, content_of, error_of, text_of
from tests.upstream import DONE, Exchange, Handler, Request, Upstream, replies, says, text_chunk

pytestmark = [pytest.mark.anyio, pytest.mark.quick]

WEATHER: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Weather of a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
PARIS: dict[str, Any] = {
    "id": "c1",
    "type": "function",
    "function": {"name": "get_weather", "arguments": '{"city": "Paris"}'},
}


def calls_chunk(*deltas: dict[str, Any]) -> dict[str, Any]:
    chunk = text_chunk()
    chunk["choices"][0]["delta"] = {"content": None, "tool_calls": list(deltas)}
    return chunk


def piece(arguments: object, index: float | None = 0, **fields: Any) -> dict[str, Any]:  # noqa: ANN401 any JSON value
    name = {"name": fields.pop("name")} if "name" in fields else {}
    return {**({} if index is None else {"index": index}), **fields, "function": {**name, "arguments": arguments}}


def asks(*chunks: dict[str, Any], finish_reason: str | None = "tool_calls") -> Handler:
    async def handler(_: Request, exchange: Exchange) -> None:
        await exchange.events(*chunks, text_chunk(finish_reason=finish_reason), DONE)

    return handler


ASKS_FOR_PARIS = asks(
    calls_chunk(piece("", id="c1", type="function", name="get_weather")),
    calls_chunk(piece('{"city": ')),
    calls_chunk(piece('"Paris"}')),
)


async def test_a_call_comes_in_the_shape_that_the_history_takes_in_both_forms() -> None:
    async with Upstream(chat=ASKS_FOR_PARIS) as upstream:
        result = await call(upstream.settings(), CHAT, prompt="weather?", tools=[WEATHER], return_messages=True)

        sent = upstream.chats[0].json
    content = content_of(result)
    assert sent["tools"] == [WEATHER]
    assert "tool_choice" not in sent
    assert content["tool_calls"] == [PARIS]
    assert (content["content"], content["truncated"], content["warnings"]) == ("", False, [])
    assert content["messages"][-1] == {"role": "assistant", "content": "", "tool_calls": [PARIS]}
    assert json.dumps(PARIS) in text_of(result)


async def test_the_calls_and_their_results_can_be_sent_back() -> None:
    async with Upstream(chat=ASKS_FOR_PARIS) as upstream:
        first = await call(upstream.settings(), CHAT, prompt="weather?", tools=[WEATHER], return_messages=True)
        answer = {"role": "tool", "tool_call_id": "c1", "content": "20 C"}
        upstream.chat = replies("It is 20 C.")
        messages = [*content_of(first)["messages"], answer]
        second = await call(
            upstream.settings(), CHAT, messages=messages, tools=json.dumps([WEATHER]), return_messages=True
        )

        sent = upstream.chats[1].json["messages"]
    assert sent == [
        {"role": "user", "content": "weather?"},
        {"role": "assistant", "content": None, "tool_calls": [PARIS]},
        answer,
    ]
    assert content_of(second)["messages"] == [*messages, {"role": "assistant", "content": "It is 20 C."}]


@pytest.mark.parametrize(
    ("choice", "sent"),
    [
        ("auto", "auto"),
        ("none", "none"),
        ("required", "required"),
        ("get_weather", {"type": "function", "function": {"name": "get_weather"}}),
    ],
)
async def test_a_tool_choice_is_a_word_or_a_tools_name(choice: str, sent: object) -> None:
    async with Upstream(chat=replies("ok")) as upstream:
        content_of(await call(upstream.settings(), CHAT, prompt="x", tools=[WEATHER], tool_choice=choice))

        assert upstream.chats[0].json["tool_choice"] == sent


async def test_a_choice_of_none_without_tools_is_no_choice() -> None:
    async with Upstream(chat=replies("ok")) as upstream:
        content_of(await call(upstream.settings(), CHAT, prompt="x", tools=[], tool_choice="none"))

        assert not {"tools", "tool_choice"} & set(upstream.chats[0].json)


NONSENSE: list[tuple[dict[str, Any], str]] = [
    ({"tool_choice": "required"}, "without tools"),
    ({"tools": [WEATHER], "tool_choice": "get_wether"}, "get_weather"),
    ({"tools": [WEATHER, WEATHER]}, "same name"),
    ({"tools": [{"name": "f"}]}, "shape"),
    ({"tools": [{"type": "retrieval", "function": {"name": "f"}}]}, "shape"),
    ({"tools": [{"function": {"name": "f", "parameters": []}}]}, "shape"),
    ({"tools": [{"function": {"name": ""}}]}, "shape"),
    ({"tools": '[{"function": {"name": "f", "x": NaN}}]'}, "NaN"),
    ({"tools": [{"function": {"name": "f", "description": "x" * 300_000}}]}, "bytes"),
    ({"tools": "nonsense"}, "tools"),
    ({"messages": [{"role": "tool", "content": "20 C"}]}, "tool_call_id"),
    ({"messages": [{"role": "user", "content": "x", "tool_call_id": "c1"}]}, "role tool only"),
    ({"messages": [{"role": "user", "content": "x", "tool_calls": [PARIS]}]}, "assistant"),
    ({"messages": [{"role": "assistant", "content": "", "tool_calls": [{"id": "c1"}]}]}, "function"),
]


@pytest.mark.parametrize(("arguments", "word"), NONSENSE)
async def test_what_makes_no_sense_is_refused_before_anything_is_sent(arguments: dict[str, Any], word: str) -> None:
    question = {} if "messages" in arguments else {"prompt": "x"}
    async with Upstream() as upstream:
        result = await call(upstream.settings(), CHAT, **question, **arguments)

        assert upstream.requests == []
    assert error_of(result)["code"] == "invalid_arguments"
    assert word in text_of(result)


async def test_a_named_tools_call_that_ends_with_stop_is_whole() -> None:
    chunks = calls_chunk(piece('{"city": "Rome"}', id="c1", name="get_weather"))
    async with Upstream(chat=asks(chunks, finish_reason="stop")) as upstream:
        content = content_of(
            await call(upstream.settings(), CHAT, prompt="x", tools=[WEATHER], tool_choice="get_weather")
        )

    assert (content["truncated"], content["warnings"]) == (False, [])


async def test_a_call_that_was_cut_off_is_told_and_not_put_into_the_conversation() -> None:
    chunks = (
        calls_chunk(piece('{"city": "Rome"}', 0, id="c1", name="get_weather")),
        calls_chunk(piece('{"city": "Pa', 1, id="c2", name="get_weather")),
    )
    async with Upstream(chat=asks(*chunks, finish_reason="length")) as upstream:
        content = content_of(await call(upstream.settings(), CHAT, prompt="x", tools=[WEATHER], return_messages=True))

    assert (content["truncated"], content["truncated_reason"]) == (True, "max_tokens")
    assert [each["function"]["arguments"] for each in content["tool_calls"]] == ['{"city": "Rome"}', '{"city": "Pa']
    assert any("cut off" in warning and "do not run it" in warning for warning in content["warnings"])
    assert [each["id"] for each in content["messages"][-1]["tool_calls"]] == ["c1"]


async def test_a_call_that_stays_text_is_explained() -> None:
    text = '<tool_call>\n{"name": "get_weather"}\n</tool_call>'
    async with Upstream(chat=replies(text)) as upstream:
        with_tools = content_of(await call(upstream.settings(), CHAT, prompt="x", tools=[WEATHER]))
        without = content_of(await call(upstream.settings(), CHAT, prompt="x"))

    assert with_tools["content"] == text
    assert any("without a tool parser" in warning for warning in with_tools["warnings"])
    assert without["warnings"] == []


@pytest.mark.parametrize(
    ("choice", "warned"), [("required", True), ("get_weather", True), ("auto", False), ("", False)]
)
async def test_a_call_that_was_asked_for_and_did_not_come_is_told(choice: str, *, warned: bool) -> None:
    async with Upstream(chat=replies("No tools today.")) as upstream:
        content = content_of(await call(upstream.settings(), CHAT, prompt="x", tools=[WEATHER], tool_choice=choice))

    assert any("answered in text" in warning for warning in content["warnings"]) is warned


async def test_a_call_that_nobody_offered_is_told() -> None:
    async with Upstream(chat=ASKS_FOR_PARIS) as upstream:
        content = content_of(await call(upstream.settings(), CHAT, prompt="x"))

    assert any("none was offered" in warning for warning in content["warnings"])


@pytest.mark.parametrize(
    "words",
    [
        '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set',
        'tool_choice="required" requires --tool-call-parser to be set',
    ],
)
async def test_an_engine_without_a_tool_parser_is_explained(words: str) -> None:
    async with Upstream(chat=says(400, {"error": {"message": words, "code": 400}})) as upstream:
        result = await call(upstream.settings(), CHAT, prompt="x", tools=[WEATHER])

        assert len(upstream.chats) == 1
    assert error_of(result)["code"] == "request_rejected"
    assert "without a tool parser" in text_of(result)
    assert "--tool-call-parser NAME on vLLM" in text_of(result)


async def test_a_call_with_the_index_of_a_stream_is_taken() -> None:
    messages = [
        {"role": "user", "content": "x"},
        {"role": "assistant", "content": "", "tool_calls": [{"index": 0, **PARIS}]},
        {"role": "tool", "tool_call_id": "c1", "content": "20 C"},
    ]
    async with Upstream(chat=replies("ok")) as upstream:
        content_of(await call(upstream.settings(), CHAT, messages=messages))

        assert upstream.chats[0].json["messages"][1]["tool_calls"] == [PARIS]


async def test_calls_larger_than_a_result_are_left_out_and_told() -> None:
    large = json.dumps({"text": "x" * 20_000})
    chunks = [calls_chunk(piece(large, index, id=f"c{index}", name="f" * 9_000)) for index in range(3)]
    async with Upstream(chat=asks(*chunks)) as upstream:
        result = await call(upstream.settings(), CHAT, prompt="x", tools=[WEATHER])

    content = content_of(result)
    assert [each["id"] for each in content["tool_calls"]] == ["c0"]
    assert (content["truncated"], content["truncated_reason"]) == (True, "size_cap")
    assert any("Only 1 of the calls" in warning for warning in content["warnings"])
    assert len(json.dumps(content)) < 40_000
    assert len(text_of(result)) < 40_000


async def test_the_tool_calls_of_a_large_reply_come_with_its_last_part() -> None:
    chunks = [calls_chunk(piece(json.dumps({"a": "x" * 9_000}), id="c0", name="f")), text_chunk("word " * 9_000)]
    async with Upstream(chat=asks(*chunks)) as upstream, connected(upstream.settings()) as client:
        first = content_of(await client.call_tool(CHAT, {"prompt": "x", "tools": [WEATHER]}))
        last = content_of(await client.call_tool(CHAT, {"read_on": first["read_on"]}))

    assert not {"tool_calls", "usage", "reasoning", "messages"} & set(first)
    assert [each["id"] for each in last["tool_calls"]] == ["c0"]


async def test_ids_that_are_made_up_agree_within_a_result_and_differ_between_turns() -> None:
    chunks = (calls_chunk(piece('{"a": ', 0, name="f")), calls_chunk(piece("{}", 1, name="g")))
    made: list[str] = []
    async with Upstream(chat=asks(*chunks)) as upstream:
        for _ in range(2):
            content = content_of(
                await call(upstream.settings(), CHAT, prompt="x", tools=[WEATHER], return_messages=True)
            )
            (kept,) = content["messages"][-1]["tool_calls"]
            assert kept == content["tool_calls"][1]
            made += [each["id"] for each in content["tool_calls"]]

    assert len(set(made)) == 4


async def test_a_call_instead_of_data_is_told_as_such() -> None:
    async with Upstream(chat=ASKS_FOR_PARIS) as upstream:
        content = content_of(
            await call(upstream.settings(), CHAT, prompt="x", tools=[WEATHER], response_schema={"type": "object"})
        )

    assert any("asked for a tool instead" in warning for warning in content["warnings"])


def test_calls_without_number_cost_no_more_than_the_most_that_are_taken() -> None:
    collector = ToolCallCollector()
    collector.add([piece("{}", None, id=f"c{number}", name="f") for number in range(20_000)])

    assert (len(collector.calls), collector.left_out) == (MOST_CALLS, 20_000 - MOST_CALLS)


def collected(*deltas: object) -> list[tuple[str, str, str]]:
    collector = ToolCallCollector()
    for delta in deltas:
        collector.add(delta)
    return [(call.call_id, call.name, call.arguments) for call in collector.calls]


@pytest.mark.parametrize(
    ("deltas", "calls"),
    [
        pytest.param(
            [[piece("{}", 1, id="b", name="g")], [piece("{}", 0, id="a", name="f")]],
            [("a", "f", "{}"), ("b", "g", "{}")],
            id="by index",
        ),
        pytest.param(
            [[piece("{", None, id="a", name="f")], [piece("}", None)], [piece("{}", None, id="b", name="g")]],
            [("a", "f", "{}"), ("b", "g", "{}")],
            id="without indexes",
        ),
        pytest.param(
            [[piece("{}", 0, id="a", name="f")], [piece("{}", 0, id="b", name="f")]],
            [("a", "f", "{}"), ("b", "f", "{}")],
            id="one index for all",
        ),
        pytest.param(
            [[piece("{", 0, id="a", name="f")], [piece("}", 0, id="a", name="f")]], [("a", "f", "{}")], id="repeated"
        ),
        pytest.param(
            [[piece("", 0, name="get_")], [piece("{}", 0, name="weather")]],
            [("", "get_weather", "{}")],
            id="name in pieces",
        ),
        pytest.param(
            [[{"index": 0, "function": {"name": "f", "arguments": {"a": 1}}}]], [("", "f", '{"a": 1}')], id="an object"
        ),
        pytest.param([[piece("{}", 0)]], [], id="without a name"),
        pytest.param(
            [[piece("", 0, id="a", name="f")], [piece('{"x":1}', 1, id=None, name="")]],
            [("a", "f", '{"x":1}')],
            id="the arguments under the next index",
        ),
        pytest.param(
            [[piece('{"x"', None, id="a", name="f")], [piece(":1", None, id="a")], [piece("}", None, id="a")]],
            [("a", "f", '{"x":1}')],
            id="no index, one id on each piece",
        ),
        pytest.param(
            [
                [piece("", 0, id="a", name="f")],
                [piece('{"x":1}', 0)],
                [piece("", 0, id="b", name="g")],
                [piece('{"y":', 0)],
                [piece("2}", 0)],
            ],
            [("a", "f", '{"x":1}'), ("b", "g", '{"y":2}')],
            id="two calls under one index",
        ),
        pytest.param(
            [[piece('{"x":1}', 0, name="f")], [piece('{"y":2}', 0, name="g")], [piece('{"z":3}', 0, name="g")]],
            [("", "f", '{"x":1}'), ("", "g", '{"y":2}'), ("", "g", '{"z":3}')],
            id="names alone, under one index",
        ),
        pytest.param(
            [
                [piece("{", 0, name="f")],
                [piece('"x":1', 0, name="f")],
                [piece("}", 0, name="f")],
                [piece("", 0, name="f")],
            ],
            [("", "f", '{"x":1}')],
            id="the name on each piece",
        ),
        pytest.param(
            [[piece("{", 0, id="a", name="f")], [piece("}", 0, id="b")], [piece("", 0, id="c")]],
            [("a", "f", "{}")],
            id="a new id on each piece",
        ),
        pytest.param(
            [
                [piece("{", 0, id="a", name="f"), piece("{", 1, id="b", name="g")],
                [piece('"y":2}', 1), piece('"x":1}', 0)],
            ],
            [("a", "f", '{"x":1}'), ("b", "g", '{"y":2}')],
            id="two calls at once",
        ),
        pytest.param(
            [[piece('{"x":1}', 0, id="call_0", name="f")], [piece('{"y":2}', 1, id="call_0", name="g")]],
            [("call_0", "f", '{"x":1}'), ("call_0", "g", '{"y":2}')],
            id="one id for two names",
        ),
        pytest.param(
            [[piece('{"x":', 0, id="a", name="f")], [piece("1}", 0)], [piece('{"x":1}', 0, id="a", name="f")]],
            [("a", "f", '{"x":1}')],
            id="the whole once more at the end",
        ),
        pytest.param(
            [
                [{"index": "1", "id": 7, "function": {"name": "g", "arguments": "{}"}}],
                [piece("{}", 0, id="a", name="f")],
            ],
            [("a", "f", "{}"), ("7", "g", "{}")],
            id="an index as text and an id as a number",
        ),
        pytest.param([piece("{}", 0, id="a", name="f")], [("a", "f", "{}")], id="a call that is in no list"),
        pytest.param([[piece([1], 0, id="a", name="f")]], [("a", "f", "[1]")], id="arguments that are a list"),
        pytest.param([[piece([], 0, id="a", name="f")]], [("a", "f", "")], id="an empty object as PHP has it"),
        pytest.param(
            [
                [piece(None, 0.0, id="a", name="f"), piece(None, 1.0, id="b", name="g")],
                [piece('{"x":1}', 0.0), piece('{"y":1}', 1.0)],
            ],
            [("a", "f", '{"x":1}'), ("b", "g", '{"y":1}')],
            id="indexes that are floats",
        ),
        pytest.param(
            [[piece(None, 0, id="a", name="get_")], [piece("{}", 0, id="a", name="get_weather")]],
            [("a", "get_weather", "{}")],
            id="a name that grows",
        ),
        pytest.param(
            [[piece('{"x":1}', 0, id="a", name="f")], [piece('{"x":1}', 0, id="a", name="f")]],
            [("a", "f", '{"x":1}')],
            id="all of it twice",
        ),
        pytest.param(
            [[piece("{}", 0, id="a", name="f")], [piece('{"x":1}', 0)]],
            [("a", "f", '{"x":1}')],
            id="an empty object in place of what comes",
        ),
        pytest.param(
            [[piece('{"x"', 0, id="a", name="f")], [piece('{"x":1', 0)], [piece('{"x":1}', 0)]],
            [("a", "f", '{"x":1}')],
            id="each piece says all so far",
        ),
        pytest.param([[{"id": "a", "name": "f", "arguments": '{"x":1}'}]], [("a", "f", '{"x":1}')], id="a flat call"),
        pytest.param(
            [[{"id": "a", "function": '{"name":"f","arguments":"{}"}'}]], [("a", "f", "{}")], id="a function as text"
        ),
        pytest.param(
            [[piece('"\ud83d', 0, name="f")], [piece('\ude00"', 0)]], [("", "f", '"😀"')], id="halves of a character"
        ),
        pytest.param([None, "x", 3, [None, 3, {}, {"function": 3}, {"index": True, "id": 4}]], [], id="nonsense"),
        pytest.param([[piece("\ud800", 0, name="f")]], [("", "f", "�")], id="half a surrogate"),
    ],
)
def test_calls_are_put_together(deltas: list[object], calls: list[tuple[str, str, str]]) -> None:
    assert collected(*deltas) == calls


@pytest.mark.parametrize(
    ("arguments", "flaw", "flaw_when_cut"),
    [
        ("{}", None, None),
        ("", None, "cut"),
        ('{"a": [1]}', None, None),
        ("{", "not_json", "cut"),
        ("[]", "not_an_object", "not_an_object"),
        ("3", "not_an_object", "not_an_object"),
        ('"{}"', "not_an_object", "not_an_object"),
        ("[" * 99_999, "not_json", "cut"),
    ],
)
def test_a_call_that_cannot_be_run_has_a_flaw(arguments: str, flaw: Flaw | None, flaw_when_cut: Flaw | None) -> None:
    collector = ToolCallCollector()
    collector.add([piece(arguments, name="f")])

    assert collector.calls[0].flaw(is_cut=False) == flaw
    assert collector.calls[0].flaw(is_cut=True) == flaw_when_cut


ARGUMENTS = st.dictionaries(st.text(max_size=5), st.text(max_size=20), max_size=4)


@given(st.lists(ARGUMENTS, min_size=1, max_size=4), st.integers(1, 7))
@settings(max_examples=150, deadline=None)
def test_arguments_survive_any_cut(values: list[dict[str, str]], step: int) -> None:
    collector = ToolCallCollector()
    for index, value in enumerate(values):
        text = json.dumps(value, ensure_ascii=False)
        collector.add([piece("", index, id=f"c{index}", name=f"f{index}")])
        for start in range(0, len(text), step):
            collector.add([piece(text[start : start + step], index)])

    assert [json.loads(call.arguments) for call in collector.calls] == values


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["index", "id", "function", "name", "arguments"]), inner)
    ),
    max_leaves=12,
)


@given(st.lists(json_values, max_size=5))
@settings(max_examples=150, deadline=None)
def test_nothing_that_an_engine_sends_as_calls_makes_it_fail(deltas: list[object]) -> None:
    for call_id, name, arguments in collected(*deltas):
        assert f"{call_id}{name}{arguments}".encode()
        assert name


async def test_a_call_in_the_older_way_is_taken() -> None:
    pieces: list[dict[str, str]] = [{"name": "f", "arguments": '{"x"'}, {"arguments": ":1}"}]
    events = [{"choices": [{"index": 0, "delta": {"function_call": one}}]} for one in pieces]
    end: dict[str, Any] = {"choices": [{"index": 0, "delta": {}, "finish_reason": "function_call"}]}

    async def handler(_: Request, exchange: Exchange) -> None:
        await exchange.events(*events, end, DONE)

    async with Upstream(chat=handler) as upstream:
        result = content_of(await call(upstream.settings(), CHAT, prompt="x", tools=[WEATHER]))

    (made,) = result["tool_calls"]
    assert made["function"] == {"name": "f", "arguments": '{"x":1}'}
