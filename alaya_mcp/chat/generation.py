"""One reply's generation, from its request to its end: it goes on when the call that began it has returned."""

import asyncio
import math
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from types import TracebackType
from typing import Self

import anyio

from alaya_mcp.chat.exchange import Exchange
from alaya_mcp.chat.outcome import stopped
from alaya_mcp.chat.replies import ReplyStore
from alaya_mcp.chat.stored_reply import End, Heading, StopReason, StoredReply
from alaya_mcp.deadline import Deadline
from alaya_mcp.errors import AlayaError, UpstreamUnavailable

Write = Callable[["Generation"], Awaitable[Exchange]]
"""Asks for the reply and reads it."""
EndOf = Callable[[Exchange], Awaitable[End]]
"""Returns how a reply ended."""


class Generation:
    """Writes one reply.

    Args:
        seconds: How long it may go on after its request was sent; 0: until the deadline of its call.
        deadline: Of its call. Until the request is sent, everything ends by it.

    Attributes:
        reply: What it writes.
    """

    reply: StoredReply

    def __init__(self, seconds: float, deadline: Deadline) -> None:
        self._seconds = seconds
        self._limit = deadline.at
        self._claimed = -math.inf
        self._reason: StopReason = "deadline"
        self._scope = anyio.CancelScope()
        self._cut_off: Callable[[StopReason], Exchange] | None = None

    @property
    def reason(self) -> StopReason:
        """Why it is stopped, if it is."""
        return self._reason if self._scope.cancel_called else "server_lost"

    def stop(self, reason: StopReason) -> None:
        """Stop at once, and end the reply with what has come."""
        self._reason = reason
        self._scope.cancel()

    def extend(self, until: float) -> None:
        """Go on until then at least, in place of what was said last; not if the reply ends with its call."""
        self._claimed = until if self._seconds else -math.inf
        if self._scope.deadline < math.inf:
            self._scope.deadline = max(self._limit, self._claimed)

    def sent(self, heading: Heading, cut_off: Callable[[StopReason], Exchange]) -> None:
        """Record that the request is being sent; from now on the limit of the generation is what counts.

        `cut_off` makes an answer of what has come, should it be stopped.
        """
        if self._seconds:
            self._limit = heading.sent + self._seconds
        self._scope.deadline = max(self._limit, self._claimed)
        self._cut_off = cut_off
        self.reply.begin(heading)

    def failed(self) -> None:
        """Record that nothing comes of the request: until another is sent, everything ends by the call's deadline."""
        self._scope.deadline = math.inf
        self._cut_off = None
        self.reply.is_sent = False

    def answered(self) -> None:
        """Record that the answer has been read."""
        self._scope.deadline = math.inf

    async def run(self, write: Write, end_of: EndOf, store: ReplyStore) -> None:
        """Write the reply; how it ended is recorded whatever happens."""
        end, exchange = stopped(self._reason), None
        try:
            with self._scope:
                exchange = await write(self)
            if exchange is None and self._cut_off:
                exchange = self._cut_off(self._reason)
            if exchange:
                end = await end_of(exchange)
            elif self.reply.heading:
                end = stopped(self._reason)
            else:
                end = End(error=UpstreamUnavailable("server_stopping"))
        except asyncio.CancelledError:  # this server ends
            end = stopped("server_lost", "writing" if self.reply.size else "nothing")
            raise
        except AlayaError as error:
            end = End(error=replace(error))  # without what led to it, which holds the request
        except Exception as bug:  # noqa: BLE001 raised again by each call that reads the reply
            end = End(error=bug)
        finally:
            self._cut_off = None
            store.end(self.reply, end)


class Generations:
    """Runs generations; an async context manager that stops them all at its end."""

    def __init__(self) -> None:
        self._tasks: dict[asyncio.Task[None], Generation] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def __len__(self) -> int:
        return len(self._tasks)

    def start(self, generation: Generation, write: Write, end_of: EndOf, store: ReplyStore) -> None:
        """Start a generation."""
        # A task of an anyio group, one in each chat, would take a tenth of a short chat's time.
        task = asyncio.get_running_loop().create_task(generation.run(write, end_of, store))
        self._tasks[task] = generation
        task.add_done_callback(partial(self._done, store))

    def _done(self, store: ReplyStore, task: asyncio.Task[None]) -> None:
        reply = self._tasks.pop(task).reply
        if reply.end is None:  # it was cancelled before its first step
            store.end(reply, stopped("server_lost"))

    async def finished(self, seconds: float) -> None:
        """Wait until none is running, so long at most."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=seconds)

    def stop(self) -> None:
        """Stop all; who reads one gets what has come."""
        for generation in list(self._tasks.values()):
            generation.stop("server_lost")
