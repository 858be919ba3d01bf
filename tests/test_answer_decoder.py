"""From the bytes of an answer to a reply: whole answers, broken ones and arbitrary ones."""

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from alaya_mcp.chat.stream.answer_fields import EngineError
from alaya_mcp.chat.stream.decoder import AnswerDecoder
from alaya_mcp.chat.stream.events import EventTooLarge
from alaya_mcp.chat.stream.reply import Delta
from alaya_mcp.deployment.wire import EnvelopeFailure, WrongShape
from alaya_mcp.upstream.transport import JSON_BODY_CAP

Chunk = dict[str, Any]
DONE = b"data: [DONE]\n\n"


def event(chunk: object) -> bytes:
    return f"data: {json.dumps(chunk)}\n\n".encode()


def text(content: object, finish_reason: object = None, **delta: object) -> Chunk:
    return {
        "model": "m",
        "choices": [{"index": 0, "delta": {"content": content, **delta}, "finish_reason": finish_reason}],
    }


def decode(*pieces: bytes) -> AnswerDecoder:
    """Everything decoded; the deltas are the reply."""
    decoder = AnswerDecoder()
    deltas: list[Delta] = [delta for piece in pieces for delta in decoder.feed(piece)]
    deltas += decoder.finish()
    assert "".join(delta.content for delta in deltas) == decoder.reply.content
    assert "".join(delta.reasoning for delta in deltas) == decoder.reply.reasoning
    return decoder


def facts(decoder: AnswerDecoder) -> Chunk:
    reply = decoder.reply
    usage = reply.usage.model_dump(exclude_none=True) if reply.usage else None
    return {"content": reply.content, "finish": reply.finish_reason, "served_by": reply.served_by, "usage": usage}


ERRORS = [
    pytest.param({"error": {"message": "boom", "type": "X", "param": None, "code": 500}}, 500, "boom", id="vLLM"),
    pytest.param({"error": {"object": "error", "message": "boom", "code": 400}}, 400, "boom", id="SGLang in a stream"),
    pytest.param({"object": "error", "message": "boom", "code": 503}, 503, "boom", id="SGLang, flat"),
    pytest.param({"error": "Unauthorized"}, None, "Unauthorized", id="a string"),
    pytest.param({"error": {"message": "boom", "code": "429"}}, 429, "boom", id="code as text"),
    pytest.param({"error": {"message": "boom", "code": "context_length_exceeded"}}, None, "boom", id="code as a word"),
    pytest.param({"error": {"message": "boom", "code": -1}}, None, "boom", id="a code that is no status"),
    pytest.param({"error": {"message": "boom", "code": True}}, None, "boom", id="code as a boolean"),
    pytest.param({"error": {"message": {"a": 1}}}, None, None, id="a message that is no text"),
    pytest.param({"error": {"message": "boom", "code": "0000004041"}}, None, "boom", id="a code too long for a status"),
    pytest.param(
        {"error": {"message": "boom", "code": "000000404" + "1" * 5000}}, None, "boom", id="a code without end"
    ),
    pytest.param({"code": -1, "msg": "boom"}, None, "boom", id="the envelope in an event"),
]


@pytest.mark.parametrize(("error", "status", "message"), ERRORS)
def test_an_error_event_before_any_text_is_an_engine_error(
    error: Chunk, status: int | None, message: str | None
) -> None:
    with pytest.raises(EngineError) as raised:
        decode(event(error) + DONE)
    assert (raised.value.status, raised.value.message) == (status, message)


@pytest.mark.parametrize(("error", "status", "message"), ERRORS[:3])
def test_an_error_event_after_text_keeps_the_text(error: Chunk, status: int, message: str) -> None:
    decoder = AnswerDecoder()
    with pytest.raises(EngineError) as raised:
        list(decoder.feed(event(text("so ")) + event(text("far")) + event(error) + DONE))
    assert (raised.value.status, raised.value.message) == (status, message)
    assert decoder.reply.content == "so far"
    assert decoder.reply.begun
    assert decoder.reply.finish_reason is None


