"""What traces and metrics are made of: calls, requests and chats, reported while they run.

The classes here keep nothing, so that a server that nobody observes pays next to nothing; those in `observability` do.
What is reported is a number, a code or a name from a known set: there is no field for contents, keys or a caller's
words.
"""

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from types import TracebackType
from typing import Any, ClassVar, Final, Self

from alaya_mcp.error_causes import Plane
from alaya_mcp.results import Usage

OTHER: Final = "other"
"""In place of a name that is in no known set."""

Headers = Iterable[tuple[bytes, bytes]]
"""Names in lower case, with values, as ASGI has them."""
Take = Callable[[Any], None]
"""Takes one delta of a reply."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One message of a host.

    Attributes:
        method: Of MCP.
        tool: The tool's name, for `tools/call`.
        prompt: The prompt's name, for `prompts/get`.
        version: Of the protocol.
        request_id: If it is a number: a text may hold anything.
        over_http: Whether it came over HTTP.
        meta: Its `_meta`, for the trace context in it.
    """

    method: str
    tool: str | None = None
    prompt: str | None = None
    version: str | None = None
    request_id: int | None = None
    over_http: bool = False
    meta: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class ChatFacts:
    """What is known of a chat so far.

    Attributes:
        sent: When its request was last sent, on the event loop's clock.
        usage: Tokens, as the engine counted them.
        finish_reason: Why the engine stopped.
        stopped: Why it is stopped, if it is.
    """

    sent: float
    usage: Usage | None
    finish_reason: str | None
    stopped: str


class Watch:
    """Follows something while its block runs."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class OperationWatch(Watch):
    """Follows one message of a host."""

    def failed(self, code: str, rpc_code: int | None = None) -> None:
        """Record that its answer is an error, with this code; `rpc_code` if it is one of JSON-RPC."""

    def truncated(self, reason: str) -> None:
        """Record what truncated its reply."""


class RequestWatch(Watch):
    """Follows one request upstream, up to the head of its response."""

    headers: Mapping[str, str] = {}
    """For the request: the trace context."""

    def answered(self, status: int) -> None:
        """Record the status."""


class ChatWatch(Watch):
    """Follows one chat, from its request to the end of the answer."""

    def timed(self, take: Take) -> Take:
        """Return a taker of deltas that also measures when they come."""
        return take

    def ended(self, cut: str | None) -> None:
        """Record that the answer has ended, and what truncated it."""


class Observer:
    """Follows what happens; this one does nothing."""

    is_on: ClassVar[bool] = False

    def operation(self, operation: Operation) -> OperationWatch:
        """Return what follows one message of a host."""
        del operation
        return _OPERATION

    def request(self, plane: Plane, method: str, url: str) -> RequestWatch:
        """Return what follows one request upstream."""
        del plane, method, url
        return _REQUEST

    def chat(self, model: str, url: str, facts: Callable[[], ChatFacts]) -> ChatWatch:
        """Return what follows one chat.

        Args:
            model: Its name, from a known set.
            url: The engine's.
            facts: Returns what is known so far.
        """
        del model, url, facts
        return _CHAT

    def joined(self, headers: Headers) -> AbstractContextManager[object]:
        """Return a block in which everything belongs to the trace in the headers of an HTTP request."""
        del headers
        return nullcontext()

    def watch(self, **levels: Callable[[], int]) -> None:
        """Read these levels whenever metrics are collected, from another thread; their names: `observability.names`."""

    def exposition(self) -> bytes:
        """Return all metrics in Prometheus's text format."""
        return b""


_OPERATION: Final = OperationWatch()
_REQUEST: Final = RequestWatch()
_CHAT: Final = ChatWatch()
NOBODY: Final = Observer()
"""Nobody observes."""
