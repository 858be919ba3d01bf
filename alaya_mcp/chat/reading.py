"""One call's reading of a reply: follow it until it ends, the part is full, or the call's deadline comes."""

import asyncio
import math
from dataclasses import dataclass, replace
from typing import Any, Final

from alaya_mcp.chat.remark import Kind, Progress, Remark
from alaya_mcp.chat.reply_window import ReplyWindow, cut, size_of
from alaya_mcp.chat.stored_reply import Heading, StoredReply
from alaya_mcp.clock import now
from alaya_mcp.errors import AlayaError, UpstreamUnavailable
from alaya_mcp.progress import Notes, Phase
from alaya_mcp.results import ChatResult, Timing, TruncatedReason

_ABOUT_MORE: Final = frozenset[Kind]({"still_generating", "shown_in_part"})


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one call returns of a reply.

    Attributes:
        result: The part, without warnings.
        remarks: On it.
        is_later: Whether text comes before it.
    """

    result: ChatResult
    remarks: tuple[Remark, ...] = ()
    is_later: bool = False


class Reading:
    """Follows a reply from a byte on.

    Args:
        notes: Receives what is read.
        start: The byte.
        room: Bytes that are shown at most.
        until: When to stop, on the event loop's clock; infinite for a reply that ends with its call, all of which is
            waited for.
        is_first: Whether it is the call that asked. Until the request is sent the writer keeps that call's deadline,
            and what it says then is waited for.
    """

    def __init__(self, notes: Notes, *, start: int = 0, room: int, until: float, is_first: bool = True) -> None:
        self._notes = notes
        self._start = start
        self._room = room
        self.until = until
        self._is_first = is_first
        self._window = ReplyWindow(room, notes)
        self._is_over = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def is_full(self) -> bool:
        """Whether no more text is taken."""
        return self._window.is_full

    def status(self, phase: Phase, words: str, detail: str = "") -> None:
        """Pass the status on."""
        self._notes.status(phase, words, detail)

    def think(self, pieces: int = 1) -> None:
        """Pass on that the model thinks."""
        self._notes.think(pieces)

    def write(self, text: str) -> None:
        """Take text, and pass on what is certain to be shown."""
        self._window.take(text)
        if self._window.is_full and self.until < math.inf:  # else the reply ends with its call
            self._is_over.set()

    def begun(self) -> None:
        """Hear that the request has been sent."""
        if self._timer:
            self._timer.cancel()
        if self.until < math.inf:
            self._timer = asyncio.get_running_loop().call_at(self.until, self._is_over.set)

    def ended(self) -> None:
        """Hear that the reply has ended."""
        self._is_over.set()

    async def over(self, reply: StoredReply) -> None:
        """Wait until there is nothing more to read now, or it is time to stop."""
        if not self._is_first:
            self.begun()
        try:
            await self._is_over.wait()
            while self._is_first and not (reply.is_sent or reply.end):  # a request can fail after it was sent
                self._is_over.clear()
                await self._is_over.wait()
        finally:
            if self._timer:
                self._timer.cancel()

    def outcome(self, reply: StoredReply) -> Outcome:
        """Return what was read; the reply is known from now on if there is more to read.

        Raises:
            Exception: why there is no reply.
        """
        end = reply.end
        if end and isinstance(end.error, AlayaError):
            raise replace(end.error, is_of_reply=not self._is_first)
        if end and end.error:
            raise end.error.with_traceback(None)
        self._window.finish()
        start = max(self._start, end.begins) if end else self._start
        # What was taken for the reply while it arrived may have been thinking.
        content = self._window.shown if start == self._start else cut(reply.after(start), self._room)
        at = start + size_of(content)
        later = [Remark("later_part", name=f"{start} to {at}")] if self._start else []
        if at < reply.size or not end:
            return self._part(reply, content, at, later)
        if end.facts:
            result = end.facts.model_copy(update={"content": content})
        else:
            result = _begun(reply, truncated=True, truncated_reason=end.reason, content=content)
        return Outcome(result, (*later, *end.remarks), is_later=start > end.begins)

    def _part(self, reply: StoredReply, content: str, at: int, later: list[Remark]) -> Outcome:
        """Return a part with more behind it."""
        reply.is_known = True
        has_more = at < reply.size
        reason: TruncatedReason = "size_cap" if has_more else "still_generating"
        facts: dict[str, Any] = {"truncated": True, "truncated_reason": reason, "content": content}
        about = Remark("shown_in_part", shown=at) if has_more else _still_generating(reply)
        cautions = reply.heading.remarks if reply.heading and not self._start else ()
        result = _begun(reply, **facts, read_on=f"{reply.uri}?from={at}")
        return Outcome(result, (*cautions, *later, about), is_later=self._start > 0)


def not_stored(outcome: Outcome) -> Outcome:
    """Return a part whose rest nobody could read on, since the store that servers share cannot be reached.

    Raises:
        UpstreamUnavailable: nothing has come.
    """
    result = outcome.result
    if not result.content:
        raise UpstreamUnavailable("store_unavailable", service_id=result.service_id, is_chat=True)
    reason: TruncatedReason = "size_cap" if result.truncated_reason == "size_cap" else "deadline"
    about = tuple(remark for remark in outcome.remarks if remark.kind not in _ABOUT_MORE)
    facts = {"read_on": None, "truncated_reason": reason}
    return replace(outcome, result=result.model_copy(update=facts), remarks=(*about, Remark("rest_not_stored")))


def _begun(reply: StoredReply, **facts: Any) -> ChatResult:  # noqa: ANN401 fields of the result
    """Return the result of a reply that has begun, as far as it is known."""
    heading = reply.heading or Heading("", "", (), now())
    first = None if reply.first_token is None else round(reply.first_token - heading.sent, 3)
    timing = Timing(first_token_seconds=first, total_seconds=round(now() - heading.sent, 3))
    return ChatResult(service_id=heading.service_id, model=heading.model, timing=timing, warnings=[], **facts)


def _still_generating(reply: StoredReply) -> Remark:
    progress: Progress = "nothing"
    if reply.is_calling:
        progress = "calling"
    elif reply.size:
        progress = "writing"
    elif reply.thoughts:
        progress = "thinking"
    since = reply.first_token if reply.thoughts and reply.first_token else reply.heading and reply.heading.sent
    return Remark("still_generating", progress=progress, whole=reply.thoughts, seconds=now() - (since or now()))
