"""Tool calls in a reply: assembled from deltas and checked. No I/O."""

import json
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final, Literal, cast

from alaya_mcp.printable import encodable

MOST_CALLS: Final = 128
"""Calls in one reply, as many as tools may be offered."""
_LARGE: Final = 1_024
"""Longer arguments, in characters, are parsed again only after doubling in length."""
_NAME_LENGTH: Final = 256
"""Characters of a call's id or of a function's name."""

Flaw = Literal["cut", "not_json", "not_an_object"]
"""Why a call cannot be run."""


@dataclass(slots=True)
class PartialCall:
    """One call so far.

    Attributes:
        call_id: The engine's id, or empty.
        name: The function's.
        pieces: JSON text, piece by piece.
        length: Their total length in characters.
        length_seen: The length when last parsed.
        index: The index of its first piece, if the engine sent one.
    """

    index: int | None = None
    call_id: str = ""
    name: str = ""
    pieces: list[str] = field(default_factory=list[str])
    length: int = 0
    length_seen: int = 0

    @property
    def arguments(self) -> str:
        """The JSON text so far: the pieces joined, or the last one if each repeats all before it."""
        joined, last = "".join(self.pieces), self.pieces[-1] if self.pieces else ""
        may_repeat = len(self.pieces) > 1 and last.lstrip().startswith("{") and _is_json(last)
        repeats = may_repeat and not _is_json(joined) and _each_extends(self.pieces)
        return encodable(last if repeats else joined)

    def flaw(self, *, is_cut: bool) -> Flaw | None:
        """Return why the call cannot be run, None if it can.

        Args:
            is_cut: Whether the reply was cut off in this call. Missing arguments then never arrived, rather than being
                empty.
        """
        if not self.pieces:
            return "cut" if is_cut else None
        try:
            value = json.loads(self.arguments)
        except (ValueError, RecursionError):
            return "cut" if is_cut else "not_json"
        return None if isinstance(value, dict) else "not_an_object"


class ToolCallCollector:
    """Assembles calls from their pieces.

    A new id, or a name if the call already has one, starts a call; one id is one call. A piece with neither belongs to
    the last call started under its index, or else to the last one: engines omit indexes, repeat one for all calls, or
    increment them within a call (public reports on vLLM, SGLang and gateways).

    Attributes:
        left_out: Pieces of calls beyond the limit.
    """

    def __init__(self) -> None:
        self._calls: list[PartialCall] = []
        self._by_index: dict[int, PartialCall] = {}
        self.left_out = 0

    @property
    def calls(self) -> list[PartialCall]:
        """The calls that name a function, by index if it is unique, else in order of arrival."""
        calls = [call for call in self._calls if call.name]
        places = {call.index for call in calls}
        if None not in places and len(places) == len(calls):
            calls.sort(key=lambda call: call.index or 0)
        return calls

    def add(self, deltas: object) -> bool:
        """Add the `tool_calls` of a delta or message; return whether it held any part of a call."""
        added = False
        for item in cast("list[Any]", deltas) if isinstance(deltas, list) else [deltas]:
            if isinstance(item, dict):
                added |= self._add(cast("dict[str, Any]", item))
        return added

    def _add(self, delta: dict[str, Any]) -> bool:
        function = _function(delta)
        call_id, name = _name(delta.get("id")), _name(function.get("name"))
        arguments = _arguments(function.get("arguments"))
        if not (call_id or name or arguments):
            return False
        index = index_in(delta.get("index"))
        call = self._begun(index, call_id, name, arguments) or self._new(index)
        if call is None:
            self.left_out += 1
            return True
        if index is not None:
            self._by_index[index] = call
        call.call_id = call.call_id or call_id
        if name != call.name:  # some engines repeat the name, others send it in pieces
            call.name = (name if name.startswith(call.name) else call.name + name)[:_NAME_LENGTH]
        # A last piece that repeats everything adds nothing.
        if arguments and not (len(call.pieces) > 1 and len(arguments) == call.length and arguments == call.arguments):
            call.pieces.append(arguments)
            call.length += len(arguments)
        return True

    def _begun(self, index: int | None, call_id: str, name: str, arguments: str) -> PartialCall | None:
        """Return the call that a piece belongs to, None if it starts one."""
        last = self._calls[-1] if self._calls else None
        here = last if index is None else self._by_index.get(index)
        if call_id:
            same = (call for call in self._calls if call.call_id == call_id and _may_be_named(call, name))
            if known := next(same, None):
                return known
            if here is None or (name and here.call_id):
                return None
            # The first id of a call, or a new id on each piece of one call.
            return here if not name or _continues(here, name) else None
        if name and here:
            is_in_place = index is not None and (name == here.name if not arguments else not here.pieces)
            return here if is_in_place or _continues(here, name) else None
        return None if name else here or last

    def _new(self, index: int | None) -> PartialCall | None:
        if len(self._calls) == MOST_CALLS:
            return None
        self._calls.append(PartialCall(index))
        return self._calls[-1]


def _continues(call: PartialCall, name: str) -> bool:
    """Return whether a piece with a name but no id continues a call: some engines repeat the name each time."""
    if not call.name or call.name != name or not call.pieces:
        return not call.name or call.name == name
    # Parsed only if it may be complete, since there may be many pieces.
    if not call.pieces[-1].rstrip().endswith("}") or _LARGE < call.length < 2 * call.length_seen:
        return True
    call.length_seen = call.length
    return call.flaw(is_cut=True) == "cut"


def _may_be_named(call: PartialCall, name: str) -> bool:
    """Return whether a name fits a call with the same id: some engines extend it each time."""
    return name in {"", call.name} or (not call.pieces and name.startswith(call.name))


def _each_extends(pieces: list[str]) -> bool:
    """Return whether each piece extends the one before it, or replaces a complete object."""
    return all(after.startswith(before) or _is_json(before) for before, after in pairwise(pieces))


def _is_json(text: str) -> bool:
    """Return whether a text is a complete JSON object."""
    if not text.rstrip().endswith("}"):
        return False
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False


def _function(delta: dict[str, Any]) -> dict[str, Any]:
    """Return the function of a call: nested, nested as JSON text, or flat."""
    inside = delta.get("function")
    if isinstance(inside, str):
        try:
            inside = json.loads(inside)
        except (ValueError, RecursionError):
            return {}
    if inside is None:
        return delta
    return cast("dict[str, Any]", inside) if isinstance(inside, dict) else {}


def _name(value: object) -> str:
    """Return an id or a function's name; numbers are taken as text."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    return encodable(value)[:_NAME_LENGTH] if isinstance(value, str) else ""


def index_in(value: object) -> int | None:
    """Return an index, as a number or as text; None for anything else."""
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value[:9])
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _arguments(value: object) -> str:
    """Return arguments as JSON text; some engines send the value, where PHP's empty object is an empty list."""
    if isinstance(value, str):
        return value
    try:
        return "" if value is None or value == [] else encodable(json.dumps(value, ensure_ascii=False))
    except RecursionError:
        return "{"  # nested too deeply to be run: a flaw
