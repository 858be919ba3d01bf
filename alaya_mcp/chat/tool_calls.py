"""Tool calls in a reply: put together from deltas, checked, and in the shape that a history takes. Pure."""

import json
from dataclasses import dataclass, field
from typing import Any, Final, cast

from alaya_mcp.deployment.lenient import encodable

MOST_CALLS: Final = 128
"""In one reply, as many as tools may be offered."""
_NAME_LENGTH: Final = 256
"""Characters of a call's id or of a function's name."""


@dataclass(slots=True)
class PartialCall:
    """One call as far as it has come.

    Attributes:
        call_id: As the engine named it, or empty.
        name: The function's.
        arguments: JSON text, piece by piece.
    """

    call_id: str = ""
    name: str = ""
    arguments: list[str] = field(default_factory=list[str])


class ToolCallCollector:
    """Puts calls together: by index, as OpenAI streams them, by id where an engine repeats or leaves out indexes.

    Attributes:
        left_out: Pieces of calls beyond the most that are taken.
    """

    def __init__(self) -> None:
        self._calls: dict[int, PartialCall] = {}
        self._last = -1
        self.left_out = 0

    @property
    def calls(self) -> list[PartialCall]:
        """The calls that name a function, in order."""
        return [call for _, call in sorted(self._calls.items()) if call.name]

    def add(self, deltas: object) -> bool:
        """Take one delta's, or one message's, `tool_calls`; whether there was anything of a call in it."""
        added = False
        for item in cast("list[Any]", deltas) if isinstance(deltas, list) else []:
            if isinstance(item, dict):
                added |= self._add(cast("dict[str, Any]", item))
        return added

    def _add(self, delta: dict[str, Any]) -> bool:
        inside = delta.get("function")
        function = cast("dict[str, Any]", inside) if isinstance(inside, dict) else {}
        call_id, name = _text(delta.get("id"))[:_NAME_LENGTH], _text(function.get("name"))[:_NAME_LENGTH]
        arguments = _arguments(function.get("arguments"))
        if not (call_id or name or arguments):
            return False
        call = self._call(delta.get("index"), call_id, name)
        if call is None:
            self.left_out += 1
            return True
        call.call_id = call.call_id or call_id
        if name != call.name:  # some engines repeat the name with each piece
            call.name = (call.name + name)[:_NAME_LENGTH]
        if arguments:
            call.arguments.append(arguments)
        return True

    def _call(self, index: object, call_id: str, name: str) -> PartialCall | None:
        last = self._last
        if not isinstance(index, int) or isinstance(index, bool):
            index = last + 1 if call_id or name or last < 0 else last
        known = self._calls.get(index)
        if known and call_id and known.call_id and call_id != known.call_id and name:
            known, index = None, last + 1
        if known is None and len(self._calls) < MOST_CALLS:
            known = self._calls[index] = PartialCall()
            self._last = max(last, index)
        return known


def is_complete(call: PartialCall) -> bool:
    """Whether the arguments are the JSON object that a tool can be run with."""
    try:
        return isinstance(json.loads("".join(call.arguments) or "{}"), dict)
    except (ValueError, RecursionError):
        return False


def _text(value: object) -> str:
    return encodable(value) if isinstance(value, str) else ""


def _arguments(value: object) -> str:
    """JSON text; some engines send the object itself."""
    if isinstance(value, dict):
        return encodable(json.dumps(value, ensure_ascii=False))
    return _text(value)
