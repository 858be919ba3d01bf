"""What upstream says in its error bodies: found, recognised, quoted."""

import json
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alaya_mcp.upstream.context_length import context_numbers, is_about_context
from alaya_mcp.upstream.error_text import (
    QUOTE_LIMIT,
    is_about_grammar,
    is_about_images,
    is_about_model,
    is_about_parsing,
    is_about_tool_parser,
    message_in_body,
    quotable,
    says_not_found,
)
from tests.recordings import Recording, recording, refusals

ABOUT_CONTEXT = {"context_overflow_max_tokens", "context_overflow_prompt", "context_overflow_prompt_stream"}
ABOUT_MODEL = {"chat_colon_lora", "chat_lora_wrong_case", "unknown_model", "unknown_model_stream"}

recorded = pytest.mark.parametrize("one", [pytest.param(one, id=one.name) for one in refusals()])


@recorded
def test_the_message_of_a_recorded_error_is_its_human_sentence(one: Recording) -> None:
    body: dict[str, Any] = json.loads(one.body)
    error: Any = body.get("error", body.get("detail"))
    expected = error if isinstance(error, str) else str(error["message"])
    assert message_in_body(one.body) == expected
    assert len(expected) > 5


@recorded
def test_a_recorded_error_is_about_the_context_where_it_says_so(one: Recording) -> None:
    assert is_about_context(message_in_body(one.body)) == (one.name in ABOUT_CONTEXT)


@recorded
def test_a_recorded_error_is_about_the_model_where_it_says_so(one: Recording) -> None:
    assert is_about_model(message_in_body(one.body), one.status) == (one.name in ABOUT_MODEL)


def test_there_are_recorded_errors_of_every_sort() -> None:
    names = {one.name for one in refusals()}
    assert names >= ABOUT_CONTEXT | ABOUT_MODEL | {"no_key", "unknown_path", "method_get"}
    assert {one.status for one in refusals()} == {400, 401, 404, 405}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        pytest.param(b'{"error": {"message": "m", "type": "t", "code": 400}}', "m", id="vLLM"),
        pytest.param(b'{"error": "Unauthorized"}', "Unauthorized", id="vLLM, 401"),
        pytest.param(b'{"detail": "Not Found"}', "Not Found", id="FastAPI"),
        pytest.param(
            b'{"detail": [{"loc": ["body"], "msg": "Field required"}]}', "body: Field required", id="FastAPI, list"
        ),
        pytest.param(b'{"object": "error", "message": "m", "code": 400}', "m", id="SGLang"),
        pytest.param('{"code": -1, "msg": "服务不存在", "data": null}'.encode(), "服务不存在", id="envelope"),
        pytest.param(b'{"error": null, "message": "m"}', "m", id="null error"),
        pytest.param(b'{"error": true, "message": "m"}', "m", id="boolean error"),
        pytest.param(b'{"error": {}, "msg": "m"}', "m", id="empty error"),
        pytest.param(b'"just text"', "just text", id="a JSON string"),
        pytest.param(b"upstream connect error", "upstream connect error", id="plain text"),
        pytest.param(b"\xffabc", "\ufffdabc", id="not UTF-8"),
        pytest.param(b'{"error": {"mess', '{"error": {"mess', id="cut JSON"),
        pytest.param(b"<html><h1>502 Bad Gateway</h1>", None, id="HTML"),
        pytest.param(b" \n<!DOCTYPE html>", None, id="HTML after space"),
        pytest.param(b"\xef\xbb\xbf<html>", None, id="HTML after a byte order mark"),
        pytest.param(b'\xef\xbb\xbf{"error": "m"}', "m", id="JSON after a byte order mark"),
        pytest.param(b"", None, id="nothing"),
        pytest.param(b"  \n", None, id="space"),
        pytest.param(b"{}", None, id="empty object"),
        pytest.param(b"[]", None, id="empty list"),
        pytest.param(b"404", None, id="a number"),
        pytest.param(b"null", None, id="null"),
    ],
)
def test_the_message_is_found_in_every_shape(body: bytes, message: str | None) -> None:
    assert message_in_body(body) == message


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["error", "message", "msg", "detail", "x"]), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(json_values.map(json.dumps).map(str.encode) | st.binary(max_size=40) | st.just(b"[" * 100_000))
@settings(max_examples=250, deadline=None)
def test_any_body_gives_a_message_or_none(body: bytes) -> None:
    message = message_in_body(body)
    assert message is None or len(message) > 0


