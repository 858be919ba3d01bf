"""What engines and gateways really do to a stream, over real sockets: nothing of a reply is lost or falsified."""

import json
from typing import Any

import anyio
import pytest

from tests.calls import CHAT, call, connected, content_of, error_of, text_of
from tests.upstream import DONE, Exchange, Handler, Request, Upstream, text_chunk

pytestmark = [pytest.mark.anyio, pytest.mark.quick]

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"
TOOL: dict[str, Any] = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}


def chunk(content: str | None = None, reason: object = None, **more: object) -> dict[str, Any]:
    """A chunk with a finish reason and whatever else."""
    return {**text_chunk(content, finish_reason=reason), **more}


def streams(*events: object) -> Handler:
    """A handler that sends events, then ends the body."""

    async def handler(_: Request, exchange: Exchange) -> None:
        await exchange.events(*events)

    return handler


def sends(*pieces: bytes) -> Handler:
    """A handler that sends the head of a stream, then bytes as they are."""

    async def handler(_: Request, exchange: Exchange) -> None:
        for piece in (HEAD, *pieces):
            await exchange.send(piece)

    return handler


async def reply_to(chat: Handler, **arguments: Any) -> dict[str, Any]:  # noqa: ANN401 any argument
    """The result of one chat."""
    async with Upstream(chat=chat) as upstream:
        return content_of(await call(upstream.settings(), CHAT, prompt="x", **arguments))


ROLE = chunk()
ROLE["choices"][0]["delta"] = {"role": "assistant", "content": ""}


@pytest.mark.parametrize(
    ("reasons", "finish_reason"),
    [
        (["stop", "stop", "stop"], "stop"),
        (["null", "null", "stop"], "stop"),
        (["None", "", "length"], "length"),
        (["stop", "length", "null"], "length"),
        (["stop", None, None], "stop"),
        ([None, "stop", "tool_calls"], "tool_calls"),
        (["NULL", " none ", "eos"], "eos"),
    ],
)
async def test_text_after_a_reason_counts_and_the_last_word_is_the_reason(
    reasons: list[str | None], finish_reason: str
) -> None:
    first, second, third = reasons
    role = json.loads(json.dumps(ROLE))
    role["choices"][0]["finish_reason"] = first
    content = await reply_to(streams(role, chunk("Hello ", second), chunk("world", third), DONE))

    assert (content["content"], content["finish_reason"]) == ("Hello world", finish_reason)


async def test_an_early_reason_does_not_make_a_cut_reply_whole() -> None:
    role = json.loads(json.dumps(ROLE))
    role["choices"][0]["finish_reason"] = "stop"

    async def handler(_: Request, exchange: Exchange) -> None:
        await exchange.send(HEAD.replace(b"\r\n\r\n", b"\r\ncontent-length: 99999\r\n\r\n"))
        for event in (role, chunk("Hel", "stop"), chunk("lo", "stop")):
            await exchange.event(event)

    content = await reply_to(handler)

    assert (content["content"], content["truncated_reason"]) == ("Hello", "stream_cut")
    assert "finish_reason" not in content


async def test_a_reason_with_nothing_else_and_a_cut_is_an_error() -> None:
    role = json.loads(json.dumps(ROLE))
    role["choices"][0]["finish_reason"] = "stop"

    async def handler(_: Request, exchange: Exchange) -> None:
        await exchange.send(HEAD.replace(b"\r\n\r\n", b"\r\ncontent-length: 99999\r\n\r\n"))
        await exchange.event(role)

    async with Upstream(chat=handler) as upstream:
        result = await call(upstream.settings(), CHAT, prompt="x")

    assert error_of(result)["code"] == "upstream_unavailable"


def data(value: object) -> bytes:
    return b"data: " + json.dumps(value).encode()


def bare(value: object) -> bytes:
    return json.dumps(value).encode()


