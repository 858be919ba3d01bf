"""The records of a reply in the store: its heading, its state, its text and its end."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Final, get_args

from pydantic import ValidationError

from alaya_mcp.chat.remark import Kind, Remark
from alaya_mcp.chat.stored_reply import End, Heading, StopReason, StoredReply
from alaya_mcp.error_causes import Cause
from alaya_mcp.errors import AlayaError, InternalError, Setting
from alaya_mcp.results import ChatResult

HEADING: Final = b"H"
STATE: Final = b"S"
TEXT: Final = b"T"
END: Final = b"E"

_KINDS: Final = frozenset(kind for literal in get_args(Kind) for kind in get_args(literal))
_CAUSES: Final = frozenset(get_args(Cause))
_CLASSES: Final = {each.code: each for each in AlayaError.__subclasses__()}
_TUPLES: Final = frozenset({"candidates", "known"})
_ERROR_FIELDS: Final = frozenset(each.name for each in fields(AlayaError))


@dataclass(frozen=True, slots=True)
class Times:
    """How to tell a time on the event loop's clock to another process: as the time of day.

    Attributes:
        ahead: The time of day minus the loop's, in seconds.
    """

    ahead: float

    def to_date(self, at: float | None) -> float | None:
        """Return the time of day at a time of the loop."""
        return None if at is None else at + self.ahead

    def from_date(self, at: float | None) -> float | None:
        """Return the time of the loop at a time of day."""
        return None if at is None else at - self.ahead


def heading_record(heading: Heading, writer: str, times: Times) -> bytes:
    """Return the record of a heading; `writer` identifies the server that writes the reply."""
    return HEADING + _dumped({**asdict(heading), "sent": times.to_date(heading.sent), "writer": writer})


def read_heading(data: bytes, times: Times) -> tuple[Heading, str]:
    """Return a heading and the writer."""
    found = json.loads(data[1:])
    sent = times.from_date(found["sent"]) or 0
    return Heading(found["service_id"], found["model"], _remarks(found["remarks"]), sent), found["writer"]


def state_of(reply: StoredReply, times: Times) -> dict[str, Any]:
    """Return what is told of a reply beside its text."""
    return {
        "thoughts": reply.thoughts,
        "calling": reply.is_calling,
        "first": times.to_date(reply.first_token),
        "told": reply.told,
    }


def state_record(state: Mapping[str, Any]) -> bytes:
    """Return the record of a state."""
    return STATE + _dumped(state)


def take_state(reply: StoredReply, data: bytes, times: Times) -> None:
    """Tell a reply's readers a state."""
    found = json.loads(data[1:])
    reply.is_calling = found["calling"]
    reply.first_token = times.from_date(found["first"])
    if found["told"]:
        reply.status(*found["told"])
    if (more := found["thoughts"] - reply.thoughts) > 0:
        reply.think(more)


def end_record(end: End) -> bytes:
    """Return the record of an end."""
    found = {
        "facts": end.facts and end.facts.model_dump(mode="json"),
        "remarks": [asdict(remark) for remark in end.remarks],
        "begins": end.begins,
        "reason": end.reason,
        "error": _error(end.error) if end.error else None,
    }
    return END + _dumped(found)


def read_end(data: bytes) -> End:
    """Return an end. What a later version has and this one does not know is left out."""
    found: dict[str, Any] = json.loads(data[1:])
    error = _read_error(found["error"]) if found["error"] else None
    told: dict[str, Any] = found["facts"] or {}
    known = {name: value for name, value in told.items() if name in ChatResult.model_fields}
    try:
        facts = ChatResult.model_validate(known) if known else None
    except ValidationError:
        return End(error=InternalError("bug"))
    reason = found["reason"] if found["reason"] in get_args(StopReason) else None
    return End(facts, _remarks(found["remarks"]), found["begins"], reason, error)


def _dumped(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _remarks(found: list[dict[str, Any]]) -> tuple[Remark, ...]:
    known = {each.name for each in fields(Remark)}
    return tuple(
        Remark(**{name: value for name, value in each.items() if name in known})
        for each in found
        if each["kind"] in _KINDS
    )


def _error(error: Exception) -> dict[str, Any]:
    """Return an error's facts; a bug has none that another server could show."""
    if not isinstance(error, AlayaError):
        return {"code": InternalError.code, "cause": "bug"}
    facts = {each.name: getattr(error, each.name) for each in fields(error)}
    facts["settings"] = [asdict(setting) for setting in error.settings]
    facts["because"] = _error(error.because) if error.because else None
    return {"code": error.code, **facts}


def _read_error(found: dict[str, Any]) -> AlayaError:
    kind = _CLASSES.get(found.pop("code"))
    if kind is None or found["cause"] not in _CAUSES:
        return InternalError("bug")
    facts: dict[str, Any] = {name: value for name, value in found.items() if name in _ERROR_FIELDS}
    facts |= {name: tuple(facts[name]) for name in _TUPLES & facts.keys()}
    facts["settings"] = tuple(Setting(**each) for each in found.get("settings", ()))
    if facts.get("because"):
        facts["because"] = _read_error(found["because"])
    return kind(**facts)
