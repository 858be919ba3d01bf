"""Engines that think before they answer, and where their thoughts go."""

import pytest

from tests.sandbox.caller import Caller, body_of, chunks_of, streamed, text_of

pytestmark = pytest.mark.anyio


async def test_a_thinking_engine_thinks_before_it_answers(caller: Caller) -> None:
    chunks = chunks_of(await caller.chat("sandbox-thinking", stream=True))
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks[1:]]
    kinds = ["reasoning" if "reasoning" in delta else "content" for delta in deltas]
    assert kinds == sorted(kinds, reverse=True)
    assert deltas[0]["content"] is None
    message = body_of(await caller.chat("sandbox-thinking"))["choices"][0]["message"]
    assert streamed(chunks, "reasoning") == message["reasoning"]
    assert streamed(chunks) == message["content"]


async def test_a_thinking_engine_cut_off_in_its_thoughts_has_no_content(caller: Caller) -> None:
    (choice,) = body_of(await caller.chat("sandbox-thinking", max_tokens=3))["choices"]
    assert (choice["message"]["content"], choice["finish_reason"]) == (None, "length")


async def test_without_a_parser_thoughts_stand_between_tags_in_the_content(caller: Caller) -> None:
    thoughts = body_of(await caller.chat("sandbox-thinking"))["choices"][0]["message"]["reasoning"]
    tags, prefilled = [await caller.chat(f"sandbox-thinking-{kind}") for kind in ("tags", "prefilled")]
    assert text_of(tags).startswith(f"<think>\n{thoughts}\n</think>\n\nThis is qwen3-32b-hybrid")
    assert text_of(prefilled).startswith(f"{thoughts}\n</think>\n\nThis is deepseek-r1-distill-qwen-7b")
    assert body_of(tags)["choices"][0]["message"]["reasoning"] is None


@pytest.mark.parametrize("kind", ["tags", "prefilled"])
async def test_without_a_parser_thoughts_are_streamed_and_cut_off_as_content(caller: Caller, kind: str) -> None:
    whole = text_of(await caller.chat(f"sandbox-thinking-{kind}"))
    assert streamed(chunks_of(await caller.chat(f"sandbox-thinking-{kind}", stream=True))) == whole
    (choice,) = body_of(await caller.chat(f"sandbox-thinking-{kind}", max_tokens=8))["choices"]
    assert choice["finish_reason"] == "length"
    assert whole.startswith(choice["message"]["content"])
    assert "</think>" not in choice["message"]["content"]


@pytest.mark.parametrize("service_id", ["sandbox-thinking", "sandbox-thinking-tags", "sandbox-thinking-prefilled"])
@pytest.mark.parametrize(
    ("switches", "thinks"),
    [
        ({"enable_thinking": False}, False),
        ({"thinking": False}, False),
        ({"enable_thinking": True, "thinking": False}, False),
        ({"enable_thinking": True, "thinking": True}, True),
        ({"unknown": False}, True),
        (None, True),
    ],
)
async def test_thinking_is_switched_off_by_either_switch(
    caller: Caller, service_id: str, switches: dict[str, bool] | None, *, thinks: bool
) -> None:
    message = body_of(await caller.chat(service_id, chat_template_kwargs=switches))["choices"][0]["message"]
    thought = message["reasoning"] is not None or "</think>" in message["content"]
    assert thought == thinks
    assert thinks or message["content"].startswith("This is")