@pytest.mark.parametrize(
    ("text", "asked", "limit"),
    [
        pytest.param(message_in_body(recording("context_overflow_max_tokens").body), 5120, 512, id="vLLM, max_tokens"),
        pytest.param(message_in_body(recording("context_overflow_prompt").body), 23090, 512, id="vLLM, prompt"),
        pytest.param(
            "This model's maximum context length is 2048 tokens. However, you requested 2100 tokens (100 in the "
            "messages, 2000 in the completion). Please reduce the length of the messages or completion.",
            2100,
            2048,
            id="older vLLM",
        ),
        pytest.param(
            "'max_tokens' or 'max_completion_tokens' is too large: 3000. This model's maximum context length is 2048 "
            "tokens and your request has 100 input tokens (3000 > 2048 - 100).",
            3100,
            2048,
            id="vLLM, too large",
        ),
        pytest.param(
            "This model's maximum context length is 32768 tokens. However, you requested 32768 output tokens and "
            "your prompt contains at least 5 input tokens, for a total of at least 32773 tokens.",
            32773,
            32768,
            id="newer vLLM",
        ),
        pytest.param(
            "Input length (9000 tokens) exceeds the maximum allowed length (8186 tokens). Use a shorter input or "
            "enable --allow-auto-truncate.",
            9000,
            8186,
            id="SGLang, allowed",
        ),
        pytest.param(
            "This model's maximum context length is 8192 tokens. However, your messages resulted in 9001 tokens.",
            9001,
            8192,
            id="OpenAI",
        ),
        pytest.param(
            "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096. Given: 3000 `inputs` tokens "
            "and 2000 `max_new_tokens`",
            5000,
            4096,
            id="TGI",
        ),
        pytest.param("Range of input length should be [1, 30720]", None, 30720, id="DashScope"),
        pytest.param("prompt is too long: 210000 tokens > 200000 maximum", 210000, 200000, id="Anthropic"),
        pytest.param(
            "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
            1200000,
            1048576,
            id="Gemini",
        ),
        pytest.param("Prompt length (9000) exceeds maximum input length (8192)", 9000, 8192, id="TensorRT-LLM"),
        pytest.param("输入token数（9000）超过最大长度限制（8192）", 9000, 8192, id="Chinese"),  # noqa: RUF001 as it is written
        pytest.param("input length 5 exceeds the context length 4096", None, None, id="numbers that make no sense"),
        pytest.param(
            "The input (5000 tokens) is longer than the model's context length (4096 tokens).",
            5000,
            4096,
            id="SGLang, input",
        ),
        pytest.param(
            "Requested token count exceeds the model's maximum context length of 4096 tokens. You requested a total of "
            "5000 tokens: 900 tokens from the input messages and 4100 tokens for the completion.",
            5000,
            4096,
            id="SGLang, total",
        ),
        pytest.param(
            "request (5000 tokens) exceeds the available context size (4096 tokens), try increasing it",
            5000,
            4096,
            id="llama.cpp",
        ),
        pytest.param("the request exceeds the available context size", None, None, id="no numbers"),
        ("maximum context length is 4,096 tokens. However, you requested 5,000 tokens", 5000, 4096),
        ("(9,000) exceeds the maximum (8,192) tokens context length", 9000, 8192),
        ("input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000", 210000, 200000),
        ("Your request exceeded model token limit: 8192 (requested: 9000)", 9000, 8192),
        ("Input must have less than 4095 tokens. Given: 5000", 5000, 4095),
        ("This model's maximum prompt length is 131072 but the request contains 150000 tokens", 150000, 131072),
    ],
)
def test_a_context_error_is_recognised_with_its_numbers(text: str, asked: int | None, limit: int | None) -> None:
    assert is_about_context(text)
    unit = "characters" if "characters" in text else "tokens"
    assert context_numbers(text) == (asked and f"{asked} {unit}", limit and f"{limit} tokens")


@pytest.mark.parametrize("text", [None, "", "temperature must be in [0, 2]", "max_tokens must be at least 1, got 0."])
def test_other_refusals_are_not_about_the_context(text: str | None) -> None:
    assert not is_about_context(text)


@pytest.mark.parametrize(
    ("text", "status", "about"),
    [
        ("The model `x` does not exist.", 404, True),
        ("model 'x' not found", 404, True),
        ("The lora adapter x is not loaded", 404, True),
        ("The following requested LoRA adapters are not loaded: x", 400, True),
        ("LoRA adapter x does not exist", 400, True),
        ("base is not a multimodal model", 400, False),
        ("The model `x` does not exist.", 400, True),
        ("Not Found", 404, False),
        (None, 404, False),
    ],
)
def test_a_refusal_is_about_the_model_by_its_words_and_status(text: str | None, status: int, *, about: bool) -> None:
    assert is_about_model(text, status) == about


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("service not found", True),
        ("Deployment could not be found", True),
        ("The deployment does not exist", True),
        ("deployment doesn't exist", True),
        ("service not exist", True),
        ("No such service", True),
        ("服务不存在", True),
        ("未找到该部署", True),
        ("找不到服务", True),
        ("没有找到对应的服务", True),
        ("余额不足", False),
        ("参数错误", False),
        ("internal error", False),
        ("founded in error", False),
        ("", False),
        (None, False),
    ],
)
def test_not_found_is_understood_in_english_and_chinese(text: str | None, says: bool) -> None:
    assert says_not_found(text) == says


