"""Decode the bytes of one answer to a reply and how it ended."""

import math
from collections.abc import Callable, Iterator
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import Final

import anyio
import httpx2

from alaya_mcp.chat.stream.answer_fields import EngineError, engine_error
from alaya_mcp.chat.stream.events import (
    DONE,
    BodyKind,
    EventSplitter,
    EventTooLarge,
    Part,
    body_kind,
    is_chunk,
    parts_of,
)
from alaya_mcp.chat.stream.reply import Delta, Reply, is_completion
from alaya_mcp.clock import now
from alaya_mcp.deployment.wire import EnvelopeFailure, WrongShape, failure_message, is_failure, json_object, not_json
from alaya_mcp.results import TruncatedReason
from alaya_mcp.upstream.failures import Failure
from alaya_mcp.upstream.transport import JSON_BODY_CAP, STREAM_CAP, body_chunks

_GRACE_SECONDS: Final = 5.0
"""For usage and the end of the stream, after the finish reason."""
_DRAIN_SECONDS: Final = 0.1
"""For the last bytes after [DONE], so that the connection can be reused."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How an answer ended.

    Attributes:
        cut: What truncated it; None for a complete answer.
        cause: The exception behind it, if any.
    """

    cut: TruncatedReason | None = None
    cause: Exception | None = None


class AnswerDecoder:
    """Decodes a body chunk by chunk: a stream of events, or plain JSON. No I/O."""

    def __init__(self, reply: Reply | None = None) -> None:
        self.reply = reply or Reply()
        self.done = False
        self.unreadable = 0
        self._kind: BodyKind | None = None
        self._is_one = self._has_newline = False
        self._buffer = bytearray()
        self._events = EventSplitter()

    def feed(self, chunk: bytes) -> Iterator[Delta]:
        """Yield the deltas in the bytes.

        Raises:
            EngineError: an error instead of text.
            EventTooLarge: one event, or a JSON body, over its cap.
            WrongShape: neither events nor JSON.
        """
        if self._kind is None:
            self._buffer += chunk
            self._kind = body_kind(bytes(self._buffer))
            if self._kind is None:
                return
            chunk = bytes(self._buffer)
            chunk = chunk.removeprefix(b"\xef\xbb\xbf").lstrip() if self._kind == "json" else chunk
            self._buffer.clear()
        if self._kind == "events":
            try:
                events = self._events.feed(chunk)
            except EventTooLarge as large:
                for data in large.events:
                    yield from self._add(parts_of(data))
                raise
            for data in events:
                yield from self._add(parts_of(data))
        elif self._kind == "json":
            self._buffer += chunk
            if len(self._buffer) > JSON_BODY_CAP:
                raise EventTooLarge
            if self._has_bare_lines(chunk):
                self._kind = "events"
                lines = bytes(self._buffer)
                self._buffer.clear()
                yield from self.feed(lines)
        else:
            raise not_json(chunk)

    def finish(self) -> Iterator[Delta]:
        """Yield the rest at the end of the body.

        Raises:
            EngineError: as `feed`.
            EnvelopeFailure: a failure code in plain JSON.
            WrongShape: the body is not an answer.
        """
        if self._kind == "events":
            for data in self._events.finish():
                yield from self._add(parts_of(data))
        elif self._buffer:
            yield from self._whole(bytes(self._buffer))
        yield self.reply.finish()

    def _whole(self, body: bytes) -> Iterator[Delta]:
        """Yield the deltas in plain JSON, or in chunks without separators."""
        self._buffer.clear()
        parts = parts_of(body.decode("utf-8-sig", "replace"))
        if len(parts) > 1 and any(is_chunk(part) for part in parts):
            yield from self._add(parts)
            return
        answer = parts[0] if len(parts) == 1 and isinstance(parts[0], dict) else json_object(body)
        if is_failure(answer) and not is_completion(answer) and "error" not in answer:
            raise EnvelopeFailure(failure_message(answer))
        yield from self._add([answer])
        if not is_completion(answer):
            raise WrongShape("json_of_wrong_shape")
        self.done = True

    def _has_bare_lines(self, chunk: bytes) -> bool:
        """Return whether the body is JSON lines, each a chunk: decided once, when a second line begins."""
        self._has_newline |= b"\n" in chunk
        if self._is_one or not self._has_newline or not chunk.strip():
            return False
        first, _, rest = bytes(self._buffer).partition(b"\n")
        if not rest.strip():
            return False
        self._is_one = not all(is_chunk(part) for part in parts_of(first.decode("utf-8", "replace")))
        return not self._is_one

    def salvage(self) -> Iterator[Delta]:
        """Yield the rest of a body that was cut off.

        Raises:
            EngineError: as `feed`.
        """
        for data in self._events.salvage():
            yield from self._add(parts_of(data))
        if self._buffer:
            parts = parts_of(self._buffer.decode("utf-8", "replace"))
            yield from self._add([part for part in parts if is_chunk(part)])
        yield self.reply.finish()

    def _add(self, parts: list[Part]) -> Iterator[Delta]:
        for part in parts:
            if self.done:
                return
            if isinstance(part, dict):
                yield self.reply.add(part)
                is_plain = part.get("choices") and not part.get("error")
                if not is_plain and (error := engine_error(part)):
                    raise error
            elif part == DONE:
                self.done = True
            else:
                self.unreadable += 1