NOTHING_SAID: dict[str, Any] = {"message": "", "code": None, "details": []}
HELLO, WORLD, END = chunk("Hello "), chunk("world"), chunk(None, "stop")


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(
            data(HELLO) + b"\n\n" + bare(WORLD) + b"\n\n" + bare(END) + b"\n\n[DONE]\n\n", id="lost in the middle"
        ),
        pytest.param(data(HELLO) + b"\n" + bare(WORLD) + b"\n" + bare(END) + b"\n[DONE]\n", id="no blank lines"),
        pytest.param(data(HELLO) + b"\n" + data(WORLD) + b"\n" + data(END) + b"\ndata: [DONE]\n", id="one line each"),
        pytest.param(bare(HELLO) + b"\n" + bare(WORLD) + b"\n" + bare(END) + b"\n", id="JSON lines"),
        pytest.param(bare(HELLO) + b"\n\n" + data(WORLD) + b"\n\n" + data(END) + b"\n\n", id="the first one bare"),
        pytest.param(bare(HELLO) + bare(WORLD) + bare(END), id="nothing between"),
        pytest.param(data(HELLO) + bare(WORLD) + bare(END) + b"[DONE]\n\n", id="one event of several"),
        pytest.param(b"  " + data(HELLO) + b"\n\n\t" + data(WORLD) + b"\n\n " + data(END) + b"\n \n", id="indented"),
        pytest.param(b"Data:" + data(HELLO)[5:] + b"\n\nDATA :" + data(WORLD)[5:] + b"\n\n" + data(END), id="capitals"),
        pytest.param(
            b"data: " + json.dumps(HELLO, indent=1).encode() + b"\n\n" + data(WORLD) + b"\n\n" + data(END) + b"\n\n",
            id="JSON over several lines, bare but the first",
        ),
        pytest.param(
            b"event: message\n" + data(HELLO) + b"\r\n\r\n" + bare(WORLD) + b"\r\n\r\n" + bare(END), id="CRLF"
        ),
        pytest.param(b"".join(b"data: " + data(part) + b"\n\n" for part in (HELLO, WORLD, END)), id="the field twice"),
        pytest.param(bare([HELLO, WORLD, END]), id="a list"),
        pytest.param(data([HELLO, WORLD]) + b"\n\n" + data([END]) + b"\n\n", id="an event of a list"),
    ],
)
@pytest.mark.parametrize("step", [1_000_000, 7], ids=["at once", "in pieces"])
async def test_lines_without_their_field_are_taken(body: bytes, step: int) -> None:
    content = await reply_to(sends(*(body[at : at + step] for at in range(0, len(body), step))))

    assert (content["content"], content["finish_reason"], content["warnings"]) == ("Hello world", "stop", [])


@pytest.mark.parametrize(
    "junk", [b"Internal Server Error\n\n", b"<html>busy</html>\n\n", b"error: boom\n\n", b'{"choi\n\n']
)
async def test_what_cannot_be_read_is_told(junk: bytes) -> None:
    content = await reply_to(sends(data(HELLO) + b"\n\n", junk, data(WORLD) + b"\n\n" + data(END) + b"\n\n"))

    assert content["content"] == "Hello world"
    assert any("could not be read" in warning for warning in content["warnings"])


async def test_bare_text_is_shown_as_it_comes_and_not_at_the_end() -> None:
    shown, go_on = anyio.Event(), anyio.Event()

    async def handler(_: Request, exchange: Exchange) -> None:
        await exchange.send(HEAD + data(HELLO) + b"\n" + bare(WORLD) + b"\n")
        await go_on.wait()
        await exchange.send(bare(END) + b"\n[DONE]\n")

    async def keep(progress: float, total: float | None, message: str | None) -> None:
        del progress, total
        if message and message.endswith("world"):
            shown.set()

    async with (
        Upstream(chat=handler) as upstream,
        connected(upstream.settings()) as client,
        anyio.create_task_group() as tasks,
    ):

        async def ask() -> None:
            content = content_of(await client.call_tool(CHAT, {"prompt": "x"}, progress_callback=keep))
            assert content["content"] == "Hello world"

        tasks.start_soon(ask)
        await shown.wait()
        go_on.set()


