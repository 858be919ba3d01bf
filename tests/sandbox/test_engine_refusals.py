"""What an engine does not take; vLLM's words are those vLLM 0.32.0 was recorded to say."""

from typing import Any

import pytest

from tests.sandbox.caller import HELLO, Caller, Json, text_of
from tests.sandbox.refusals import error, one_validation_error, range_error

pytestmark = pytest.mark.anyio

TOOL = {"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object"}}}
PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        pytest.param(
            '{"model": "base", "messages": [',
            one_validation_error(
                "{'type': 'json_invalid', 'loc': 'body.31', 'msg': 'JSON decode error', "
                "'input': '<dict of 0 items>', 'ctx': {'error': 'Expecting value'}}",
                "body.31",
            ),
            id="invalid_json",
        ),
        pytest.param(
            "[1,2]",
            one_validation_error(
                "{'type': 'model_attributes_type', 'loc': 'body', 'msg': 'Input should be a valid dictionary or "
                "object to extract fields from', 'input': '<list of 2 items>'}",
                "body",
            ),
            id="json_not_object",
        ),
        pytest.param(
            "",
            one_validation_error(
                "{'type': 'missing', 'loc': 'body', 'msg': 'Field required', 'input': 'None'}", "body"
            ),
            id="empty_body",
        ),
        pytest.param(
            '{"model": "base", "max_tokens": 12, "temperature": 0}',
            one_validation_error(
                "{'type': 'missing', 'loc': 'body.messages', 'msg': 'Field required', 'input': '<dict of 3 items>'}",
                "body.messages",
            ),
            id="missing_messages",
        ),
        pytest.param(
            '{"messages": "hi"}',
            one_validation_error(
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
    assert (response.status_code, response.text) == (400, error(message, "Bad Request", None))


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (
            {"messages": []},
            error(
                "Cannot apply chat template to an empty conversation. Provide at least one message.",
                "BadRequestError",
                None,
            ),
        ),
        ({"temperature": 99}, range_error("temperature must be in [0, 2], got 99.0", "temperature")),
        ({"temperature": -1}, range_error("temperature must be non-negative, got -1.0", "temperature")),
        ({"top_p": 2}, range_error("top_p must be in (0, 1], got 2.0", "top_p")),
        ({"top_p": 0}, range_error("top_p must be in (0, 1], got 0.0", "top_p")),
        ({"max_tokens": 0}, range_error("max_tokens must be at least 1, got 0", "max_tokens")),
        ({"max_tokens": -5}, range_error("max_tokens must be at least 1, got -5", "max_tokens")),
        (
            {"max_tokens": "ten"},
            one_validation_error(
                "{'type': 'int_parsing', 'loc': 'body.max_tokens', 'msg': 'Input should be a valid integer, "
                "unable to parse string as an integer', 'input': 'ten'}",
                "body.max_tokens",
            ),
        ),
        (
            {"max_tokens": 3.5},
            one_validation_error(
                "{'type': 'int_from_float', 'loc': 'body.max_tokens', 'msg': 'Input should be a valid integer, "
                "got a number with a fractional part', 'input': '3.5'}",
                "body.max_tokens",
            ),
        ),
        (
            {"temperature": "hot"},
            one_validation_error(
                "{'type': 'float_parsing', 'loc': 'body.temperature', 'msg': 'Input should be a valid number, "
                "unable to parse string as a number', 'input': 'hot'}",
                "body.temperature",
            ),
        ),
        (
            {"seed": "x"},
            one_validation_error(
                "{'type': 'int_parsing', 'loc': 'body.seed', 'msg': 'Input should be a valid integer, unable to "
                "parse string as an integer', 'input': 'x'}",
                "body.seed",
            ),
        ),
        (
            {"stop": ["a1", "b1", "c1", "d1", "e1", "f1"]},
            error(
                "2 validation errors:\n  {'type': 'string_type', 'loc': 'body.stop', 'msg': 'Input should be a "
                "valid string', 'input': '<list of 6 items>'}\n  {'type': 'too_long', 'loc': 'body.stop', 'msg': "
                "'List should have at most 4 items after validation, not 6', 'input': '<list of 6 items>', 'ctx': "
                "{'field_type': 'List', 'max_length': 4, 'actual_length': 6}}",
                "Bad Request",
                "body.stop",
            ),
        ),
        ({"n": 0}, error("n must be at least 1, got 0.", "BadRequestError", None)),
        (
            {"n": 2, "temperature": 0},
            error("n must be 1 when using greedy sampling, got 2.", "BadRequestError", None),
        ),
        (
            {"presence_penalty": 9},
            error("presence_penalty must be in [-2, 2], got 9.0.", "BadRequestError", None),
        ),
        (
            {"tools": []},
            error(
                "`tools` must not be an empty array. Either provide at least one tool or omit the field entirely. "
                "(parameter=tools)",
                "BadRequestError",
                "tools",
            ),
        ),
        (
            {"tool_choice": "auto"},
            error(
                "When using `tool_choice`, `tools` must be set. (parameter=tool_choice)",
                "BadRequestError",
                "tool_choice",
            ),
        ),
        (
            {"top_logprobs": 2},
            error(
                "when using `top_logprobs`, `logprobs` must be set to true. (parameter=top_logprobs)",
                "BadRequestError",
                "top_logprobs",
            ),
        ),
        (
            {"messages": [{"role": "user", "content": [PICTURE]}]},
            error("qwen3-8b is not a multimodal model", "BadRequestError", None),
        ),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "nonsense"}}}},
            error("Grammar error: Invalid type: nonsense", "BadRequestError", None),
        ),
        (
            {"max_tokens": 40000},
            error(
                "max_tokens=40000 cannot be greater than max_model_len=32768. Please request fewer output tokens. "
                "(parameter=max_tokens, value=40000)",
                "BadRequestError",
                "max_tokens",
            ),
        ),
        (
            {"messages": [{"role": "user", "content": "x" * 140000}]},
            error(
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


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (
            {"tools": [TOOL]},
            error(
                '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set',
                "BadRequestError",
                None,
            ),
        ),
        (
            {"tools": [TOOL], "tool_choice": "required"},
            error('tool_choice="required" requires --tool-call-parser to be set', "BadRequestError", None),
        ),
        (
            {"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "get_weather"}}},
            error(
                'tool_choice=function "get_weather" requires --tool-call-parser to be set',
                "BadRequestError",
                None,
            ),
        ),
    ],
)
async def test_an_engine_without_a_tool_parser_refuses_tools_in_the_recorded_words(
    caller: Caller, fields: dict[str, Any], expected: str, *, stream: bool
) -> None:
    response = await caller.chat("sandbox-lora-partial", **fields, stream=stream)
    assert (response.status_code, response.text) == (400, expected)


async def test_stream_options_need_a_stream(caller: Caller) -> None:
    response = await caller.chat(stream_options={"include_usage": True})
    message = "Stream options can only be defined when `stream=True`. (parameter=stream_options)"
    assert (response.status_code, response.text) == (
        400,
        error(message, "BadRequestError", "stream_options"),
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
    assert text_of(response) == "?"
