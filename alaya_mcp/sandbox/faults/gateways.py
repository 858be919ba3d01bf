"""What gateways make of a good stream, after public reports: each means the whole answer, written otherwise."""

import json
from collections.abc import Callable, Iterable
from copy import deepcopy

import anyio

from alaya_mcp.sandbox.exchange import DONE, EVENT_STREAM, encode, event, json_response
from alaya_mcp.sandbox.faults.fault import TOKENS, Chunk, Fault, Script, stream, streamed

_SURROGATES = "\ud83d", "\ude00"  # halves of one character
_CALL: Chunk = {"index": 0, "id": "call-a", "type": "function", "function": {"name": "get_weather", "arguments": ""}}
_ARGUMENTS: Chunk = {"index": 1, "id": None, "function": {"name": "", "arguments": '{"city": "Rome"}'}}
_EMPTY_ERROR: Chunk = {"error": {"message": "", "type": None, "code": None}}
_FORBIDDEN = {"type": "extra_forbidden", "loc": ["body", "stream_options"], "msg": "Extra inputs are not permitted"}


def _events(chunks: Iterable[Chunk]) -> list[bytes]:
    return [*map(event, chunks), DONE]


def _choices(chunks: Iterable[Chunk]) -> list[Chunk]:
    return [choice for chunk in chunks for choice in chunk["choices"]]


def _with_delta(chunk: Chunk, **delta: object) -> Chunk:
    """Return a chunk like another that adds something else to the message."""
    copied = deepcopy(chunk)
    copied["choices"][0]["delta"] = delta
    return copied


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
    await anyio.sleep(chat.pace.slow_seconds)
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


async def _no_stream_options(chat: Script) -> None:
    if chat.usage:
        await chat.answer(json_response({"detail": [_FORBIDDEN]}, 422))
    else:
        await stream(Script.events)(chat)


async def _broken_http(chat: Script) -> None:
    twice = b"transfer-encoding: chunked\r\n" * 2
    await chat.close(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n" + twice + b"\r\n0\r\n\r\n")


def _rewritten(name: str, summary: str, rewrite: Callable[[list[Chunk]], Iterable[bytes]]) -> Fault:
    """Return a fault that writes the chunks of a good stream otherwise: the role, the tokens, the end."""
    return streamed(name, summary, lambda chat: rewrite(chat.chunks()))


# Two lines an entry: name and summary, then its handlers.
# fmt: off
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
        lambda chunks: _events(chunk | _EMPTY_ERROR for chunk in chunks)),
    _rewritten("loose-types", "a good answer with its index and its counts as text", _loose_types),
    _rewritten("leaked-tag", "reasoning, then a closing tag in the content, then a good answer", _leaked_tag),
    _rewritten("call-under-another-index", "a good answer, and a tool call whose arguments come under the next index",
        _call_under_another_index),
    Fault("status-201", "a good answer under 201", chat=stream(Script.events, status=201)),
    Fault("no-stream-options", "422 for stream_options, a good answer without", chat=_no_stream_options),
    streamed("content-filter", "ends after 3 tokens with finish_reason content_filter",
        lambda chat: chat.events(finish_reason="content_filter")),
    Fault("broken-http", "an answer with two Transfer-Encodings, which HTTP forbids", chat=_broken_http),
)
# fmt: on
