"""Where SGLang differs from vLLM."""

import pytest

from tests.sandbox.caller import Caller, body_of, chunks_of, text_of

pytestmark = pytest.mark.anyio


async def test_sglang_takes_an_adapter_after_a_colon_and_runs_the_base_for_a_bare_one(caller: Caller) -> None:
    colon = await caller.chat("sandbox-sglang", model="qwen2.5-7b:poet")
    field = await caller.chat("sandbox-sglang", model="qwen2.5-7b", lora_path="poet")
    bare = await caller.chat("sandbox-sglang", model="poet")
    assert "poet (qwen2.5-7b)" in text_of(colon)
    assert "poet (qwen2.5-7b)" in text_of(field)
    assert "This is qwen2.5-7b in the sandbox" in text_of(bare)
    assert body_of(bare)["model"] == "poet"


async def test_sglang_refuses_an_unknown_adapter_in_a_flat_error(caller: Caller) -> None:
    response = await caller.chat("sandbox-sglang", model="qwen2.5-7b:nobody")
    body = body_of(response)
    assert response.status_code == 400
    assert (body["object"], body["type"], body["code"]) == ("error", "BadRequestError", 400)
    assert "nobody" in body["message"]


async def test_sglang_lists_bare_adapters_as_its_own(caller: Caller) -> None:
    models = body_of(await caller.engine("v1/models", "sandbox-sglang"))["data"]
    assert [(each["id"], each["owned_by"], each["parent"]) for each in models] == [
        ("qwen2.5-7b", "sglang", None),
        ("poet", "sglang", "qwen2.5-7b"),
    ]


async def test_sglang_ends_a_stream_with_what_matched(caller: Caller) -> None:
    chunks = chunks_of(await caller.chat("sandbox-sglang", stream=True, stop="sandbox"))
    choice = chunks[-1]["choices"][0]
    assert (choice["finish_reason"], choice["matched_stop"]) == ("stop", "sandbox")
