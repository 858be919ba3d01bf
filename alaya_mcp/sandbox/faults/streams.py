"""Faults of a chat's answer: connections that break or stay silent, and event streams that go wrong."""

import io
import json
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, cycle

import anyio

from alaya_mcp.sandbox.exchange import DONE, EVENT_STREAM, encode, event, json_response
from alaya_mcp.sandbox.faults.fault import TOKENS, Chunk, Fault, Script, reply, send, stream, streamed
from alaya_mcp.sandbox.refusals import RefusedError

DRIP_SECONDS = 0.2

_ODD_TOKENS = (*TOKENS, " 四", "🙂")
_GARBAGE = (b"data: one\n\n", b'data: {"choices": [\n\n', b"data: <html></html>\n\n", b"data: \xff\xfe\n\n", DONE)

# vLLM's source, EngineDeadError. That it comes as an event, and then [DONE], was seen on vLLM 0.32.0.
_VLLM_WORDS = "EngineCore encountered an issue. See stack trace (above) for the root cause."
_VLLM_DIED = (event(RefusedError(_VLLM_WORDS, 500, "InternalServerError").body("vllm")), DONE)
# SGLang's source: its flat error, wrapped inside a stream. The words are assumed.
_SGLANG_ERROR = RefusedError("The scheduler has exited.", 500, "InternalServerError")
_SGLANG_DIED = (event({"error": _SGLANG_ERROR.body("sglang")}), DONE)
_SURROGATES = "\ud83d", "\ude00"  # halves of one character
_CALL: Chunk = {"index": 0, "id": "call-a", "type": "function", "function": {"name": "get_weather", "arguments": ""}}
_ARGUMENTS: Chunk = {"index": 1, "id": None, "function": {"name": "", "arguments": '{"city": "Rome"}'}}
_BROKEN_HTTP = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: many\r\n\r\n"
_FORBIDDEN = {"type": "extra_forbidden", "loc": ["body", "stream_options"], "msg": "Extra inputs are not permitted"}
_UNPROCESSABLE = json_response({"detail": [_FORBIDDEN]}, 422)


def _without_done(chat: Script) -> list[bytes]:
    return chat.events()[:-1]


def _drip(chat: Script) -> Iterable[bytes]:
    # The role, then tokens for ever.
    begun = chat.begun((*TOKENS, " one", *TOKENS[1:]))
    return chain(begun, cycle(begun[-len(TOKENS) :]))


def _odd_events(chat: Script) -> Iterator[bytes]:
    """Write a stream in every form that the standard of server-sent events allows; its data stays the same."""
    written = "\ufeff: 注释\r\n\r\n".encode()
    for number, each in enumerate(chat.events(_ODD_TOKENS)):
        # Lines of one event are joined by a line break, which JSON allows between its members.
        data = each.rstrip().replace(b',"choices"', b',\r\ndata:"choices"', 1)
        head = f": {number}\r\nevent: message\r\nid: {number}\r\nretry: 1000\r\n".encode()
        written += head + data + b"\r\nunknown\r\n\r\n"
    reader, lengths = io.BytesIO(written), cycle((1, 2, 3, 5, 8, 13))
    while piece := reader.read(next(lengths)):
        yield piece


async def _reset(chat: Script) -> None:
    await anyio.sleep(chat.token_delay)  # for the tokens to arrive
    await chat.reset()


async def _keep_alive(chat: Script) -> None:
    while True:
        await chat.write(b": keep-alive\n\n")
        await anyio.sleep(1.0)  # what engines do meanwhile: one comment a second


async def _slow_first_byte(chat: Script) -> None:
    await anyio.sleep(chat.slow_seconds)
    await stream(Script.events)(chat)


async def _slow_first_token(chat: Script) -> None:
    await chat.start(EVENT_STREAM)
    with anyio.move_on_after(chat.slow_seconds):
        await _keep_alive(chat)
    await chat.write_each(chat.events(), chat.token_delay)
    await chat.finish()


async def _plain_json(chat: Script) -> None:
    chat.counted.finished = True
    await chat.answer(chat.whole())


def _events(chunks: Iterable[Chunk]) -> list[bytes]:
    return [*map(event, chunks), DONE]


