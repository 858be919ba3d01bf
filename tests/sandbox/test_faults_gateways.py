"""Faults that are a gateway's way to write a good answer, and refusals by a word: what is on the wire."""

import json

import httpx2
import pytest

from alaya_mcp.sandbox.faults.streams import GATEWAYS
from tests.sandbox.caller import Caller

pytestmark = pytest.mark.anyio

ON_THE_WIRE: dict[str, tuple[str, int]] = {
    # what stands in the body, and how often
    "early-reason": ('"finish_reason":"stop"', 2),
    "reason-on-every-chunk": ('"finish_reason":"stop"', 4),
    "null-in-quotes": ('"finish_reason":"null"', 3),
    "bare-lines": ("data: ", 1),
    "json-lines": ("data: ", 0),
    "no-blank-lines": ("\n\n", 0),
    "indented-lines": ("  data: ", 6),
    "split-character": ("\\ude00", 1),
    "message-beside-deltas": ('"message":{"role":"assistant","content":"one two three"}', 1),
    "empty-error": ('"error":{"message":"","type":null,"code":null}', 5),
    "loose-types": ('"index":"0"', 4),
    "leaked-tag": ("</think>", 1),
    "call-under-another-index": ('"index":1,"id":null', 1),
    "status-201": ("data: [DONE]", 1),
    "content-filter": ('"finish_reason":"content_filter"', 1),
}
REFUSED = {
    "gateway-400-model": (400, "400"),
    "gateway-429-quota": (429, "insufficient_quota"),
    "gateway-400-rate": (400, "rate_limit_exceeded"),
}
OTHERS = ("broken-http", "no-stream-options", "rate-limited-fraction", "gateway-400-parameter", "control-no-path")
COVERED = {*ON_THE_WIRE, *REFUSED, *OTHERS}


def test_every_way_of_a_gateway_is_claimed_here() -> None:
    assert {fault.name for fault in GATEWAYS} <= COVERED


@pytest.mark.parametrize("fault", ON_THE_WIRE)
async def test_a_good_answer_is_written_as_a_gateway_does(caller: Caller, fault: str) -> None:
    options = {"include_usage": True}
    response = await caller.chat(f"fault-{fault}", model="qwen3-8b", stream=True, stream_options=options)
    text, times = ON_THE_WIRE[fault]

    assert response.status_code == (201 if fault == "status-201" else 200)
    assert response.text.count(text) == times
    assert [f'"content":"{word}"' in response.text.replace('": "', '":"') for word in ("one", " two", " three")] == [
        True
    ] * 3


@pytest.mark.parametrize("fault", REFUSED)
async def test_a_refusal_has_its_word(caller: Caller, fault: str) -> None:
    response = await caller.chat(f"fault-{fault}", model="qwen3-8b", stream=True)
    status, code = REFUSED[fault]

    assert (response.status_code, response.json()["error"]["code"]) == (status, code)


async def test_a_refusal_in_dashscopes_shape_has_its_word(caller: Caller) -> None:
    response = await caller.chat("fault-gateway-400-parameter", model="qwen3-8b", stream=True)

    assert (response.status_code, response.json()["code"]) == (400, "InvalidParameter")


async def test_stream_options_are_refused_and_nothing_else(caller: Caller) -> None:
    fault = "fault-no-stream-options"
    refused = await caller.chat(fault, model="qwen3-8b", stream=True, stream_options={"include_usage": True})
    answered = await caller.chat(fault, model="qwen3-8b", stream=True)

    assert (refused.status_code, refused.json()["detail"][0]["loc"]) == (422, ["body", "stream_options"])
    assert (answered.status_code, json.loads(answered.text.split("\n\n")[1][6:])["choices"][0]["delta"]["content"]) == (
        200,
        "one",
    )


async def test_http_is_broken(caller: Caller) -> None:
    with pytest.raises(httpx2.RemoteProtocolError):
        await caller.chat("fault-broken-http", model="qwen3-8b", stream=True)


async def test_a_fraction_of_a_second_is_asked_for(caller: Caller) -> None:
    response = await caller.chat("fault-rate-limited-fraction", model="qwen3-8b", stream=True)

    assert (response.status_code, response.headers["retry-after"]) == (429, "0.5")


async def test_a_web_server_that_knows_no_such_path(caller: Caller) -> None:
    response = await caller.control("deployment/fault-control-no-path")

    assert (response.status_code, response.json()) == (404, {"detail": "Not Found"})