@pytest.mark.parametrize(
    ("events", "content"),
    [
        pytest.param([chunk("a\ud83d"), chunk("\ude00b"), END], "a😀b", id="two halves"),
        pytest.param([chunk("\ud83d"), chunk(""), chunk("\ude00"), END], "😀", id="nothing between"),
        pytest.param([chunk("\ud83d"), END], "\ufffd", id="one half and the end"),
        pytest.param([chunk("\ud83d"), chunk("x"), END], "\ufffdx", id="one half and text"),
        pytest.param([chunk("\ude00"), END], "\ufffd", id="the other half"),
        pytest.param([chunk("\ud83d\ude00\ud83d"), chunk("\ude00\ud83d"), chunk("\ude00"), END], "😀😀😀", id="many"),
    ],
)
async def test_halves_of_a_character_are_joined(events: list[dict[str, Any]], content: str) -> None:
    assert (await reply_to(streams(*events, DONE)))["content"] == content


async def test_halves_of_a_character_are_joined_in_thinking_and_in_calls() -> None:
    thoughts = [text_chunk(), text_chunk()]
    thoughts[0]["choices"][0]["delta"] = {"reasoning": "\ud83d"}
    thoughts[1]["choices"][0]["delta"] = {"reasoning": "\ude00"}
    calls = [text_chunk(), text_chunk()]
    first = {"index": 0, "id": "a", "function": {"name": "f", "arguments": '{"x": "\ud83d'}}
    calls[0]["choices"][0]["delta"] = {"tool_calls": [first]}
    calls[1]["choices"][0]["delta"] = {"tool_calls": [{"index": 0, "function": {"arguments": '\ude00"}'}}]}

    content = await reply_to(streams(*thoughts, *calls, chunk(None, "tool_calls"), DONE), tools=[TOOL])

    assert content["reasoning"] == "😀"
    assert json.loads(content["tool_calls"][0]["function"]["arguments"]) == {"x": "😀"}


WHOLE = {"role": "assistant", "content": "Hello world"}


@pytest.mark.parametrize(
    "events",
    [
        pytest.param(
            [HELLO, WORLD, {"choices": [{"delta": {}, "message": WHOLE, "finish_reason": "stop"}]}], id="beside"
        ),
        pytest.param([HELLO, WORLD, {"choices": [{"message": WHOLE, "finish_reason": "stop"}]}], id="at the end"),
        pytest.param([{"choices": [{"delta": {}, "message": WHOLE, "finish_reason": "stop"}]}], id="alone"),
        pytest.param(
            [
                {"choices": [{"message": {"content": "Hello "}}]},
                {"choices": [{"message": {"content": "world"}, "finish_reason": "stop"}]},
            ],
            id="in pieces",
        ),
        pytest.param(
            [
                {"choices": [{"index": "0", "delta": {"content": "Hello "}}]},
                {
                    "choices": [
                        {"index": "1", "delta": {"content": "another"}},
                        {"index": "0", "delta": {"content": "world"}},
                    ]
                },
                END,
            ],
            id="index as text",
        ),
        pytest.param(
            [
                {**HELLO, "error": NOTHING_SAID},
                {**WORLD, "error": {"code": 0, "type": "null"}},
                {**END, "error": "null"},
            ],
            id="an error that says nothing",
        ),
        pytest.param([{**HELLO, "error": {"code": 200, "message": "ok"}}, WORLD, END], id="an error that is none"),
    ],
)
async def test_what_gateways_add_or_write_otherwise_changes_no_text(events: list[dict[str, Any]]) -> None:
    content = await reply_to(streams(*events, DONE))

    assert (content["content"], content["truncated"], content["warnings"]) == ("Hello world", False, [])


