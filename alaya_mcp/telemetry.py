"""What is recorded of calls and of requests: the names of events and of their fields, for logs and telemetry.

An event holds ids, statuses, times and codes; never contents, keys or headers, since it has no field for them.
"""

import json
from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Literal

Outcome = Literal["ok", "cancelled", "input_required"]
"""How a call ended that has no error code."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened. Fields that are None are left out."""

    name: ClassVar[str]

    def facts(self) -> dict[str, Any]:
        """The fields that say something, by name; seconds to the millisecond."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: _rounded(value) for name, value in values.items() if value is not None}

    def __str__(self) -> str:
        facts = (f"{name}={_shown(value)}" for name, value in self.facts().items())
        return f"{self.name} {' '.join(facts)}"


def _rounded(value: object) -> object:
    return round(value, 3) if isinstance(value, float) else value


def _shown(value: object) -> str:
    """A value on one line, in quotes where it would not be clear where it ends."""
    text = str(value)
    is_plain = text.isprintable() and text and not set(text) & set(' ="')
    return text if is_plain else json.dumps(text, ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class ToolCall(Event):
    """One call of a tool.

    Attributes:
        tool: Which.
        service_id: The deployment, as it was found or, where it was not, as it was asked for.
        account: What tells its access key from others.
        outcome: An `Outcome`, or an error's code.
        truncated: What cut the reply, where something did.
        seconds: From its coming to its end.
        tries: Requests sent upstream for it.
    """

    name: ClassVar[str] = "tool_call"
    tool: str
    outcome: str
    seconds: float
    tries: int
    service_id: str | None = None
    account: str | None = None
    truncated: str | None = None


@dataclass(frozen=True, slots=True)
class UpstreamRequest(Event):
    """One request to either plane, until the head of its answer.

    Attributes:
        plane: Which.
        method: Of HTTP.
        status: Of HTTP, where there was an answer.
        failure: What kind of failure, where there was none.
        seconds: From sending it.
    """

    name: ClassVar[str] = "upstream_request"
    plane: str
    method: str
    seconds: float
    status: int | None = None
    failure: str | None = None


@dataclass(slots=True)
class Requests:
    """How many requests were sent upstream."""

    sent: int = 0


_current: ContextVar[Requests | None] = ContextVar("requests", default=None)


@contextmanager
def counted_requests() -> Generator[Requests]:
    """Count the requests that are sent upstream by what runs inside."""
    requests = Requests()
    token = _current.set(requests)
    try:
        yield requests
    finally:
        _current.reset(token)


def count_request() -> None:
    """Take note of a request that is being sent."""
    if requests := _current.get():
        requests.sent += 1
