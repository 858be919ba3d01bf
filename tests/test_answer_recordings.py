"""Recorded answers of a real engine, decoded whole and in pieces, beside the shortest way to read them."""

import json
from typing import Any

import pytest

from alaya_mcp.chat.stream.decoder import AnswerDecoder
from tests.recordings import Recording, chats, recording

Chunk = dict[str, Any]


def decode(*pieces: bytes) -> AnswerDecoder:
    decoder = AnswerDecoder()
    for piece in pieces:
        list(decoder.feed(piece))
    list(decoder.finish())
    return decoder


def facts(decoder: AnswerDecoder) -> Chunk:
    reply = decoder.reply
    usage = reply.usage.model_dump(exclude_none=True) if reply.usage else None
    return {"content": reply.content, "finish": reply.finish_reason, "served_by": reply.served_by, "usage": usage}


def naive(body: bytes) -> Chunk:
    """The same facts from the whole body, by the shortest way."""
    parts = [part.removeprefix("data: ") for part in body.decode().split("\n\n") if part and part != "data: [DONE]"]
    chunks: list[Chunk] = [json.loads(part) for part in parts]
    choices: list[Chunk] = [choice for chunk in chunks for choice in chunk["choices"] if choice["index"] == 0]
    messages: list[Chunk] = [choice.get("delta") or choice["message"] for choice in choices]
    usages: list[Chunk] = [chunk["usage"] for chunk in chunks if chunk.get("usage")]
    counts = ("prompt_tokens", "completion_tokens", "total_tokens")
    return {
        "content": "".join(message.get("content") or "" for message in messages),
        "finish": next((choice["finish_reason"] for choice in choices if choice["finish_reason"]), None),
        "served_by": chunks[0]["model"],
        "usage": {count: usages[-1][count] for count in counts} if usages else None,
    }


recorded = pytest.mark.parametrize("one", [pytest.param(one, id=one.name) for one in chats()])


@recorded
def test_a_recorded_answer_is_decoded_as_a_whole(one: Recording) -> None:
    decoder = decode(one.body)
    assert facts(decoder) == naive(one.body)
    assert decoder.done
    assert decoder.unreadable == 0


@recorded
def test_a_recorded_answer_is_decoded_the_same_wherever_it_is_cut(one: Recording) -> None:
    expected = naive(one.body)
    step = max(1, len(one.body) // 500)
    line_ends = [at for at, byte in enumerate(one.body) if byte == 0x0A][:20]
    not_ascii = [at for at, byte in enumerate(one.body) if byte >= 0x80][:20]
    for cut in {*range(0, len(one.body), step), *line_ends, *(at + 1 for at in line_ends), *not_ascii}:
        assert facts(decode(one.body[:cut], one.body[cut:])) == expected, f"cut at {cut}"


@pytest.mark.parametrize("name", ["chat", "chat_stream_one_token", "chat_utf8"])
def test_a_short_recorded_answer_is_decoded_the_same_cut_at_every_position(name: str) -> None:
    body = recording(name).body
    expected = naive(body)
    for cut in range(len(body) + 1):
        assert facts(decode(body[:cut], body[cut:])) == expected, f"cut at {cut}"


@pytest.mark.parametrize("one", [pytest.param(one, id=one.name) for one in chats() if one.chunks])
def test_a_recorded_stream_is_decoded_as_it_arrived_and_byte_by_byte(one: Recording) -> None:
    expected = naive(one.body)
    assert facts(decode(*one.chunks)) == expected
    assert facts(decode(*(one.body[at : at + 1] for at in range(len(one.body))))) == expected


@pytest.mark.parametrize("line_end", [b"\r\n", b"\r"], ids=["CRLF", "CR"])
def test_a_recorded_stream_is_decoded_with_other_line_endings(line_end: bytes) -> None:
    body = recording("chat_stream_utf8").body
    decoder = decode(b"\xef\xbb\xbf: ping" + line_end * 2 + body.replace(b"\n", line_end))
    assert facts(decoder) == naive(body)
