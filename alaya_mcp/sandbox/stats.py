"""Counters of what a sandbox was asked and how each chat ended."""

from collections import Counter
from collections.abc import Callable, Generator
from contextlib import contextmanager

import anyio

_SHOWN = ("requests", "lookups", "control_requests", "chats_started", "chats_finished", "chats_aborted", "chats_active")


class CountedChat:
    """One chat that passed every check; it counts as aborted unless it is `finished`, which is all of it written."""

    finished: bool = False


class Stats:
    """Live counters. A refused request counts in `requests` only; a chat starts once it is accepted."""

    def __init__(self) -> None:
        self.requests: Counter[str] = Counter()  # to the data plane, by deployment
        self.chat_requests: Counter[str] = Counter()  # those of them that ask for a chat
        self.lookups: Counter[str] = Counter()  # of the detail of one deployment
        self.control_requests = 0  # to the control plane, look-ups among them
        self.chats_started = 0
        self.chats_finished = 0
        self.chats_aborted = 0
        self._changed = anyio.Event()

    @property
    def chats_active(self) -> int:
        """Return the number of chats that have started and neither finished nor been aborted."""
        return self.chats_started - self.chats_finished - self.chats_aborted

    def count_request(self, service_id: str, *, chatting: bool) -> None:
        """Count one data-plane request to a deployment."""
        self.requests[service_id] += 1
        self.chat_requests[service_id] += chatting
        self._notify()

    def count_control_request(self, path: str) -> None:
        """Count one control-plane request."""
        self.control_requests += 1
        kind, _, service_id = path.partition("/")
        if kind == "deployment" and service_id != "list":
            self.lookups[service_id] += 1
        self._notify()

    @contextmanager
    def chat(self) -> Generator[CountedChat]:
        """Count a chat for as long as the block runs."""
        chat = CountedChat()
        self.chats_started += 1
        self._notify()
        try:
            yield chat
        finally:
            self.chats_finished += chat.finished
            self.chats_aborted += not chat.finished
            self._notify()

    async def wait_for(self, predicate: Callable[["Stats"], bool]) -> None:
        """Wait until the counters satisfy the predicate; returns at once if they already do."""
        while not predicate(self):
            await self._changed.wait()

    def snapshot(self) -> dict[str, object]:
        """Return the counters as one JSON object."""
        return {name: getattr(self, name) for name in _SHOWN}

    def _notify(self) -> None:
        # An anyio event cannot be cleared, so every change has an event of its own.
        self._changed.set()
        self._changed = anyio.Event()
