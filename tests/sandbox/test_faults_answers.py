"""Faults that send a whole answer: statuses, pages, bodies and event streams that end."""

import gzip
import json
import zlib
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any

import anyio
import httpx2
import pytest

from alaya_mcp.sandbox import FAULTS
from alaya_mcp.sandbox.faults.bodies import pack_spaces
from tests.patience import PATIENCE
from tests.sandbox.caller import HELLO, Caller, body_of, chunks_of, sandboxed, streamed, text_of

pytestmark = pytest.mark.anyio

NUMBERED = [name for name, _ in FAULTS if name.split("-")[-1].isdigit() and name.split("-")[0] in ("vllm", "sglang")]
GATEWAY = [name for name, _ in FAULTS if name.startswith("gateway-") and name.split("-")[-1].isdigit()]
REFUSED: dict[str, tuple[int, str]] = {
    "vllm-400-context": (400, "maximum context length is 32768 tokens"),
    "vllm-404-model": (404, "The model `nobody` does not exist. Valid aliases: qwen3-8b."),
    "vllm-400-tool-parser": (400, "--tool-call-parser"),
    "vllm-400-not-multimodal": (400, "nobody is not a multimodal model"),
    "sglang-400-context": (400, "longer than the model's context length (32768 tokens)"),
    "sglang-400-adapter": (400, "LoRA adapters are not loaded"),
    "llamacpp-500-image": (500, "image input is not supported"),
}
LIMITED = ("rate-limited", "rate-limited-seconds", "rate-limited-date", "rate-limited-long")
ONCE = {"busy-once": 503, "rate-limited-once": 429}
WHOLE: dict[str, tuple[int, str, str]] = {
    "html-200": (200, "text/html", "<!doctype html>"),
    "code-minus-1": (200, "application/json", '{"code":-1,"msg":'),
    "text-200": (200, "text/plain; charset=utf-8", "OK"),
    "redirect-302": (302, "text/html", ""),
    "redirect-307": (307, "text/html", ""),
}
EMPTY = {"empty-200": "application/json", "no-events": "text/event-stream; charset=utf-8"}
ERRORS: dict[str, tuple[int, Callable[[dict[str, Any]], bool]]] = {
    "engine-killed": (3, lambda error: error["type"] == "InternalServerError" and "object" not in error),
    "error-mid-sglang": (3, lambda error: error["object"] == "error"),
    "error-first-vllm": (0, lambda error: error["type"] == "InternalServerError" and "object" not in error),
    "error-first-sglang": (0, lambda error: error["object"] == "error"),
}
HUGE = {"huge-body": 8, "huge-event": 16, "huge-stream": 64}
OTHERS = (
    *("rotated-key", "rejected-key", "restarting", "broken-gzip", "gzip-bomb"),
    *("ends-early", "no-done", "abort", "garbage-events", "odd-events", "plain-json"),
)
COVERED = {*NUMBERED, *GATEWAY, *REFUSED, *LIMITED, *ONCE, *WHOLE, *EMPTY, *ERRORS, *HUGE, *OTHERS}


def parts_of(body: str) -> list[str]:
    """The data of each event of a stream."""
    return [event.removeprefix("data: ") for event in body.split("\n\n") if event]


@pytest.mark.parametrize("name", NUMBERED)
async def test_an_engines_status_has_the_engines_shape(caller: Caller, name: str) -> None:
    engine, status = name.split("-")
    response = await caller.chat(f"fault-{name}", stream=True)
    body = body_of(response)
    assert response.status_code == int(status)
    if name in ("vllm-401", "vllm-404"):
        assert body == ({"error": "Unauthorized"} if status == "401" else {"detail": "Not Found"})
        return
    error = body["error"] if engine == "vllm" else body
    assert set(error) - {"object"} == {"message", "type", "param", "code"}
    assert (error["code"], error.get("object")) == (int(status), "error" if engine == "sglang" else None)
    assert caller.sandbox.stats.chats_started == 0


@pytest.mark.parametrize("name", GATEWAY)
async def test_a_gateways_status_is_a_page(caller: Caller, name: str) -> None:
    response = await caller.chat(f"fault-{name}")
    assert (response.status_code, response.headers["content-type"]) == (int(name.split("-")[1]), "text/html")
    assert f"<title>{response.status_code} " in response.text


@pytest.mark.parametrize("name", REFUSED)
async def test_a_refusal_is_in_the_engines_words(caller: Caller, name: str) -> None:
    response = await caller.chat(f"fault-{name}", model="nobody")
    status, words = REFUSED[name]
    body = body_of(response)
    assert response.status_code == status
    assert words in body.get("error", body)["message"]


