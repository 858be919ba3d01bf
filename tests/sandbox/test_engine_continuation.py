"""An answer that goes on from the assistant's last message."""

import pytest

from tests.sandbox.caller import HELLO, Caller, Json, body_of, text_of

pytestmark = pytest.mark.anyio

GO_ON: Json = {"continue_final_message": True, "add_generation_prompt": False}
SYSTEM: list[Json] = [{"role": "system", "content": "Be brief."}]


def begun(text: str, question: list[Json] | None = None) -> list[Json]:
    return [*SYSTEM, *(question or HELLO), {"role": "assistant", "content": text}]


@pytest.mark.parametrize(
    "service_id", ["sandbox-qwen3", "sandbox-sglang", "sandbox-thinking-tags", "sandbox-thinking-prefilled"]
)
@pytest.mark.parametrize(
    "question", ["Hello?", "\u4f60\u662f\u8c01", "sandbox: repeat 30 word", "sandbox: say a  b\nc, d; e. f! g"]
)
async def test_a_cut_answer_and_what_follows_are_the_whole_answer(
    caller: Caller, service_id: str, question: str
) -> None:
    asked: list[Json] = [{"role": "user", "content": question}]
    whole = text_of(await caller.chat(service_id, messages=[*SYSTEM, *asked]))
    first = text_of(await caller.chat(service_id, messages=[*SYSTEM, *asked], max_tokens=5))
    second = await caller.chat(service_id, messages=begun(first, asked), max_tokens=3, **GO_ON)
    longer = first + text_of(second)
    third = text_of(await caller.chat(service_id, messages=begun(longer, asked), **GO_ON))
    assert len(first) < len(longer) <= len(whole)
    assert longer + third == whole


async def test_thoughts_come_once_however_they_were_kept(caller: Caller) -> None:
    first = body_of(await caller.chat("sandbox-thinking", messages=[*SYSTEM, *HELLO]))["choices"][0]["message"]
    rest = body_of(await caller.chat("sandbox-thinking", messages=begun("This is"), **GO_ON))["choices"][0]["message"]
    assert (rest["reasoning"], f"This is{rest['content']}") == (None, first["content"])
    for service_id in ("sandbox-thinking-tags", "sandbox-thinking-prefilled"):
        whole = text_of(await caller.chat(service_id, messages=[*SYSTEM, *HELLO]))
        rest = text_of(await caller.chat(service_id, messages=begun("This is"), **GO_ON))
        assert "think>" not in rest
        assert whole.endswith(f"\n</think>\n\nThis is{rest}")


async def test_a_text_of_another_hand_is_gone_on_from_as_well(caller: Caller) -> None:
    english = text_of(await caller.chat(messages=begun("Once upon a time"), **GO_ON))
    chinese = begun("\u4ece\u524d", [{"role": "user", "content": "\u8bb2\u4e2a\u6545\u4e8b"}])
    assert english.startswith(" ... and from there")
    assert "\u63a5\u7740" in text_of(await caller.chat(messages=chinese, **GO_ON))


async def test_a_finished_answer_has_no_more_to_say(caller: Caller) -> None:
    whole = text_of(await caller.chat(messages=[*SYSTEM, *HELLO]))
    (choice,) = body_of(await caller.chat(messages=begun(whole), **GO_ON))["choices"]
    assert (choice["message"]["content"], choice["finish_reason"]) == ("", "stop")


async def test_without_an_assistants_message_at_the_end_an_answer_starts_anew(caller: Caller) -> None:
    assert text_of(await caller.chat(**GO_ON)) == text_of(await caller.chat())
    turns = text_of(await caller.chat(messages=begun("Fine.")))
    assert "Earlier turns: 1." in turns


async def test_json_starts_anew(caller: Caller) -> None:
    wanted = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "boolean"}}}
    assert text_of(await caller.chat(messages=begun("tr"), response_format=wanted, **GO_ON)) == "true"


async def test_vllm_cannot_begin_and_continue_at_a_time_and_sglang_does_not_mind(caller: Caller) -> None:
    named = await caller.chat(messages=begun("This"), continue_final_message=True, add_generation_prompt=True)
    default = await caller.chat(messages=begun("This"), continue_final_message=True)
    sglang = await caller.chat("sandbox-sglang", messages=begun("This"), continue_final_message=True)
    assert body_of(named)["error"] == {
        "message": "Cannot set both `continue_final_message` and `add_generation_prompt` to True.",
        "type": "BadRequestError",
        "param": None,
        "code": 400,
    }
    assert default.status_code == 400
    assert "are not compatible" in default.text
    assert text_of(sglang).startswith(" is qwen2.5-7b")