@pytest.mark.parametrize("delta", [{"role": "assistant", "content": ""}, {"content": None}, {}])
async def test_a_message_beside_a_delta_that_adds_nothing_is_the_reply(delta: dict[str, Any]) -> None:
    choice = {"index": 0, "delta": delta, "message": {"content": "Hello"}, "finish_reason": "stop"}

    assert (await reply_to(streams({"choices": [choice]}, DONE)))["content"] == "Hello"


async def test_the_text_of_older_completions_is_the_reply() -> None:
    events = [{"choices": [{"index": 0, "text": text, "finish_reason": None}]} for text in ("Hel", "lo")]

    assert (await reply_to(streams(*events, DONE)))["content"] == "Hello"


async def test_a_field_with_a_misspelt_name_is_told() -> None:
    good = [f"data: {json.dumps(chunk(text))}\n\n".encode() for text in ("a", "b")]

    result = await reply_to(sends(good[0], b"a" + good[1][2:], b"data: [DONE]\n\n"))

    assert any("could not be read" in warning for warning in result["warnings"])


async def test_counts_are_not_replaced_by_none() -> None:
    usage = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}
    nothing = dict.fromkeys(usage, 0)

    result = await reply_to(streams(chunk("Hello", "stop", usage=usage), {"choices": [], "usage": nothing}, DONE))

    assert result["usage"] == usage


async def test_an_error_in_fields_of_its_own_ends_the_reply() -> None:
    error = {"error_code": 17, "error_msg": "daily request limit reached"}

    result = await reply_to(streams(chunk("Hi"), error, DONE))
    async with Upstream(chat=streams(error, DONE)) as upstream:
        alone = await call(upstream.settings(), CHAT, prompt="x")

    assert (result["truncated"], result["truncated_reason"]) == (True, "upstream_error")
    assert "daily request limit" in text_of(alone)


@pytest.mark.parametrize("error", ["ok", "success", "False"])
async def test_an_error_that_says_that_all_is_well_is_none(error: str) -> None:
    result = await reply_to(streams(chunk("Hello ", error=error), chunk("there", "stop"), DONE))

    assert (result["content"], result["truncated"]) == ("Hello there", False)


async def test_a_real_error_beside_text_ends_the_reply_and_the_text_is_kept() -> None:
    error = {"message": "boom", "code": 500}
    content = await reply_to(streams(HELLO, {**WORLD, "error": error}, DONE))

    assert (content["content"], content["truncated_reason"]) == ("Hello world", "upstream_error")
    assert any("boom" in warning for warning in content["warnings"])


@pytest.mark.parametrize("payload", [{"message": "boom"}, {"detail": "boom"}, {"error": {"message": "boom"}}, "boom"])
async def test_an_event_called_error_is_one(payload: object) -> None:
    text = payload if isinstance(payload, str) else json.dumps(payload)
    async with Upstream(chat=sends(b"event: error\n", b"data: " + text.encode() + b"\n\n")) as upstream:
        result = await call(upstream.settings(), CHAT, prompt="x")

    assert error_of(result)["code"] == "upstream_unavailable"
    assert "boom" in text_of(result)


@pytest.mark.parametrize(
    ("usage", "counts"),
    [
        ({"prompt_tokens": 3.0, "completion_tokens": "4", "total_tokens": "7.0"}, (3, 4, 7)),
        ({"prompt_tokens": 3, "completion_tokens": 4.5, "total_tokens": 1e300}, (3, None, None)),
        ({"prompt_tokens": "x", "completion_tokens": True, "total_tokens": -1}, None),
    ],
)
async def test_counts_are_taken_as_numbers_however_they_are_written(
    usage: dict[str, Any], counts: tuple[int | None, ...] | None
) -> None:
    content = await reply_to(streams(HELLO, END, {"choices": [], "usage": usage}, DONE))
    found = content.get("usage")

    names = ("prompt_tokens", "completion_tokens", "total_tokens")
    assert (None if found is None else tuple(found.get(name) for name in names)) == counts