def _choices(chunks: Iterable[Chunk]) -> list[Chunk]:
    return [choice for chunk in chunks for choice in chunk["choices"]]


def _with_delta(chunk: Chunk, **delta: object) -> Chunk:
    """Return a chunk like another that adds something else to the message."""
    return chunk | {"choices": [chunk["choices"][0] | {"delta": delta}]}


def _with_reasons(chunks: list[Chunk], reason: str) -> list[bytes]:
    for choice in _choices(chunks):
        choice["finish_reason"] = choice["finish_reason"] or reason
    return _events(chunks)


async def _early_reason(chat: Script) -> None:
    chunks = chat.chunks()
    chunks[0]["choices"][0]["finish_reason"] = "stop"
    first, *rest = _events(chunks)
    await chat.start(EVENT_STREAM)
    await chat.write(first)
    await anyio.sleep(chat.slow_seconds)
    await chat.write_each(rest)
    await chat.finish()


def _bare_lines(chunks: list[Chunk]) -> list[bytes]:
    first, *rest = _events(chunks)
    return [first, *(each.removeprefix(b"data: ") for each in rest)]


def _split_character(chunks: list[Chunk]) -> list[bytes]:
    role, *rest = chunks
    halves = [_with_delta(role, content=half) for half in _SURROGATES]
    return [*(b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in (role, *halves, *rest)), DONE]


def _message_beside(chunks: list[Chunk]) -> list[bytes]:
    last = next(choice for choice in reversed(_choices(chunks)) if choice["finish_reason"])
    message = {"role": "assistant", "content": "".join(TOKENS)}
    return _events([*chunks, {"choices": [{**last, "delta": {}, "message": message}]}])


def _loose_types(chunks: list[Chunk]) -> list[bytes]:
    for choice in _choices(chunks):
        choice["index"] = "0"
    for chunk in chunks:
        if usage := chunk.get("usage"):
            chunk["usage"] = {name: f"{count}.0" for name, count in usage.items() if isinstance(count, int)}
    return _events(chunks)


def _leaked_tag(chunks: list[Chunk]) -> list[bytes]:
    role, *rest = chunks
    return _events([role, _with_delta(role, reasoning="a plan"), _with_delta(role, content="</think>\n\n"), *rest])


def _call_under_another_index(chunks: list[Chunk]) -> list[bytes]:
    *rest, end = [chunk for chunk in chunks if chunk["choices"]]
    call = [_with_delta(rest[0], tool_calls=[part]) for part in (_CALL, _ARGUMENTS)]
    return _events([*rest, *call, end])


def _rewritten(name: str, summary: str, rewrite: Callable[[list[Chunk]], Iterable[bytes]]) -> Fault:
    """Return a fault that writes the chunks of a good stream (the role, the tokens, the end) in another way."""
    return streamed(name, summary, lambda chat: rewrite(chat.chunks()))


