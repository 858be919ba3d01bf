"""Faults before and during an answer: connections that break or stay silent, and event streams that go wrong."""

import io
from collections.abc import Iterable, Iterator
from itertools import chain, cycle

import anyio

from alaya_mcp.sandbox.exchange import DONE, EVENT_STREAM, event
from alaya_mcp.sandbox.faults.fault import TOKENS, Fault, Script, send, stream, streamed
from alaya_mcp.sandbox.refusals import RefusedError

DRIP_SECONDS = 0.2

_KEEP_ALIVE_SECONDS = 1.0
_KEEP_ALIVE = b": keep-alive\n\n"
_ODD_TOKENS = (*TOKENS, " 四", "🙂")
_GARBAGE = (b"data: one\n\n", b'data: {"choices": [\n\n', b"data: <html></html>\n\n", b"data: \xff\xfe\n\n", DONE)

# vLLM's source, EngineDeadError. That it comes as an event, and then [DONE], was seen on vLLM 0.32.0.
_VLLM_WORDS = "EngineCore encountered an issue. See stack trace (above) for the root cause."
_VLLM_DIED = (event(RefusedError(_VLLM_WORDS, 500, "InternalServerError").body("vllm")), DONE)
# SGLang's source: its flat error, wrapped inside a stream. The words are assumed.
_SGLANG_ERROR = RefusedError("The scheduler has exited.", 500, "InternalServerError")
_SGLANG_DIED = (event({"error": _SGLANG_ERROR.body("sglang")}), DONE)


def _without_done(chat: Script) -> list[bytes]:
    return chat.events()[:-1]


async def _reset(chat: Script) -> None:
    await anyio.sleep(chat.pace.token_delay)  # for the tokens to arrive
    await chat.reset()


def _drip(chat: Script) -> Iterable[bytes]:
    # The role, then tokens for ever.
    begun = chat.begun((*TOKENS, " one", *TOKENS[1:]))
    return chain(begun, cycle(begun[-len(TOKENS) :]))


async def _keep_alive(chat: Script) -> None:
    while True:
        await chat.write(_KEEP_ALIVE)
        await anyio.sleep(_KEEP_ALIVE_SECONDS)


async def _slow_first_byte(chat: Script) -> None:
    await anyio.sleep(chat.pace.slow_seconds)
    await stream(Script.events)(chat)


async def _slow_first_token(chat: Script) -> None:
    await chat.start(EVENT_STREAM)
    with anyio.move_on_after(chat.pace.slow_seconds):
        await _keep_alive(chat)
    await chat.write_each(chat.events(), chat.pace.token_delay)
    await chat.finish()


def _odd_events(chat: Script) -> Iterator[bytes]:
    written, lengths = io.BytesIO(_odd(chat.events(_ODD_TOKENS))), cycle((1, 2, 3, 5, 8, 13))
    while piece := written.read(next(lengths)):
        yield piece


def _odd(events: Iterable[bytes]) -> bytes:
    """Write a stream in every form that the standard of server-sent events allows; its data stays the same."""
    written = "\ufeff: 注释\r\n\r\n".encode()
    for number, each in enumerate(events):
        # Lines of one event are joined by a line break, which JSON allows between its members.
        data = each.rstrip().replace(b',"choices"', b',\r\ndata:"choices"', 1)
        head = f": {number}\r\nevent: message\r\nid: {number}\r\nretry: 1000\r\n".encode()
        written += head + data + b"\r\nunknown\r\n\r\n"
    return written


async def _plain_json(chat: Script) -> None:
    chat.counted.finished = True
    await chat.answer(chat.whole())


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
# fmt: on
