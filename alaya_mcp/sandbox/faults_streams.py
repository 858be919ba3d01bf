"""Faults before and during an answer: connections that break or stay silent, and event streams that go wrong."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from itertools import cycle
from typing import TYPE_CHECKING, TypeAlias

import anyio

from alaya_mcp.sandbox.answers import event
from alaya_mcp.sandbox.faults_exchange import EVENT_STREAM, JSON, Exchange
from alaya_mcp.sandbox.faults_script import TOKENS, Script
from alaya_mcp.sandbox.refusals import RefusedError

if TYPE_CHECKING:
    from collections.abc import Iterable

Show: TypeAlias = Callable[[Exchange, Script], Awaitable[None]]

DRIP_SECONDS = 0.2
KEEP_ALIVE_SECONDS = 1.0
KEEP_ALIVE = b": keep-alive\n\n"
ODD_TOKENS = (*TOKENS, " 四", "🙂")

_DONE = b"data: [DONE]\n\n"

# vLLM's source, EngineDeadError. That it comes as an event, and then [DONE], was seen on vLLM 0.32.0.
_VLLM_DIED = RefusedError(
    "EngineCore encountered an issue. See stack trace (above) for the root cause.",
    status=500,
    kind="InternalServerError",
).body("vllm")
# SGLang's source: its flat error, wrapped inside a stream. The words are assumed.
_SGLANG_DIED = {
    "error": RefusedError("The scheduler has exited.", status=500, kind="InternalServerError").body("sglang")
}


async def _write(exchange: Exchange, script: Script, events: Iterable[bytes]) -> None:
    await exchange.start(EVENT_STREAM)
    for each in events:
        await anyio.sleep(script.token_delay)
        await exchange.write(each)


async def _reset_mid(exchange: Exchange, script: Script) -> None:
    await _write(exchange, script, script.begun())
    await anyio.sleep(script.token_delay)  # for the tokens to arrive
    await exchange.reset()


async def _server_killed(exchange: Exchange, script: Script) -> None:
    # Seen on vLLM 0.32.0: EOF without a last chunk.
    await _write(exchange, script, script.begun())
    await exchange.close()


async def _engine_terminated(exchange: Exchange, script: Script) -> None:
    # Seen on vLLM 0.32.0 after SIGTERM: neither a byte nor EOF.
    await _write(exchange, script, script.begun())
    await exchange.hang()


async def _never_closes(exchange: Exchange, script: Script) -> None:
    await _write(exchange, script, script.events()[:-1])
    await exchange.hang()


async def _no_done(exchange: Exchange, script: Script) -> None:
    await _write(exchange, script, script.events()[:-1])
    script.counted.finish()
    await exchange.end()


async def _ends_early(exchange: Exchange, script: Script) -> None:
    await _write(exchange, script, script.begun())
    await exchange.end()


async def _abort(exchange: Exchange, script: Script) -> None:
    await _write(exchange, script, script.events(finish_reason="abort"))
    await exchange.end()


def _error(error: object, *, tokens: bool) -> Show:
    async def show(exchange: Exchange, script: Script) -> None:
        begun = script.begun() if tokens else []
        await _write(exchange, script, [*begun, event(error), _DONE])
        await exchange.end()

    return show


async def _drip(exchange: Exchange, script: Script) -> None:
    await exchange.start(EVENT_STREAM)
    for each in script.for_ever():
        await exchange.write(each)
        await anyio.sleep(DRIP_SECONDS)


async def _comments_only(exchange: Exchange, _script: Script) -> None:
    await exchange.start(EVENT_STREAM)
    while True:
        await exchange.write(KEEP_ALIVE)
        await anyio.sleep(KEEP_ALIVE_SECONDS)


async def _slow_first_byte(exchange: Exchange, script: Script) -> None:
    await anyio.sleep(script.slow_seconds)
    await _write(exchange, script, script.events())
    script.counted.finish()
    await exchange.end()


async def _slow_first_token(exchange: Exchange, script: Script) -> None:
    await exchange.start(EVENT_STREAM)
    with anyio.move_on_after(script.slow_seconds):
        while True:
            await exchange.write(KEEP_ALIVE)
            await anyio.sleep(KEEP_ALIVE_SECONDS)
    for each in script.events():
        await exchange.write(each)
        await anyio.sleep(script.token_delay)
    script.counted.finish()
    await exchange.end()


async def _no_events(exchange: Exchange, _script: Script) -> None:
    await exchange.start(EVENT_STREAM)
    await exchange.end()


async def _garbage_events(exchange: Exchange, script: Script) -> None:
    garbage = (b"data: one\n\n", b'data: {"choices": [\n\n', b"data: <html></html>\n\n", b"data: \xff\xfe\n\n")
    await _write(exchange, script, [*garbage, _DONE])
    await exchange.end()


async def _odd_events(exchange: Exchange, script: Script) -> None:
    await exchange.start(EVENT_STREAM)
    stream = dress(script.events(ODD_TOKENS))
    lengths = cycle((1, 2, 3, 5, 8, 13))
    while stream:
        length = next(lengths)
        await exchange.write(stream[:length])
        stream = stream[length:]
    script.counted.finish()
    await exchange.end()


def dress(events: Iterable[bytes]) -> bytes:
    """Write a stream in every form that the standard of server-sent events allows; its data stays the same."""
    dressed = bytearray("\ufeff: 注释\r\n\r\n".encode())
    for number, each in enumerate(events):
        data = each.removeprefix(b"data: ").rstrip()
        # Lines of one event are joined by a line break, which JSON allows between its members.
        lines = data.replace(b',"choices"', b',\r\ndata:"choices"', 1)
        dressed += b": %d\r\nevent: message\r\nid: %d\r\nretry: 1000\r\ndata: %b\r\nunknown\r\n\r\n" % (
            number,
            number,
            lines,
        )
    return bytes(dressed)


async def _plain_json(exchange: Exchange, script: Script) -> None:
    script.counted.finish()
    await exchange.answer(script.whole(), JSON)


async def _hang(exchange: Exchange, _script: Script) -> None:
    await exchange.hang()


async def _reset(exchange: Exchange, _script: Script) -> None:
    await exchange.reset()


async def _eof(exchange: Exchange, _script: Script) -> None:
    await exchange.close()


STREAMS: Mapping[str, Show] = {
    "hang": _hang,
    "reset": _reset,
    "eof": _eof,
    "slow-first-byte": _slow_first_byte,
    "slow-first-token": _slow_first_token,
    "reset-mid": _reset_mid,
    "server-killed": _server_killed,
    "ends-early": _ends_early,
    "no-done": _no_done,
    "never-closes": _never_closes,
    "engine-terminated": _engine_terminated,
    "drip": _drip,
    "engine-killed": _error(_VLLM_DIED, tokens=True),
    "error-mid-sglang": _error(_SGLANG_DIED, tokens=True),
    "error-first-vllm": _error(_VLLM_DIED, tokens=False),
    "error-first-sglang": _error(_SGLANG_DIED, tokens=False),
    "abort": _abort,
    "comments-only": _comments_only,
    "no-events": _no_events,
    "garbage-events": _garbage_events,
    "odd-events": _odd_events,
    "plain-json": _plain_json,
}
