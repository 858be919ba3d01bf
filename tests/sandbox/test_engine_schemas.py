"""Answers that have to be JSON."""

import json
from typing import Any, cast

import pytest
from jsonschema import Draft202012Validator

from tests.sandbox.caller import Caller, Json, body_of, chunks_of, streamed, text_of

pytestmark = pytest.mark.anyio

TREE = {
    "$defs": {
        "node": {
            "type": "object",
            "properties": {
                "name": {"type": "string"},
                "next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]},
                "children": {"type": "array", "items": {"$ref": "#/$defs/node"}},
            },
            "required": ["name", "next", "children"],
            "additionalProperties": False,
        }
    },
    "$ref": "#/$defs/node",
}
SCHEMAS: list[Json] = [
    {"type": "object", "properties": {"a": {"type": "boolean"}}, "required": ["a"], "additionalProperties": False},
    {"type": "object", "required": ["named", "also"], "additionalProperties": {"type": "integer", "minimum": 3}},
    {"properties": {"kind": {"const": 7}, "size": {"enum": ["small", "large"]}, "type": {"type": "null"}}},
    {"type": "array", "items": {"type": "string", "minLength": 9, "maxLength": 11}, "minItems": 3},
    {"type": "array", "items": {"type": "integer"}, "maxItems": 0},
    {"type": "array", "prefixItems": [{"type": "string"}, {"type": "boolean"}], "items": False},
    {"type": "integer", "minimum": 2.5},
    {"type": "integer", "exclusiveMinimum": 4, "exclusiveMaximum": 6},
    {"type": "integer", "maximum": -3},
    {"type": "integer", "minimum": 10, "multipleOf": 7},
    {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 0.5},
    {"type": ["string", "null"], "maxLength": 3},
    {"type": "string", "format": "date-time"},
    {"oneOf": [{"type": "number"}, {"type": "string"}]},
    {
        "allOf": [
            {"properties": {"a": {"type": "string"}}, "required": ["a"]},
            {"properties": {"b": {"type": "array"}}, "required": ["b"]},
        ],
        "type": "object",
    },
    {"definitions": {"a/b": {"type": "boolean"}}, "$ref": "#/definitions/a~1b"},
    TREE,
]


def wanting(schema: Json) -> Json:
    return {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": schema, "strict": True}}}


@pytest.mark.parametrize("schema", SCHEMAS, ids=json.dumps)
async def test_an_answer_follows_its_schema(caller: Caller, schema: Json) -> None:
    value = json.loads(text_of(await caller.chat(**wanting(schema))))
    Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER).validate(value)  # type: ignore[reportUnknownMemberType] # its stub leaves a part open


async def test_optional_properties_are_there_and_texts_are_words_of_the_question(caller: Caller) -> None:
    schema: Json = {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}}
    messages = [{"role": "user", "content": "How is the weather in Paris?"}]
    assert json.loads(text_of(await caller.chat(messages=messages, **wanting(schema)))) == {"city": "Paris", "days": 1}
    messages = [{"role": "user", "content": "\u5929\u6c14\uff0c\u5317\u4eac\uff1f"}]
    assert text_of(await caller.chat(messages=messages, **wanting(schema))) == '{"city": "\u5317\u4eac", "days": 1}'


@pytest.mark.parametrize("schema", [{"$ref": "#"}, {"$ref": "#/nowhere"}, {"allOf": [{"$ref": "#"}]}])
async def test_a_schema_that_leads_nowhere_is_answered_with_something(caller: Caller, schema: Json) -> None:
    json.loads(text_of(await caller.chat(**wanting(schema))))