@pytest.mark.parametrize(
    "usage",
    [
        {"prompt_tokens_details": {"cached_tokens": 5}, "completion_tokens_details": {"reasoning_tokens": 6}},
        {"prompt_cache_hit_tokens": 5, "reasoning_tokens": "6", "prompt_tokens_details": None},
    ],
)
async def test_details_of_usage_the_engines_mark_and_what_stopped_it_are_passed_on(usage: dict[str, Any]) -> None:
    end = text_chunk(finish_reason="stop", stop_reason="END")
    last: dict[str, Any] = {
        "choices": [],
        "system_fingerprint": "vllm-0.32.0-x",
        "usage": {"prompt_tokens": 9, **usage},
    }
    content = await reply_to(streams(HELLO, end, last, DONE))

    assert content["usage"] == {"prompt_tokens": 9, "cached_tokens": 5, "reasoning_tokens": 6}
    assert (content["system_fingerprint"], content["stop_reason"]) == ("vllm-0.32.0-x", "END")


async def test_a_token_that_stopped_it_is_told_by_its_number() -> None:
    end: dict[str, Any] = {"choices": [{"delta": {}, "finish_reason": "stop", "matched_stop": 151645}]}

    assert (await reply_to(streams(HELLO, end, DONE)))["stop_reason"] == "151645"


async def test_a_reply_cut_at_the_deadline_has_the_count_so_far() -> None:
    async def handler(_: Request, exchange: Exchange) -> None:
        await exchange.events(*({**HELLO, "usage": {"completion_tokens": count}} for count in (1, 2, 3)))
        await exchange.hang()

    async with Upstream(chat=handler) as upstream:
        settings = upstream.settings(ALAYA_GENERATION_SECONDS="0")
        content = content_of(await call(settings, CHAT, prompt="x", timeout_seconds=40))
        sent = upstream.chats[0].json

    assert sent["stream_options"]["continuous_usage_stats"] is True
    assert (content["truncated_reason"], content["usage"]) == ("deadline", {"completion_tokens": 3})


@pytest.mark.parametrize(
    ("reason", "cut"),
    [
        ("content_filter", "content_filter"),
        ("sensitive", "content_filter"),
        ("SAFETY", "content_filter"),
        ("RECITATION", "content_filter"),
        ("PROHIBITED_CONTENT", "content_filter"),
        ("guardrail_intervened", "content_filter"),
        ("refusal", "content_filter"),
        ("max_output_tokens", "max_tokens"),
        ("model_context_window_exceeded", "max_tokens"),
        ("length", "max_tokens"),
        ("MAX_TOKENS", "max_tokens"),
        ("model_length", "max_tokens"),
        ("abort", "upstream_error"),
        ("network_error", "upstream_error"),
        ("insufficient_system_resource", "upstream_error"),
    ],
)
@pytest.mark.parametrize("text", ["Hello", ""])
async def test_a_reason_that_says_cut_is_told_as_one(reason: str, cut: str, text: str) -> None:
    async with Upstream(chat=streams(chunk(text), chunk(None, reason), DONE)) as upstream:
        result = await call(upstream.settings(), CHAT, prompt="x")

    if cut == "upstream_error" and not text:
        assert error_of(result)["code"] == "upstream_unavailable"
        return
    content = content_of(result)
    assert (content["content"], content["finish_reason"]) == (text, reason)
    assert (content["truncated"], content["truncated_reason"]) == (True, cut)
    (warning,) = content["warnings"]
    assert warning.startswith(("The reply was cut", "The reply ends at"))
    assert ("before any text" in warning) is not bool(text)