@pytest.mark.parametrize("empty", [{"error": None}, {"error": {}}, {"error": ""}, {"code": 0}, {"code": "0"}])
def test_an_empty_error_field_is_no_error(empty: Chunk) -> None:
    assert decode(event({**empty, **text("hi", "stop")}) + DONE).reply.content == "hi"


@pytest.mark.parametrize("code", [-1, "-1", 500], ids=str)
def test_a_failure_code_in_plain_json_is_an_envelope_failure(code: object) -> None:
    with pytest.raises(EnvelopeFailure) as raised:
        decode(json.dumps({"code": code, "msg": "余额不足", "data": None}).encode())
    assert raised.value.message == "余额不足"


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"<html><body>Bad gateway</body></html>", id="HTML"),
        pytest.param(b"\xef\xbb\xbf\n<!DOCTYPE html>", id="HTML after a byte order mark"),
        pytest.param(b"upstream connect error", id="plain text"),
        pytest.param(b"data", id="a stream that never became one"),
        pytest.param(b"{", id="broken JSON"),
        pytest.param(b"[]", id="a JSON list"),
        pytest.param(b"[" * 100_000, id="deep nesting"),
        pytest.param(b"{}", id="an empty object"),
        pytest.param(b'{"code": 0, "data": {}}', id="an envelope without an answer"),
        pytest.param(b'{"choices": null}', id="null choices"),
        pytest.param(b'{"choices": {}}', id="choices that are no list"),
    ],
)
def test_a_body_that_is_no_answer_has_the_wrong_shape(body: bytes) -> None:
    with pytest.raises(WrongShape):
        decode(body)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param({"role": "assistant", "content": "hi"}, id="text"),
        pytest.param({"content": [{"type": "text", "text": "h"}, {"type": "text", "text": "i"}]}, id="content parts"),
    ],
)
def test_a_plain_json_completion_is_an_answer(answer: Chunk) -> None:
    body = {"model": "m", "choices": [{"index": 0, "message": answer, "finish_reason": "stop"}], "code": 0}
    decoder = decode(b"\xef\xbb\xbf " + json.dumps(body).encode())
    assert facts(decoder) == {"content": "hi", "finish": "stop", "served_by": "m", "usage": None}
    assert decoder.done


@pytest.mark.parametrize(
    "choices", [[], [None], [3], [[]], ["x"], None, {}, "x", [{"index": 1, "delta": {"content": "n"}}]]
)
def test_a_chunk_without_a_usable_first_choice_adds_nothing(choices: object) -> None:
    decoder = decode(event({"choices": choices}) + event(text("hi", "stop")) + DONE)
    assert (decoder.reply.content, decoder.unreadable) == ("hi", 0)


@pytest.mark.parametrize("field", ["reasoning", "reasoning_content"])
def test_reasoning_is_kept_apart_from_content(field: str) -> None:
    reply = decode(event(text(None, **{field: "hm"})) + event(text("hi", "length")) + DONE).reply
    assert (reply.reasoning, reply.content) == ("hm", "hi")


def test_think_tags_are_parted_over_chunks() -> None:
    reply = decode(*(event(text(piece)) for piece in ("<th", "ink>h", "m</thi", "nk>\n\nhi"))).reply
    assert (reply.reasoning, reply.content) == ("hm", "hi")
    assert decode(event(text("<thi", "length")) + DONE).reply.content == "<thi"


def test_the_last_finish_reason_and_the_last_usage_hold() -> None:
    usage: list[Chunk] = [{"choices": [], "usage": {"completion_tokens": count}} for count in (1, 2)]
    body = event(text("a", "length")) + event(text("b", "stop")) + event(usage[0]) + event(usage[1]) + DONE
    expected = {"content": "ab", "finish": "stop", "served_by": "m", "usage": {"completion_tokens": 2}}
    assert facts(decode(body)) == expected


