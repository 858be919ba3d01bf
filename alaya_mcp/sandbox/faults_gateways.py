"""What gateways make of a good stream, after public reports: each means the whole answer, written otherwise."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, TypeAlias, cast

import anyio

from alaya_mcp.sandbox.answers import encode, event
from alaya_mcp.sandbox.faults_exchange import EVENT_STREAM, JSON, Exchange
from alaya_mcp.sandbox.faults_script import TOKENS, Script

Show: TypeAlias = Callable[[Exchange, Script], Awaitable[None]]
Chunk: TypeAlias = dict[str, Any]

_DONE = b"data: [DONE]\n\n"
_SURROGATES = "\ud83d", "\ude00"  # halves of one character
_ANSWER = "".join(TOKENS)
_CALL = {"id": "call-a", "type": "function", "function": {"name": "get_weather", "arguments": ""}}
_ARGUMENTS = '{"city": "Rome"}'


def _chunks(script: Script) -> list[Chunk]:
    """Give the chunks of a good stream: the role, the tokens, what it ends with."""
    return [json.loads(each.removeprefix(b"data: ")) for each in script.events()[:-1]]


def _choice(chunk: Chunk) -> Chunk:
    return next(iter(cast("list[Chunk]", chunk["choices"])), Chunk())


async def _send(exchange: Exchange, script: Script, events: Iterable[bytes], status: int = 200) -> None:
    await exchange.start(EVENT_STREAM, status)
    for each in events:
        await anyio.sleep(script.token_delay)
        await exchange.write(each)
    script.counted.finish()
    await exchange.end()


def _rewritten(rewrite: Callable[[list[Chunk]], Iterable[bytes]]) -> Show:
    async def show(exchange: Exchange, script: Script) -> None:
        await _send(exchange, script, rewrite(_chunks(script)))

    return show


def _events(chunks: Iterable[Chunk]) -> list[bytes]:
    return [*map(event, chunks), _DONE]


def _reasons(reason: str) -> Callable[[list[Chunk]], list[bytes]]:
    """Put a finish reason on every chunk that has none."""

    def rewrite(chunks: list[Chunk]) -> list[bytes]:
        for choice in filter(None, map(_choice, chunks)):
            choice["finish_reason"] = choice["finish_reason"] or reason
        return _events(chunks)

    return rewrite


async def _early_reason(exchange: Exchange, script: Script) -> None:
    first, *rest = _chunks(script)
    _choice(first)["finish_reason"] = "stop"
    await exchange.start(EVENT_STREAM)
    await exchange.write(event(first))
    await anyio.sleep(script.slow_seconds)
    for each in _events(rest):
        await exchange.write(each)
    script.counted.finish()
    await exchange.end()


def _bare_after_the_first(chunks: list[Chunk]) -> list[bytes]:
    first, *rest = chunks
    return [event(first), *(encode(chunk) + b"\n\n" for chunk in rest), b"[DONE]\n\n"]


def _json_lines(chunks: list[Chunk]) -> list[bytes]:
    return [encode(chunk) + b"\n" for chunk in chunks]


def _one_line_each(chunks: list[Chunk]) -> list[bytes]:
    return [each.replace(b"\n\n", b"\n") for each in _events(chunks)]


def _indented(chunks: list[Chunk]) -> list[bytes]:
    return [b"  " + each for each in _events(chunks)]


def _split_character(chunks: list[Chunk]) -> list[bytes]:
    role, *rest = chunks
    halves: list[Chunk] = [json.loads(json.dumps(role)) for _ in _SURROGATES]
    for half, text in zip(halves, _SURROGATES, strict=True):
        _choice(half)["delta"] = {"content": text}
    escaped = (b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in (role, *halves, *rest))
    return [*escaped, _DONE]


def _message_beside(chunks: list[Chunk]) -> list[bytes]:
    last = next(choice for choice in map(_choice, reversed(chunks)) if choice.get("finish_reason"))
    whole = {"choices": [{**last, "delta": {}, "message": {"role": "assistant", "content": _ANSWER}}]}
    return _events([*chunks, whole])


def _empty_error(chunks: list[Chunk]) -> list[bytes]:
    return _events(chunk | {"error": {"message": "", "type": None, "code": None}} for chunk in chunks)


def _loose_types(chunks: list[Chunk]) -> list[bytes]:
    for chunk in chunks:
        if choice := _choice(chunk):
            choice["index"] = "0"
        if usage := chunk.get("usage"):
            chunk["usage"] = {name: f"{count}.0" for name, count in usage.items() if isinstance(count, int)}
    return _events(chunks)


def _leaked_tag(chunks: list[Chunk]) -> list[bytes]:
    role, *rest = chunks
    thought, tag = json.loads(json.dumps(role)), json.loads(json.dumps(role))
    _choice(thought)["delta"] = {"reasoning": "a plan"}
    _choice(tag)["delta"] = {"content": "</think>\n\n"}
    return _events([role, thought, tag, *rest])


def _call_under_another_index(chunks: list[Chunk]) -> list[bytes]:
    *rest, end = [chunk for chunk in chunks if _choice(chunk)]
    begun, arguments = json.loads(json.dumps(rest[0])), json.loads(json.dumps(rest[0]))
    _choice(begun)["delta"] = {"tool_calls": [{"index": 0, **_CALL}]}
    piece = {"index": 1, "id": None, "function": {"name": "", "arguments": _ARGUMENTS}}
    _choice(arguments)["delta"] = {"tool_calls": [piece]}
    return _events([*rest, begun, arguments, end])


async def _created(exchange: Exchange, script: Script) -> None:
    await _send(exchange, script, script.events(), 201)


async def _without_stream_options(exchange: Exchange, script: Script) -> None:
    if script.usage:
        detail = {"type": "extra_forbidden", "loc": ["body", "stream_options"], "msg": "Extra inputs are not permitted"}
        await exchange.answer(encode({"detail": [detail]}), JSON, 422)
    else:
        await _send(exchange, script, script.events())


async def _content_filter(exchange: Exchange, script: Script) -> None:
    await _send(exchange, script, script.events(finish_reason="content_filter"))


async def _broken_http(exchange: Exchange, _script: Script) -> None:
    twice = b"transfer-encoding: chunked\r\n" * 2
    await exchange.answer_raw(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n" + twice + b"\r\n0\r\n\r\n")


GATEWAYS: Mapping[str, Show] = {
    "early-reason": _early_reason,
    "reason-on-every-chunk": _rewritten(_reasons("stop")),
    "null-in-quotes": _rewritten(_reasons("null")),
    "bare-lines": _rewritten(_bare_after_the_first),
    "json-lines": _rewritten(_json_lines),
    "no-blank-lines": _rewritten(_one_line_each),
    "indented-lines": _rewritten(_indented),
    "split-character": _rewritten(_split_character),
    "message-beside-deltas": _rewritten(_message_beside),
    "empty-error": _rewritten(_empty_error),
    "loose-types": _rewritten(_loose_types),
    "leaked-tag": _rewritten(_leaked_tag),
    "call-under-another-index": _rewritten(_call_under_another_index),
    "status-201": _created,
    "no-stream-options": _without_stream_options,
    "content-filter": _content_filter,
    "broken-http": _broken_http,
}