async def test_a_schema_that_asks_for_itself_without_end_has_an_end(caller: Caller) -> None:
    endless: Json = {"type": "object", "properties": {"self": {"$ref": "#"}}, "required": ["self"]}
    assert text_of(await caller.chat(**wanting(endless))).endswith("null" + "}" * 21)


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "array", "items": {"$ref": "#"}, "minItems": 9},
        {"allOf": [{"$ref": "#"}] * 9},
        {"type": "integer", "minimum": 10**400, "multipleOf": 5e-324},
        {"type": "string", "minLength": 10**9},
    ],
    ids=["items", "references", "numbers", "letters"],
)
async def test_a_schema_that_asks_for_too_much_gets_less(caller: Caller, schema: Json) -> None:
    assert len(text_of(await caller.chat(**wanting(schema)))) < 100_000


async def test_json_without_a_schema_is_an_object(caller: Caller) -> None:
    for service_id in ("sandbox-qwen3", "sandbox-sglang"):
        response = await caller.chat(service_id, response_format={"type": "json_object"})
        assert "Hello, how are you today?" in json.loads(text_of(response))["answer"]
    assert text_of(await caller.chat(response_format={"type": "text"})) == text_of(await caller.chat())


async def test_json_is_streamed_and_cut_off_as_text_is(caller: Caller) -> None:
    whole = text_of(await caller.chat(**wanting(SCHEMAS[0])))
    assert streamed(chunks_of(await caller.chat(**wanting(SCHEMAS[0]), stream=True))) == whole
    (choice,) = body_of(await caller.chat(**wanting(SCHEMAS[0]), max_tokens=2))["choices"]
    assert (choice["finish_reason"], choice["message"]["content"]) == ("length", whole[:2])


async def test_words_can_be_put_into_its_mouth_whatever_the_schema(caller: Caller) -> None:
    words = ' {"a": 1,}\n<b>  '
    messages = [{"role": "user", "content": f"sandbox: say {words}"}]
    assert text_of(await caller.chat(messages=messages, **wanting(SCHEMAS[0]))) == words
    assert text_of(await caller.chat(messages=messages)) == words


@pytest.mark.parametrize(
    "schema",
    [
        {"properties": {"a": {"items": {"type": "text"}}}},
        {"$defs": {"a": {"anyOf": [{"type": ["null", "text"]}]}}},
        {"additionalProperties": {"type": "text"}},
    ],
)
async def test_an_unknown_type_is_found_wherever_it_stands(caller: Caller, schema: Json) -> None:
    response = await caller.chat(**wanting(schema))
    assert (response.status_code, body_of(response)["error"]["message"]) == (400, "Grammar error: Invalid type: text")
    tool = {"type": "function", "function": {"name": "clock", "parameters": schema}}
    forced, free = [await caller.chat(tools=[tool], tool_choice=each) for each in ("required", "auto")]
    assert (forced.status_code, free.status_code) == (400, 200)


@pytest.mark.parametrize("wanted", [{"type": "json_schema"}, {"type": "json_schema", "json_schema": {"name": "x"}}])
async def test_a_schema_has_to_be_there(caller: Caller, wanted: Json) -> None:
    assert (await caller.chat(response_format=wanted)).status_code == 400


async def test_where_the_answer_is_json_only_a_tool_that_has_to_be_called_is(caller: Caller) -> None:
    tools = [{"type": "function", "function": {"name": "clock"}}]
    fields: dict[str, Any] = {"messages": [{"role": "user", "content": "clock"}], "tools": tools}
    free, forced = [
        await caller.chat(**fields, **wanting(SCHEMAS[0]), tool_choice=each) for each in ("auto", "required")
    ]
    assert text_of(free) == '{"a": true}'
    assert [call["function"]["name"] for call in cast("Json", body_of(forced)["choices"][0])["message"]["tool_calls"]]


async def test_json_leaves_room_for_thoughts_only_beside_it(caller: Caller) -> None:
    for service_id in ("sandbox-thinking", "sandbox-thinking-tags", "sandbox-thinking-prefilled"):
        message = body_of(await caller.chat(service_id, **wanting(SCHEMAS[0])))["choices"][0]["message"]
        assert message["content"] == '{"a": true}'
        assert bool(message["reasoning"]) == (service_id == "sandbox-thinking")
