"""Bounded output: while a host does not read, nothing more is read from it."""

from types import TracebackType
from typing import Any, Final, Protocol, Self

import anyio

MOST_UNREAD: Final = 1_000
"""Messages that wait to be written when reading pauses. Each belongs to a call under way, and a result has the size
of a reply's cap, so this is about 100 MB at worst. A host may send this many requests before it reads an answer."""


class Sink(Protocol):
    """Where messages are written, one after another."""

    async def send(self, item: Any, /) -> None:  # noqa: ANN401 whatever the transport carries
        """Write one message."""
        ...

    async def aclose(self) -> None:
        """Stop writing."""
        ...


class Outgoing:
    """A sink that counts the writers that wait for the host to read.

    Args:
        sink: Where messages go.
        most: How many may wait before `drained` does.
    """

    def __init__(self, sink: Sink, most: int = MOST_UNREAD) -> None:
        self._sink = sink
        self._most = most
        self._waiting = 0
        self._moved = anyio.Event()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc_val: BaseException | None, exc_tb: TracebackType | None
    ) -> None:
        await self.aclose()

    async def send(self, item: Any, /) -> None:  # noqa: ANN401 whatever the transport carries
        """Write one message, once the host has read those before it."""
        self._waiting += 1
        try:
            await self._sink.send(item)
        finally:
            self._waiting -= 1
            self._moved.set()

    async def aclose(self) -> None:
        """Stop writing."""
        await self._sink.aclose()

    async def drained(self) -> None:
        """Wait until fewer than `most` messages wait."""
        while self._waiting >= self._most:
            self._moved = anyio.Event()
            await self._moved.wait()