async def read_answer(
    response: httpx2.Response,
    decoder: AnswerDecoder,
    *,
    idle_seconds: float,
    on_delta: Callable[[Delta], None],
) -> Ending:
    """Read until the answer is complete, cut or, once bytes arrived, silent for `idle_seconds`.

    Raises:
        Nothing that upstream can cause: every failure is an `Ending`.
    """
    patience = _Patience(idle_seconds)
    with anyio.CancelScope() as scope:
        try:
            async with aclosing(body_chunks("data", response, STREAM_CAP)) as chunks:
                async for chunk in chunks:
                    for delta in decoder.feed(chunk):
                        on_delta(delta)
                    scope.deadline = patience.until(decoder, now())
            for delta in decoder.finish():
                on_delta(delta)
        except (Failure, EngineError, EventTooLarge, EnvelopeFailure, WrongShape) as cause:
            _salvage(decoder, on_delta)
            return _broken(decoder, cause)
    if scope.cancelled_caught:
        return cut_off(decoder, on_delta, "idle")
    whole = decoder.reply.finish_reason is not None or decoder.done
    return Ending() if whole else Ending("stream_cut")


def cut_off(decoder: AnswerDecoder, on_delta: Callable[[Delta], None], reason: TruncatedReason) -> Ending:
    """Return the ending of an answer that is read no further, after adding what can be saved of it."""
    _salvage(decoder, on_delta)
    return Ending() if decoder.reply.seems_ended or decoder.done else Ending(reason)


class _Patience:
    """The time until which to read on; data after the complete answer, even comments, do not extend it."""

    def __init__(self, idle_seconds: float) -> None:
        self._idle = idle_seconds
        self._end = math.inf
        self._is_done = False

    def until(self, decoder: AnswerDecoder, now: float) -> float:
        """Return the time on the event loop's clock, after data arrived."""
        if decoder.done and not self._is_done:
            self._is_done = True
            self._end = min(self._end, now + _DRAIN_SECONDS)
        elif not decoder.done and not decoder.reply.has_ended:
            self._end = math.inf
        elif self._end == math.inf:
            self._end = now + min(_GRACE_SECONDS, self._idle)
        return min(self._end, now + self._idle)


def _salvage(decoder: AnswerDecoder, on_delta: Callable[[Delta], None]) -> None:
    """Add complete lines, and text held back as the possible start of a tag, to a reply that was cut off."""
    with suppress(EngineError):  # the cause is already known
        for delta in decoder.salvage():
            on_delta(delta)
    on_delta(decoder.reply.finish())


def _broken(decoder: AnswerDecoder, cause: Exception) -> Ending:
    match cause:
        case _ if decoder.reply.seems_ended or decoder.done:
            return Ending()
        case Failure(kind="too_large") | EventTooLarge():
            return Ending("size_cap", cause)
        case Failure():
            return Ending("stream_cut", cause)
        case _:
            return Ending("upstream_error", cause)
