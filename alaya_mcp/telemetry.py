"""What is recorded of calls and of requests: the names of events and of their fields, for logs and telemetry.

An event holds ids, statuses, times and codes; never contents, keys or headers, since it has no field for them.
"""

import json
import secrets
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
        service_id: The deployment's id, once it was found: what a caller passes is not logged.
        call: Tells its lines from other calls'.
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
    call: str
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
        failure: What kind of failure, where there was none; `cancelled` at a deadline too.
        seconds: From sending it.
        call: The call that it was sent for; None outside of one.
    """

    name: ClassVar[str] = "upstream_request"
    plane: str
    method: str
    seconds: float
    status: int | None = None
    failure: str | None = None
    call: str | None = None


@dataclass(slots=True)
class CallFacts:
    """What is found out about a call while it runs.

    Attributes:
        tries: Requests sent upstream so far.
        service_id: The deployment's id, once it is found.
    """

    tries: int = 0
    service_id: str | None = None
    _key: str = ""

    @property
    def key(self) -> str:
        """Made when it is first asked for: most calls log nothing."""
        self._key = self._key or secrets.token_hex(4)
        return self._key


_current: ContextVar[CallFacts | None] = ContextVar("call", default=None)


@contextmanager
def call_facts() -> Generator[CallFacts]:
    """Yield the facts of the call that runs inside."""
    facts = CallFacts()
    token = _current.set(facts)
    try:
        yield facts
    finally:
        _current.reset(token)


def count_request() -> None:
    """Record that a request is being sent upstream."""
    if facts := _current.get():
        facts.tries += 1


def found_deployment(service_id: str) -> None:
    """Record which deployment the call is about."""
    if facts := _current.get():
        facts.service_id = service_id


def current_call() -> str | None:
    """Return the key of the call that runs; None outside of one."""
    facts = _current.get()
    return facts.key if facts else None