async def test_a_call_whose_arguments_never_came_is_cut() -> None:
    begun = text_chunk()
    begun["choices"][0]["delta"] = {"tool_calls": [{"index": 0, "id": "a", "function": {"name": "f", "arguments": ""}}]}
    content = await reply_to(streams(begun, chunk(None, "length"), DONE), tools=[TOOL], return_messages=True)

    assert any("f was cut off" in warning for warning in content["warnings"])
    assert [message["role"] for message in content["messages"]] == ["user"]


async def test_a_call_that_takes_no_arguments_is_whole() -> None:
    begun = text_chunk()
    begun["choices"][0]["delta"] = {"tool_calls": [{"index": 0, "id": "a", "function": {"name": "f", "arguments": ""}}]}
    content = await reply_to(streams(begun, chunk(None, "tool_calls"), DONE), tools=[TOOL], return_messages=True)

    assert content["warnings"] == []
    assert content["messages"][-1]["tool_calls"][0]["function"] == {"name": "f", "arguments": "{}"}


@pytest.mark.parametrize(
    ("arguments", "said"), [("[1]", "not an object"), ('"x"', "not an object"), ("{x", "not valid JSON")]
)
async def test_arguments_that_are_wrong_although_nothing_was_cut_are_said_to_be_that(arguments: str, said: str) -> None:
    whole = text_chunk()
    function = {"name": "f", "arguments": arguments}
    whole["choices"][0]["delta"] = {"tool_calls": [{"index": 0, "id": "a", "function": function}]}
    content = await reply_to(streams(whole, chunk(None, "stop"), DONE), tools=[TOOL])

    (warning,) = content["warnings"]
    assert said in warning
    assert "max_tokens" not in warning


@pytest.mark.parametrize(
    ("arguments", "contains", "lacks"),
    [
        ({}, ["larger max_tokens", "(return_messages returns them)"], []),
        ({"return_messages": True}, ["pass messages with continue_reply"], ["return_messages returns"]),
        ({"thinking": "off"}, ["larger max_tokens"], ["thinking: off"]),
    ],
)
async def test_what_is_said_of_a_cut_fits_what_was_asked(
    arguments: dict[str, Any], contains: list[str], lacks: list[str]
) -> None:
    content = await reply_to(streams(HELLO, chunk(None, "length"), DONE), **arguments)

    (warning,) = content["warnings"]
    assert all(words in warning for words in contains)
    assert not any(words in warning for words in lacks)


@pytest.mark.parametrize(("thinking", "advised"), [("auto", True), ("off", False)])
async def test_thinking_off_is_not_advised_to_whom_gave_it(thinking: str, *, advised: bool) -> None:
    thought = text_chunk()
    thought["choices"][0]["delta"] = {"reasoning": "hm"}
    content = await reply_to(streams(thought, chunk(None, "length"), DONE), thinking=thinking)

    (warning,) = content["warnings"]
    assert ("thinking: off" in warning) is advised
    assert "still thinking" in warning


@pytest.mark.parametrize(
    "pieces",
    [["753 ", "BC."], ["753 BC."]],
)
async def test_a_continuation_that_comes_as_reasoning_is_the_reply(pieces: list[str]) -> None:
    messages = [{"role": "user", "content": "x"}, {"role": "assistant", "content": "Rome was founded in "}]
    thoughts: list[dict[str, Any]] = []
    for piece in pieces:
        thoughts.append(text_chunk())
        thoughts[-1]["choices"][0]["delta"] = {"reasoning": piece, "content": None}
    async with Upstream(chat=streams(*thoughts, chunk(None, "stop"), DONE)) as upstream:
        content = content_of(
            await call(upstream.settings(), CHAT, messages=messages, continue_reply=True, return_messages=True)
        )

    assert content["content"] == "753 BC."
    assert "reasoning" not in content
    assert content["messages"][-1]["content"] == "Rome was founded in 753 BC."