@pytest.mark.parametrize(
    ("chunks", "surely", "seemingly"),
    [
        pytest.param([("", None), ("Hi", None), (None, "stop")], True, True, id="as engines do"),
        pytest.param([("", None), ("H", None), ("i", "stop")], True, True, id="with the last text"),
        pytest.param([("", "stop")], False, False, id="with the role"),
        pytest.param([("", "stop"), ("Hi", "stop")], False, False, id="on every chunk"),
        pytest.param([("", None), ("H", "stop"), ("i", "stop"), (None, "stop")], False, False, id="on every text"),
        pytest.param([("", None), ("Hi", "stop")], False, True, id="with the only text"),
        pytest.param([("H", None), ("", "stop"), ("i", None)], False, False, id="and text after it"),
        pytest.param([("H", None), ("", "stop"), ("", None)], True, True, id="and nothing after it"),
        pytest.param([("H", None), ("i", "null")], False, False, id="a word for none"),
        pytest.param([("H", None), (None, None)], False, False, id="none"),
    ],
)
def test_a_reason_ends_the_wait_only_where_it_means_something(
    chunks: list[tuple[str | None, str | None]], *, surely: bool, seemingly: bool
) -> None:
    """`has_ended` shortens the wait for what follows; `seems_ended` takes a reply that is cut off then for whole."""
    decoder = AnswerDecoder()
    for content, reason in chunks:
        list(decoder.feed(event(text(content, reason))))

    assert (decoder.reply.has_ended, decoder.reply.seems_ended) == (surely, seemingly)


def test_a_role_alone_is_no_beginning() -> None:
    decoder = decode(event(text("", role="assistant")) + event(text(None)) + event({"choices": []}) + DONE)
    assert not decoder.reply.begun
    assert decoder.reply.finish_reason is None


def test_a_tool_call_is_a_beginning() -> None:
    decoder = decode(event(text(None, tool_calls=[{"index": 0, "function": {"name": "f", "arguments": "{"}}])) + DONE)
    assert decoder.reply.begun
    assert decoder.reply.tool_calls
    assert decoder.reply.content == ""


@pytest.mark.parametrize(
    "tail", [b"", b"data: [DONE]", b": bye\n\n"], ids=["no DONE", "DONE, no blank line", "comment"]
)
def test_an_answer_is_whole_with_its_finish_reason(tail: bytes) -> None:
    decoder = decode(event(text("hi", "stop")) + tail)
    assert (decoder.reply.content, decoder.reply.finish_reason, decoder.unreadable) == ("hi", "stop", 0)


def test_nothing_counts_after_done() -> None:
    decoder = decode(event(text("hi", "stop")) + DONE + event(text("more")) + event({"error": "late"}) + b"data: x\n\n")
    assert (decoder.reply.content, decoder.unreadable) == ("hi", 0)


@pytest.mark.parametrize("junk", [b"ping", b"{", b"[1]", b'"x"', b"3", b"null", b"[" * 100_000, b"\xff"], ids=len)
def test_events_that_are_no_json_objects_are_counted_and_passed_over(junk: bytes) -> None:
    decoder = decode(event(text("a")) + b"data: " + junk + b"\n\n" + event(text("b", "stop")) + DONE)
    assert (decoder.reply.content, decoder.unreadable, decoder.done) == ("ab", 1, True)


@pytest.mark.parametrize(
    "blank", [b"data:\n\n", b"data:   \n\n", b"event: ping\n\n"], ids=["empty", "spaces", "no data"]
)
def test_empty_events_are_not_counted_as_unreadable(blank: bytes) -> None:
    decoder = decode(blank + event(text("hi", "stop")) + blank + DONE)
    assert (decoder.reply.content, decoder.unreadable) == ("hi", 0)


def test_events_without_blank_lines_between_them_are_all_read() -> None:
    body = (event(text("a")) + event(text("b")) + event(text("c", "stop"))).replace(b"\n\n", b"\n")
    decoder = decode(body + b"\n" + DONE)
    assert (decoder.reply.content, decoder.reply.finish_reason, decoder.unreadable) == ("abc", "stop", 0)


def test_done_without_a_blank_line_before_it_is_still_done() -> None:
    decoder = decode((event(text("a", "stop")) + DONE).replace(b"\n\n", b"\n"))
    assert (decoder.reply.content, decoder.unreadable, decoder.done) == ("a", 0, True)


def test_json_over_several_data_lines_is_one_event() -> None:
    pretty = json.dumps(text("hi", "stop"), indent=1).replace("\n", "\ndata: ")
    assert decode(f"data: {pretty}\n\n".encode() + DONE).reply.content == "hi"