@pytest.mark.parametrize("name", LIMITED)
async def test_a_limit_refuses_always_and_says_until_when(caller: Caller, name: str) -> None:
    first, second = await caller.chat(f"fault-{name}"), await caller.chat(f"fault-{name}")
    assert (first.status_code, second.status_code) == (429, 429)
    after = second.headers.get("retry-after")
    if name == "rate-limited-date":
        ahead = parsedate_to_datetime(second.headers["retry-after"]) - parsedate_to_datetime(second.headers["date"])
        assert ahead.total_seconds() > 0
    else:
        assert after == {"rate-limited-seconds": "1", "rate-limited-long": "3600"}.get(name)


@pytest.mark.parametrize("name", ONCE)
async def test_what_refuses_once_answers_then(caller: Caller, name: str) -> None:
    first = await caller.chat(f"fault-{name}")
    assert (first.status_code, first.headers["retry-after"]) == (ONCE[name], "0")
    for _ in range(2):
        assert "in the sandbox" in text_of(await caller.chat(f"fault-{name}"))


async def test_a_fault_everywhere_meets_each_deployment_once() -> None:
    async with sandboxed(fault="busy-once") as each:
        for service_id in ("sandbox-qwen3", "sandbox-sglang"):
            statuses = [(await each.chat(service_id)).status_code for _ in range(2)]
            assert statuses == [503, 200]


async def test_a_rotated_key_is_refused_until_the_new_one_has_been_looked_up(caller: Caller) -> None:
    url = f"{caller.origin}/serve/fault-rotated-key/v1"
    old, again = await caller.key("fault-rotated-key"), await caller.key("fault-rotated-key")
    assert old == again
    refused = await caller.http.post(
        f"{url}/chat/completions", headers={"apiKey": old}, json={"messages": HELLO, "stream": True}
    )
    assert (refused.status_code, body_of(refused)) == (401, {"error": "Unauthorized"})
    new = await caller.key("fault-rotated-key")
    assert new not in (old, "")
    text_of(await caller.chat("fault-rotated-key"))
    models = [await caller.http.get(f"{url}/models", headers={"apiKey": key}) for key in (old, new, "guess")]
    assert [each.status_code for each in models] == [200, 200, 401]


async def test_a_rejected_key_is_rejected_for_chats_alone(caller: Caller) -> None:
    assert (await caller.chat("fault-rejected-key")).status_code == 401
    assert (await caller.chat("fault-rejected-key")).status_code == 401
    assert (await caller.engine("v1/models", "fault-rejected-key")).status_code == 200


async def test_a_restarting_deployment_says_running_once(caller: Caller) -> None:
    first = await caller.detail("fault-restarting")
    headers = {"apiKey": first["apikey"]}
    url = f"{caller.origin}/serve/fault-restarting/v1/chat/completions"
    response = await caller.http.post(url, headers=headers, json={"messages": HELLO})
    assert (response.status_code, response.headers["content-type"]) == (503, "text/html")
    statuses = [first["status"]] + [(await caller.detail("fault-restarting"))["status"] for _ in range(2)]
    assert statuses == ["running", "starting", "starting"]


@pytest.mark.parametrize("name", WHOLE)
async def test_a_body_that_is_no_answer(caller: Caller, name: str) -> None:
    response = await caller.chat(f"fault-{name}", stream=True)
    status, kind, words = WHOLE[name]
    assert (response.status_code, response.headers["content-type"]) == (status, kind)
    assert response.text.startswith(words)
    assert response.headers.get("location") == ("https://elsewhere.invalid/" if status != 200 else None)


@pytest.mark.parametrize("name", EMPTY)
async def test_a_body_without_a_byte(caller: Caller, name: str) -> None:
    response = await caller.chat(f"fault-{name}", stream=True)
    assert (response.status_code, response.headers["content-type"], response.content) == (200, EMPTY[name], b"")


@pytest.mark.parametrize("name", ERRORS)
async def test_an_error_comes_as_an_event_and_then_done(caller: Caller, name: str) -> None:
    *chunks, event, done = parts_of((await caller.chat(f"fault-{name}", stream=True)).text)
    tokens, shaped = ERRORS[name]
    assert streamed([json.loads(each) for each in chunks]) == "one two three"[: tokens * 5]
    assert done == "[DONE]"
    error = json.loads(event)["error"]
    assert error["code"] == 500
    assert shaped(error)
    await caller.sandbox.stats.wait_for(lambda stats: stats.chats_active == 0)
    assert (caller.sandbox.stats.chats_aborted, caller.sandbox.stats.chats_finished) == (1, 0)


