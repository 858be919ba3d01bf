"""Whole answers: what is said, by whom, in which fields, and where it ends."""

import pytest

from tests.sandbox.caller import HELLO, Caller, Json, body_of, text_of

pytestmark = pytest.mark.anyio


async def test_an_answer_quotes_the_question_and_names_who_answers(caller: Caller) -> None:
    text = text_of(await caller.chat())
    assert "Hello, how are you today?" in text
    assert "qwen3-8b" in text
    assert text == text_of(await caller.chat())


async def test_a_chinese_question_gets_a_chinese_answer(caller: Caller) -> None:
    text = text_of(await caller.chat(messages=[{"role": "user", "content": "\u4f60\u662f\u8c01"}]))
    assert "\u6c99\u7bb1" in text
    assert "\u4f60\u662f\u8c01" in text


async def test_every_voice_answers_differently_at_a_modest_length(caller: Caller) -> None:
    asked = [
        ("sandbox-qwen3", "qwen3-8b"),
        ("sandbox-qwen3", "support-zh"),
        ("sandbox-qwen3", "sql-writer"),
        ("sandbox-lora-partial", "tone-casual"),
        ("sandbox-lora-service", "legal-zh"),
        ("sandbox-sglang", "qwen2.5-7b:poet"),
    ]
    answers = [await caller.chat(service_id, model=model) for service_id, model in asked]
    assert len({text_of(each) for each in answers}) == len(asked)
    assert all(30 <= body_of(each)["usage"]["completion_tokens"] <= 100 for each in answers)
    assert text_of(answers[2]).startswith("```sql\n")


async def test_an_answer_tells_of_the_system_message_and_of_earlier_turns(caller: Caller) -> None:
    history = [{"role": "system", "content": "Be brief."}, *HELLO, {"role": "assistant", "content": "Fine."}]
    text = text_of(await caller.chat(messages=[*history, *HELLO]))
    assert "A system message was seen." in text
    assert "Earlier turns: 1." in text


async def test_content_can_come_in_parts(caller: Caller) -> None:
    parts = [{"type": "text", "text": "Left"}, {"type": "text", "text": "right"}]
    assert '"Left right"' in text_of(await caller.chat(messages=[{"role": "user", "content": parts}]))


async def test_an_answer_has_every_field_that_was_recorded(caller: Caller) -> None:
    body = body_of(await caller.chat())
    assert list(body) == [
        "id",
        "object",
        "created",
        "model",
        "choices",
        "service_tier",
        "system_fingerprint",
        "usage",
        "prompt_logprobs",
        "prompt_token_ids",
        "prompt_text",
        "kv_transfer_params",
        "ec_transfer_params",
        "metrics",
    ]
    (choice,) = body["choices"]
    assert list(choice) == [
        "index",
        "message",
        "logprobs",
        "finish_reason",
        "stop_reason",
        "token_ids",
        "routed_experts",
    ]
    assert list(choice["message"]) == [
        "role",
        "content",
        "refusal",
        "annotations",
        "audio",
        "function_call",
        "reasoning",
    ]


@pytest.mark.parametrize("field", ["max_tokens", "max_completion_tokens"])
async def test_a_limit_cuts_the_answer_off(caller: Caller, field: str) -> None:
    fields: Json = {field: 5}
    body = body_of(await caller.chat(**fields))
    assert body["choices"][0]["finish_reason"] == "length"
    assert body["usage"]["completion_tokens"] == 5


async def test_a_stop_string_ends_the_answer_before_it(caller: Caller) -> None:
    messages = [{"role": "user", "content": "sandbox: repeat 9 word"}]
    body = body_of(await caller.chat(messages=messages, stop=["rd word", "never"]))
    (choice,) = body["choices"]
    assert (choice["message"]["content"], choice["finish_reason"], choice["stop_reason"]) == (
        "wo",
        "stop",
        "rd word",
    )
    assert body["usage"]["completion_tokens"] == 2


async def test_words_can_be_asked_for_by_their_number(caller: Caller) -> None:
    messages = [{"role": "user", "content": "sandbox: repeat 10000 word"}]
    body = body_of(await caller.chat(messages=messages))
    assert body["choices"][0]["message"]["content"] == " ".join(["word"] * 10000)
    assert body["usage"]["completion_tokens"] == 10000


@pytest.mark.parametrize(("count", "finish"), [("0", "stop"), ("999999999", "length")])
async def test_no_words_and_too_many_words_end_well(caller: Caller, count: str, finish: str) -> None:
    messages = [{"role": "user", "content": f"sandbox: repeat {count} w"}]
    assert body_of(await caller.chat(messages=messages))["choices"][0]["finish_reason"] == finish