async def test_thinking_before_a_continuation_stays_thinking() -> None:
    messages = [{"role": "user", "content": "x"}, {"role": "assistant", "content": "Rome was founded in "}]
    thought = text_chunk()
    thought["choices"][0]["delta"] = {"reasoning": "hm"}
    async with Upstream(chat=streams(thought, chunk("753 BC."), chunk(None, "stop"), DONE)) as upstream:
        content = content_of(await call(upstream.settings(), CHAT, messages=messages, continue_reply=True))

    assert (content["content"], content["reasoning"]) == ("753 BC.", "hm")


@pytest.mark.parametrize(
    "body",
    [
        json.dumps(chunk("Hello", "stop")).encode() + b'{"choices":[{"delta":{"conte',
        json.dumps(chunk("Hello", "stop")).encode() + b" trailing",
    ],
)
async def test_what_could_be_read_of_json_with_more_behind_it_is_the_reply(body: bytes) -> None:
    result = await reply_to(sends(body))

    assert (result["content"], result["truncated"]) == ("Hello", False)
    assert any("could not be read" in warning for warning in result["warnings"])


async def test_json_that_is_cut_behind_a_chunk_keeps_it() -> None:
    body = json.dumps(chunk("Hello")).encode() + b'{"choices":[{"delta":{"conte'

    async def handler(_: Request, exchange: Exchange) -> None:
        await exchange.send(HEAD.replace(b"connection: close", b"content-length: 9999"))
        await exchange.send(body)

    result = await reply_to(handler)

    assert (result["content"], result["truncated_reason"]) == ("Hello", "stream_cut")


async def test_text_before_an_error_event_without_a_blank_line_is_kept() -> None:
    lines = f'data: {json.dumps(chunk("Hello"))}\nevent: error\ndata: {{"message":"boom"}}\n\n'

    result = await reply_to(sends(lines.encode()))

    assert (result["content"], result["truncated_reason"]) == ("Hello", "upstream_error")


async def test_a_raw_tab_in_a_string_is_taken() -> None:
    content = await reply_to(sends(data(chunk("a-b", "stop")).replace(b"a-b", b"a\tb") + b"\n\n"))

    assert (content["content"], content["warnings"]) == ("a\tb", [])


def numbered(content: str | None, index: object, reason: str | None = None) -> dict[str, Any]:
    """A chunk whose one choice has an index."""
    event = chunk(content, reason)
    event["choices"][0]["index"] = index
    return event


@pytest.mark.parametrize(
    ("events", "text"),
    [
        ([numbered("Hello ", 1), numbered("world", 1), numbered(None, 1, "stop")], "Hello world"),
        ([numbered("no", 1), numbered("Hello ", 0), numbered("no", 1), numbered("world", 0, "stop")], "Hello world"),
        ([numbered("Hello", 2), numbered("no", 1), numbered("!", "2", "stop")], "Hello!"),
    ],
    ids=["counted from 1", "two choices", "others only"],
)
async def test_one_choice_is_the_reply_whatever_its_index(events: list[dict[str, Any]], text: str) -> None:
    content = await reply_to(streams(*events, DONE))

    assert (content["content"], content["finish_reason"], content["truncated"]) == (text, "stop", False)


def deep(levels: int, inside: object = "x") -> object:
    for _ in range(levels):
        inside = {"a": inside}
    return inside


@pytest.mark.parametrize(
    "event",
    [
        {"choices": [], "error": deep(450)},
        chunk("there", "stop", error=deep(450)),
        {"choices": [{"index": 0, "delta": {"content": json.loads('[{"text":' * 400 + '"x"' + "}]" * 400)}}]},
        {"choices": [{"index": 0, "delta": {"tool_calls": [{"function": {"name": "f", "arguments": deep(450)}}]}}]},
    ],
    ids=["error", "error beside text", "content", "arguments"],
)
async def test_nothing_is_too_deep_for_what_came_before_it(event: object) -> None:
    assert (await reply_to(streams(chunk("Hello "), event, DONE)))["content"].startswith("Hello ")
