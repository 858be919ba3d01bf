"""An engine that thinks before it answers."""

import pytest

from tests.sandbox.caller import Caller, body_of, chunks_of, streamed

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
