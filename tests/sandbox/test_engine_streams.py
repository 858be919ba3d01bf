"""Streamed answers: their chunks, and the usage that comes with them."""

import pytest

from tests.sandbox.caller import Caller, body_of, chunks_of, streamed

pytestmark = pytest.mark.anyio


async def test_a_stream_says_what_the_whole_answer_says_one_token_a_chunk(caller: Caller) -> None:
    options = {"include_usage": True}
    for service_id in ("sandbox-qwen3", "sandbox-sglang"):
        whole = body_of(await caller.chat(service_id, model="qwen2.5-7b" if "sgl" in service_id else None))
        response = await caller.chat(service_id, stream=True, stream_options=options)
        chunks = chunks_of(response)
        assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert streamed(chunks) == whole["choices"][0]["message"]["content"]
        assert chunks[-1]["choices"] == []
        assert chunks[-1]["usage"]["completion_tokens"] == whole["usage"]["completion_tokens"]
        texts = [each for each in chunks[1:-1] if each["choices"][0]["delta"].get("content")]
        assert len(texts) == whole["usage"]["completion_tokens"]


async def test_vllms_chunks_have_the_recorded_shape(caller: Caller) -> None:
    messages = [{"role": "user", "content": "sandbox: repeat 2 no"}]
    chunks = chunks_of(await caller.chat(messages=messages, stream=True, stream_options={"include_usage": True}))
    common = {key: chunks[0][key] for key in ("id", "object", "created", "model")}
    assert chunks == [
        common
        | {
            "choices": [
                {
                    "index": 0,
                    "delta": {"role": "assistant", "content": ""},
                    "logprobs": None,
                    "finish_reason": None,
                }
            ],
            "prompt_token_ids": None,
            "prompt_text": None,
        },
        common
        | {
            "choices": [
                {
                    "index": 0,
                    "delta": {"content": "no"},
                    "logprobs": None,
                    "finish_reason": None,
                    "token_ids": None,
                }
            ]
        },
        common
        | {
            "choices": [
                {
                    "index": 0,
                    "delta": {"content": " no"},
                    "logprobs": None,
                    "finish_reason": "stop",
                    "stop_reason": None,
                    "token_ids": None,
                }
            ]
        },
        common
        | {
            "choices": [],
            "usage": {"prompt_tokens": 9, "total_tokens": 11, "completion_tokens": 2},
            "system_fingerprint": chunks[-1]["system_fingerprint"],
        },
    ]


async def test_usage_is_streamed_only_when_asked_for_and_all_along_when_asked_so(caller: Caller) -> None:
    plain = chunks_of(await caller.chat(stream=True))
    always = chunks_of(
        await caller.chat(stream=True, stream_options={"include_usage": True, "continuous_usage_stats": True})
    )
    assert all("usage" not in chunk for chunk in plain)
    assert [chunk["usage"]["completion_tokens"] for chunk in always[:3]] == [0, 1, 2]