# Two lines an entry: name and summary, then its handlers.
# fmt: off
STREAMS = (
    Fault("hang", "reads the request and never answers", chat=Script.hang),
    Fault("reset", "resets the connection before any byte of an answer", chat=Script.reset),
    Fault("eof", "closes the connection before any byte of an answer", chat=Script.close),
    Fault("slow-first-byte", "sends the head and the answer only after some seconds", chat=_slow_first_byte),
    Fault("slow-first-token", "sends the head at once, then comments, and the first token after some seconds",
        chat=_slow_first_token),
    streamed("reset-mid", "resets the connection after 3 tokens", Script.begun, _reset),
    # Seen on vLLM 0.32.0: EOF without a last chunk.
    streamed("server-killed", "closes the connection after 3 tokens, in the middle of the body",
        Script.begun, Script.close),
    streamed("ends-early", "ends the body properly after 3 tokens, with no finish_reason and no [DONE]",
        Script.begun, Script.end),
    streamed("no-done", "a complete answer that only lacks [DONE]", _without_done),
    streamed("never-closes", "a complete answer, then neither [DONE] nor an end", _without_done, Script.hang),
    # Seen on vLLM 0.32.0 after SIGTERM: neither a byte nor EOF.
    streamed("engine-terminated", "falls silent after 3 tokens and keeps the connection", Script.begun, Script.hang),
    Fault("drip", "sends a token every 0.2 s, for ever", chat=send(_drip, EVENT_STREAM, delay=DRIP_SECONDS)),
    streamed("engine-killed", "sends vLLM's error event after 3 tokens, then [DONE]",
        lambda chat: [*chat.begun(), *_VLLM_DIED], Script.end),
    streamed("error-mid-sglang", "sends SGLang's error event after 3 tokens, then [DONE]",
        lambda chat: [*chat.begun(), *_SGLANG_DIED], Script.end, sglang=True),
    streamed("error-first-vllm", "sends vLLM's error event before any text, then [DONE]",
        lambda _: _VLLM_DIED, Script.end),
    streamed("error-first-sglang", "sends SGLang's error event before any text, then [DONE]",
        lambda _: _SGLANG_DIED, Script.end, sglang=True),
    streamed("abort", "ends after 3 tokens with SGLang's finish_reason abort",
        lambda chat: chat.events(finish_reason="abort"), Script.end, sglang=True),
    streamed("comments-only", "sends keep-alive comments, for ever", lambda _: (), _keep_alive),
    streamed("no-events", "an event stream that ends without a byte", lambda _: (), Script.end),
    streamed("garbage-events", "events whose data is not JSON", lambda _: _GARBAGE, Script.end),
    Fault("odd-events", "a good answer in every legal oddity of event streams, cut inside lines and characters",
        chat=send(_odd_events, EVENT_STREAM, Script.finish)),
    Fault("plain-json", "a good answer as one JSON object, although a stream was asked for", chat=_plain_json),
)

# After public reports: each means the whole answer, written in another way.
GATEWAYS = (
    Fault("early-reason", "a finish_reason beside the role, some seconds of silence, then a good answer",
        chat=_early_reason),
    _rewritten("reason-on-every-chunk", "a good answer with finish_reason stop on every chunk",
        lambda chunks: _with_reasons(chunks, "stop")),
    _rewritten("null-in-quotes", 'a good answer with finish_reason "null" on every chunk but the last',
        lambda chunks: _with_reasons(chunks, "null")),
    _rewritten("bare-lines", "a good answer whose lines lack their `data:` after the first one", _bare_lines),
    _rewritten("json-lines", "a good answer as lines of JSON, with neither `data:` nor [DONE]",
        lambda chunks: [encode(chunk) + b"\n" for chunk in chunks]),
    _rewritten("no-blank-lines", "a good answer without a blank line between its events",
        lambda chunks: [each.replace(b"\n\n", b"\n") for each in _events(chunks)]),
    _rewritten("indented-lines", "a good answer whose lines are indented",
        lambda chunks: [b"  " + each for each in _events(chunks)]),
    _rewritten("split-character", "a good answer with half of a character in each of two tokens", _split_character),
    _rewritten("message-beside-deltas", "a good answer, and then all of it once more as a message", _message_beside),
    _rewritten("empty-error", "a good answer with an error on every chunk that says nothing",
        lambda chunks: _events(chunk | {"error": {"message": "", "type": None, "code": None}} for chunk in chunks)),
    _rewritten("loose-types", "a good answer with its index and its counts as text", _loose_types),
    _rewritten("leaked-tag", "reasoning, then a closing tag in the content, then a good answer", _leaked_tag),
    _rewritten("call-under-another-index", "a good answer, and a tool call whose arguments come under the next index",
        _call_under_another_index),
    Fault("status-201", "a good answer under 201", chat=stream(Script.events, status=201)),
    Fault("no-stream-options", "422 for stream_options, a good answer without them",
        chat=lambda chat: (reply(_UNPROCESSABLE) if chat.usage else stream(Script.events))(chat)),
    streamed("content-filter", "ends after 3 tokens with finish_reason content_filter",
        lambda chat: chat.events(finish_reason="content_filter")),
    Fault("broken-http", "an answer whose Content-Length is not a number, which HTTP forbids",
        chat=lambda chat: chat.close(_BROKEN_HTTP)),
)
# fmt: on