@pytest.mark.parametrize(("name", "reason", "finished"), [("ends-early", None, 0), ("no-done", "stop", 1)])
async def test_a_body_that_ends_without_done(caller: Caller, name: str, reason: str | None, finished: int) -> None:
    options = {"include_usage": True}
    response = await caller.chat(f"fault-{name}", stream=True, stream_options=options)
    chunks = [json.loads(each) for each in parts_of(response.text)]
    assert chunks[0]["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert streamed(chunks) == "one two three"
    assert [each["choices"][0]["finish_reason"] for each in chunks if each["choices"]][-1] == reason
    assert ("usage" in chunks[-1]) is bool(finished)
    await caller.sandbox.stats.wait_for(lambda stats: stats.chats_active == 0)
    assert caller.sandbox.stats.chats_finished == finished


async def test_an_abort_is_sglangs_finish_reason(caller: Caller) -> None:
    chunks = chunks_of(await caller.chat("fault-abort", stream=True))
    assert streamed(chunks) == "one two three"
    assert chunks[-1]["choices"][0]["finish_reason"] == "abort"


async def test_garbage_events_are_no_json(caller: Caller) -> None:
    *garbage, done = (await caller.chat("fault-garbage-events", stream=True)).content.split(b"\n\n")[:-1]
    assert done == b"data: [DONE]"
    for each in garbage:
        with pytest.raises(ValueError, match=r"Expecting|utf-8|UTF-8"):
            json.loads(each.removeprefix(b"data: "))


async def test_odd_events_are_a_good_answer_when_read_by_the_standard(caller: Caller) -> None:
    response = await caller.chat("fault-odd-events", stream=True)
    assert response.content.startswith("\ufeff: 注释\r\n".encode())
    lines = [event.split("\r\n") for event in response.text.split("\r\n\r\n")]
    data = ["\n".join(line[5:].removeprefix(" ") for line in event if line.startswith("data:")) for event in lines]
    *chunks, done = [each for each in data if each]
    assert any("\n" in chunk for chunk in chunks)
    assert streamed([json.loads(chunk) for chunk in chunks]) == "one two three 四🙂"
    assert done == "[DONE]"
    assert {"event: message", "id: 1", "retry: 1000"} <= set(lines[2])
    await caller.sandbox.stats.wait_for(lambda stats: stats.chats_finished == 1)


async def test_odd_events_are_cut_inside_characters(caller: Caller) -> None:
    headers = {"apiKey": await caller.key("fault-odd-events")}
    url = f"{caller.origin}/serve/fault-odd-events/v1/chat/completions"
    async with caller.http.stream("POST", url, headers=headers, json={"messages": HELLO}) as response:
        # The characters of the first comment are longer than the first pieces.
        first = await anext(response.aiter_raw(1))
    with pytest.raises(UnicodeDecodeError):
        first.decode()


async def test_plain_json_is_a_good_answer_to_a_wish_for_a_stream(caller: Caller) -> None:
    response = await caller.chat("fault-plain-json", stream=True)
    assert response.headers["content-type"] == "application/json"
    assert text_of(response) == "one two three"


@pytest.mark.parametrize("name", HUGE)
async def test_a_huge_answer_is_larger_than_it_says_and_well_formed(caller: Caller, name: str) -> None:
    response = await caller.chat(f"fault-{name}", stream=True)
    assert len(response.content) > HUGE[name] * 2**20
    text = text_of(response) if name == "huge-body" else streamed(chunks_of(response))
    assert len(text) > HUGE[name] * 2**20


async def test_broken_gzip_cannot_be_unpacked(caller: Caller) -> None:
    with pytest.raises(httpx2.DecodingError):
        await caller.chat("fault-broken-gzip", stream=True)


async def test_a_bomb_is_small_and_says_gzip_though_nobody_asked_for_it(caller: Caller) -> None:
    headers = {"apiKey": await caller.key("fault-gzip-bomb"), "accept-encoding": "identity"}
    url = f"{caller.origin}/serve/fault-gzip-bomb/v1/chat/completions"
    with anyio.fail_after(PATIENCE):
        async with caller.http.stream("POST", url, headers=headers, json={"messages": HELLO}) as response:
            pieces = [piece async for piece in response.aiter_raw()]
    packed = b"".join(pieces)
    assert response.headers["content-encoding"] == "gzip"
    assert len(packed) < 2**21
    assert int.from_bytes(packed[-4:], "little") > 2**30
    # One MiB of it is enough to see that it does unpack.
    assert len(zlib.decompressobj(wbits=31).decompress(packed, 2**20)) == 2**20


def test_a_bomb_is_right_to_its_last_byte() -> None:
    assert json.loads(gzip.decompress(b"".join(pack_spaces(3)))) == {}


def test_every_status_that_the_faults_name_exists() -> None:
    assert all(HTTPStatus(int(name.rpartition("-")[2])) for name in (*NUMBERED, *GATEWAY))