def test_lone_surrogates_do_not_reach_the_reply() -> None:
    chunk = {**text("a\ud83d", "st\udc00op", reasoning="\udfff"), "model": "m\ud800"}
    reply = decode(event(chunk) + event(text("\ud83d\ude00")) + DONE).reply
    assert (reply.content, reply.reasoning) == ("a\ufffd\U0001f600", "\ufffd")
    assert f"{reply.served_by}{reply.finish_reason}".encode()


def test_numbers_that_json_does_not_know_are_absent() -> None:
    usage = b'{"prompt_tokens": NaN, "completion_tokens": Infinity, "total_tokens": -1}'
    decoder = decode(
        b'data: {"choices": [{"index": 0, "delta": {"content": "hi"}}], "usage": ' + usage + b"}\n\n" + DONE
    )
    assert (decoder.reply.content, decoder.reply.usage, decoder.unreadable) == ("hi", None, 0)


def test_a_plain_json_body_over_its_cap_is_refused() -> None:
    decoder = AnswerDecoder()
    list(decoder.feed(b"{" + b" " * (JSON_BODY_CAP - 1)))
    with pytest.raises(EventTooLarge):
        list(decoder.feed(b" "))


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=8)
anything = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
deltas = st.fixed_dictionaries(
    {}, optional=dict.fromkeys(("content", "reasoning", "reasoning_content", "tool_calls"), anything)
)
choice_lists = st.lists(
    anything
    | st.fixed_dictionaries(
        {}, optional={"index": st.just(0), "delta": anything | deltas, "message": deltas, "finish_reason": anything}
    ),
    max_size=2,
)
counts = st.fixed_dictionaries(
    {}, optional=dict.fromkeys(("prompt_tokens", "completion_tokens", "total_tokens"), anything)
)
chunks = anything | st.fixed_dictionaries(
    {},
    optional={
        "choices": anything | choice_lists,
        "model": anything,
        "usage": anything | counts,
        "object": st.just("error") | anything,
        "code": anything,
        "error": anything | st.fixed_dictionaries({}, optional={"code": anything, "message": anything}),
    },
)


@given(st.lists(chunks, max_size=4), st.lists(st.integers(0, 400), max_size=4))
@settings(max_examples=150, deadline=None)
@example([{"choices": [{"delta": {"content": "\ud800"}, "index": False}]}], [])
def test_a_stream_of_arbitrary_json_raises_nothing_but_an_engine_error(stream: list[object], cuts: list[int]) -> None:
    body = b"".join(event(chunk) for chunk in stream)
    edges = [0, *sorted(min(cut, len(body)) for cut in cuts), len(body)]
    decoder = AnswerDecoder()
    status = None
    try:
        for start, end in pairwise(edges):
            list(decoder.feed(body[start:end]))
        list(decoder.finish())
    except EngineError as error:
        status = error.status
    assert status is None or 400 <= status < 600
    assert decoder.reply.content.encode().decode() == decoder.reply.content
    assert decoder.unreadable <= len(stream)


@given(chunks)
@settings(max_examples=150, deadline=None)
def test_arbitrary_plain_json_is_an_answer_or_a_named_failure(answer: object) -> None:
    body = json.dumps(answer).encode()
    try:
        decoder = decode(body)
    except (EngineError, EnvelopeFailure, WrongShape):
        return
    assert isinstance(answer, dict)
    assert decoder.done


def test_an_event_with_much_that_cannot_be_read_is_given_up() -> None:
    """The whole server waits while an event is read: a megabyte of `[` took minutes."""
    decoder = AnswerDecoder()
    lines = b"data: x\n" + b"[\n{}\n" * 1_000 + b"\n"

    deltas = [*decoder.feed(lines), *decoder.finish()]

    assert not any(delta.content for delta in deltas)
    assert 1 < decoder.unreadable <= 64


def test_an_error_event_of_many_lines_is_one_error() -> None:
    decoder = AnswerDecoder()

    with pytest.raises(EngineError) as raised:
        list(decoder.feed(b"event: error\n" + b"data: x\ndata: {}\n" * 20_000 + "é\n\n".encode()))

    assert raised.value.message is None or len(raised.value.message) < 1_000_000