def test_a_quotation_is_marked_as_upstreams() -> None:
    assert quotable("out of memory.") == "out of memory"


@pytest.mark.parametrize("nothing", [None, "", "  \n\t", "\x00\x1b"], ids=["none", "empty", "space", "control"])
def test_nothing_is_quoted_as_nothing(nothing: str | None) -> None:
    assert quotable(nothing) == ""


def inside(text: str, secrets: tuple[str, ...] = ()) -> str:
    return quotable(text, secrets)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a\nb\r\n\tc", "a b c"),
        ("\x1b[31mred\x1b[0m", "[31mred [0m"),
        ("a\u2028b\u202ec\u200bd\x00e", "a b c d e"),
        ("a\ud800b", "a b"),
        ("模型不存在", "模型不存在"),
        ("x" * QUOTE_LIMIT, "x" * 300),
        ("x" * (QUOTE_LIMIT + 1), "x" * 299 + "…"),
    ],
    ids=[
        "line ends",
        "terminal codes",
        "invisible characters",
        "surrogate",
        "Chinese",
        "at the limit",
        "over the limit",
    ],
)
def test_a_quotation_is_one_printable_line_of_at_most_300_characters(text: str, line: str) -> None:
    assert inside(text) == line


def test_the_longest_recorded_message_is_cut() -> None:
    assert len(inside(str(message_in_body(recording("null_content").body)))) == QUOTE_LIMIT == 300


@given(st.text(max_size=400))
@settings(max_examples=200, deadline=None)
def test_any_text_is_quoted_within_the_limit_and_fit_to_print(text: str) -> None:
    line = inside(text)
    assert len(line) <= 300
    assert line.isprintable()


@pytest.mark.parametrize(
    ("text", "secrets"),
    [
        pytest.param("key AKsecret is bad", ("AKsecret",), id="in the middle"),
        pytest.param("AKsecretAKsecret", ("AKsecret",), id="twice"),
        pytest.param("x" * 295 + "AKsecret", ("AKsecret",), id="over the limit's edge"),
        pytest.param("AKsecret and SKsecret", ("AKsecret", "SKsecret"), id="two"),
        pytest.param("key AKsecret0123456", ("AKsecret", "AKsecret0123456"), id="one begins the other"),
        pytest.param("key 0123456AKsecret", ("AKsecret", "0123456AKsecret"), id="one ends the other"),
        pytest.param("key aksecret", ("AKsecret",), id="in lower case"),
        pytest.param('{"key": "AK\\/secret"}', ("AK/secret",), id="as PHP writes JSON"),
        pytest.param("AK\\u0026secret", ("AK&secret",), id="as Go writes JSON"),
        pytest.param('AK\\\\\\"secret', ('AK"secret',), id="JSON in JSON"),
        pytest.param("AK%2Fsecret%3D", ("AK/secret=",), id="in a URL"),
        pytest.param("AK&amp;secret", ("AK&secret",), id="in HTML"),
        pytest.param("bad key AKsecret-0", ("AKsecret-0123456",), id="cut off"),
    ],
)
def test_known_secrets_are_redacted_before_the_quotation_is_cut(text: str, secrets: tuple[str, ...]) -> None:
    line = inside(text, secrets)
    assert not any(part in line for part in ("AKs", "SKs", "secret", "0123456"))
    assert "[red" in line


@pytest.mark.parametrize(
    "text", ["The requested URL /llm-models/v1/chat was not found", "/lora/v1 not found", "remodelling not found"]
)
def test_a_path_or_a_longer_word_is_no_model(text: str) -> None:
    assert not is_about_model(text, 404)


def test_a_model_whose_name_has_a_slash_is_one() -> None:
    assert is_about_model("The model `Qwen/Qwen3-8B` does not exist.", 404)


def test_a_parameter_that_is_named_after_the_context_is_not_about_its_length() -> None:
    assert not is_about_context("Invalid value for parameter 'context_length_policy'")


def test_a_number_that_is_no_count_is_not_told() -> None:
    assert context_numbers(f"maximum context length is {'9' * 3000} tokens") == (None, None)


def numbers(text: str) -> bool:
    return any(context_numbers(text))


def quotation(text: str) -> bool:
    return "not found" in quotable(text)


@pytest.mark.parametrize(
    "recognise",
    [
        says_not_found,
        partial(is_about_model, status=404),
        is_about_context,
        is_about_images,
        is_about_tool_parser,
        is_about_parsing,
        is_about_grammar,
        numbers,
        quotation,
    ],
)
def test_only_the_beginning_of_a_message_is_looked_at(recognise: Callable[[str], bool]) -> None:
    """A body may be as large as its cap, and the whole server waits while one is read."""
    words = (
        "the model x does not exist, not found; context length is 5 tokens, you requested 7; mmproj; parse_error; "
        "grammar error; enable-auto-tool-choice"
    )
    assert recognise(words)
    assert not recognise(" " * 10_000 + words)
