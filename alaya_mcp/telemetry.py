"""Events of calls and requests, with the names of their fields, for logs and telemetry.

An event holds ids, statuses, times and codes; never contents, keys or headers, since it has no field for them.
"""

import json
import logging
import secrets
from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Final, Literal, get_args

from alaya_mcp.clock import now
from alaya_mcp.errors import InternalError

Outcome = Literal["ok", "cancelled", "input_required"]
"""How a call without an error code ended."""
_NO_FAILURES: Final = frozenset(get_args(Outcome))
UNKNOWN: Final = "unknown"
"""The tool of a call to a tool that does not exist: the name that the caller sent is not logged."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened. Fields that are None are left out."""

    name: ClassVar[str]

    def facts(self) -> dict[str, Any]:
        """Return the fields that are not None, by name; seconds to the millisecond."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: _rounded(value) for name, value in values.items() if value is not None}

    def __str__(self) -> str:
        facts = (f"{name}={_shown(value)}" for name, value in self.facts().items())
        return f"{self.name} {' '.join(facts)}"


def _rounded(value: object) -> object:
    return round(value, 3) if isinstance(value, float) else value


def _shown(value: object) -> str:
    """Return a value on one line, quoted if its end would be unclear."""
    text = str(value)
    is_plain = text.isprintable() and text and not set(text) & set(' ="')
    return text if is_plain else json.dumps(text, ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class ToolCall(Event):
    """One call of a tool.

    Attributes:
        tool: The tool's name; `resources/read` for a resource; `UNKNOWN`.
        outcome: An `Outcome`, or an error's code.
        seconds: From its arrival to its end.
        tries: Requests sent upstream for it.
        call: A random key, the same on all lines of one call.
        service_id: The deployment's id, once it is found: the caller's own text is not logged.
        account: A fingerprint of the access key.
        truncated: What truncated the reply, or None.
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
    """One request to either plane, up to the head of its response.

    Attributes:
        plane: The plane.
        method: The HTTP method.
        seconds: From sending it.
        status: The HTTP status, if there was a response.
        failure: The kind of failure, if there was none; `cancelled` at a deadline too.
        call: The key of the call that it was sent for; None outside of one.
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
    """Facts about a call that become known while it runs; as in `ToolCall`."""

    tries: int = 0
    outcome: str | None = None
    service_id: str | None = None
    truncated: str | None = None
    _key: str = ""

    @property
    def key(self) -> str:
        """The call's key, generated on first use: at most levels nothing is logged."""
        self._key = self._key or secrets.token_hex(4)
        return self._key


_current: ContextVar[CallFacts | None] = ContextVar("call", default=None)


@contextmanager
def logged_call(tool: str, account: str | None) -> Generator[CallFacts]:
    """Yield the facts of the call in the block, and log one line at its end; a failure is a warning."""
    facts, began = CallFacts(), now()
    token = _current.set(facts)
    try:
        yield facts
    except Exception:
        facts.outcome = facts.outcome or InternalError.code
        raise
    except BaseException:
        facts.outcome = facts.outcome or "cancelled"
        raise
    finally:
        _current.reset(token)
        outcome, seconds = facts.outcome or "ok", now() - began
        level = logging.INFO if outcome in _NO_FAILURES else logging.WARNING
        if _log.isEnabledFor(level):
            call = (facts.tries, facts.key, facts.service_id, account, facts.truncated)
            _log.log(level, ToolCall(tool, outcome, seconds, *call))


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
