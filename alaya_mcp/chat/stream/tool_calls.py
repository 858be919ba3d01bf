"""Tool calls in a reply: put together from deltas, checked, and in the shape that a history takes. No I/O."""

import json
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final, Literal, cast

from alaya_mcp.printable import encodable

MOST_CALLS: Final = 128
"""In one reply, as many as tools may be offered."""
_LARGE: Final = 65_536
"""Characters of arguments from which on they are parsed again only once they are twice as long."""
_NAME_LENGTH: Final = 256
"""Characters of a call's id or of a function's name."""

Flaw = Literal["cut", "not_json", "not_an_object"]
"""Why a call cannot be run."""


@dataclass(slots=True)
class PartialCall:
    """One call as far as it has come.

    Attributes:
        call_id: As the engine named it, or empty.
        name: The function's.
        pieces: JSON text, piece by piece.
        length: Characters of them.
        length_seen: The same when they were last parsed.
        index: The place among the calls that it began with, where the engine sent one.
    """

    index: int | None = None
    call_id: str = ""
    name: str = ""
    pieces: list[str] = field(default_factory=list[str])
    length: int = 0
    length_seen: int = 0

    @property
    def arguments(self) -> str:
        """The JSON text as far as it has come: the pieces together, or the last where each says all so far."""
        joined, last = "".join(self.pieces), self.pieces[-1] if self.pieces else ""
        may_say_all = len(self.pieces) > 1 and last.lstrip().startswith("{") and _is_json(last)
        says_all = may_say_all and not _is_json(joined) and _each_goes_on(self.pieces)
        return encodable(last if says_all else joined)

    def flaw(self, *, is_cut: bool) -> Flaw | None:
        """Why the call cannot be run, None where it can.

        Args:
            is_cut: Whether the reply was cut off in this call. A call without arguments is then one whose arguments
                never came, not one that takes none.
        """
        if not self.pieces:
            return "cut" if is_cut else None
        try:
            value = json.loads(self.arguments)
        except (ValueError, RecursionError):
            return "cut" if is_cut else "not_json"
        return None if isinstance(value, dict) else "not_an_object"


class ToolCallCollector:
    """Puts calls together from their pieces.

    An id that was not seen before, or a name where the call has one already, starts a call; one id is one call. A piece
    with neither belongs to the call that was last begun under its index, or else to the last one: engines leave indexes
    out, repeat one for all calls, or count on in the middle of a call (public reports on vLLM, SGLang and gateways).

    Attributes:
        left_out: Pieces of calls beyond the most that are taken.
    """

    def __init__(self) -> None:
        self._calls: list[PartialCall] = []
        self._by_index: dict[int, PartialCall] = {}
        self.left_out = 0

    @property
    def calls(self) -> list[PartialCall]:
        """The calls that name a function, by index where that tells them apart, else as they began."""
        calls = [call for call in self._calls if call.name]
        places = {call.index for call in calls}
        if None not in places and len(places) == len(calls):
            calls.sort(key=lambda call: call.index or 0)
        return calls

    def add(self, deltas: object) -> bool:
        """Take one delta's, or one message's, `tool_calls`; whether there was anything of a call in it."""
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
        if name != call.name:  # some engines repeat it, others send it in pieces
            call.name = (name if name.startswith(call.name) else call.name + name)[:_NAME_LENGTH]
        # A last piece that says everything once more adds nothing.
        if arguments and not (len(call.pieces) > 1 and len(arguments) == call.length and arguments == call.arguments):
            call.pieces.append(arguments)
            call.length += len(arguments)
        return True

    def _begun(self, index: int | None, call_id: str, name: str, arguments: str) -> PartialCall | None:
        """The call that a piece belongs to, None where it starts one."""
        last = self._calls[-1] if self._calls else None
        here = last if index is None else self._by_index.get(index)
        if call_id:
            same = (call for call in self._calls if call.call_id == call_id and _may_be_named(call, name))
            if known := next(same, None):
                return known
            if here is None or (name and here.call_id):
                return None
            # An id for a call that had none so far, or a new id on each piece of one call.
            return here if not name or _goes_on(here, name) else None
        if name and here:
            is_in_place = index is not None and (name == here.name if not arguments else not here.pieces)
            return here if is_in_place or _goes_on(here, name) else None
        return None if name else here or last

    def _new(self, index: int | None) -> PartialCall | None:
        if len(self._calls) == MOST_CALLS:
            return None
        self._calls.append(PartialCall(index))
        return self._calls[-1]


def _goes_on(call: PartialCall, name: str) -> bool:
    """Whether a piece with a name and no id of its own belongs to a call: some engines repeat the name each time."""
    if not call.name or call.name != name or not call.pieces:
        return not call.name or call.name == name
    # Only what may be whole is parsed, since there may be many pieces.
    if not call.pieces[-1].rstrip().endswith("}") or _LARGE < call.length < 2 * call.length_seen:
        return True
    call.length_seen = call.length
    return call.flaw(is_cut=True) == "cut"


def _may_be_named(call: PartialCall, name: str) -> bool:
    """Whether a name may be that of a call with the same id: some engines send it longer each time."""
    return name in {"", call.name} or (not call.pieces and name.startswith(call.name))


def _each_goes_on(pieces: list[str]) -> bool:
    """Whether each piece is the one before it and more, or in place of an object that was whole."""
    return all(after.startswith(before) or _is_json(before) for before, after in pairwise(pieces))


def _is_json(text: str) -> bool:
    """Whether a text is an object, whole."""
    if not text.rstrip().endswith("}"):
        return False
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False


def _function(delta: dict[str, Any]) -> dict[str, Any]:
    """The function in a call: inside it, as JSON text there, or flat."""
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
    """An id or a function's name; numbers are taken as text."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    return encodable(value)[:_NAME_LENGTH] if isinstance(value, str) else ""


def index_in(value: object) -> int | None:
    """An index, as a number or as text; None for anything else."""
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value[:9])
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _arguments(value: object) -> str:
    """JSON text; some engines send the value itself, of which an empty list is PHP's empty object."""
    if isinstance(value, str):
        return value
    try:
        return "" if value is None or value == [] else encodable(json.dumps(value, ensure_ascii=False))
    except RecursionError:
        return "{"  # too deep to be run: a flaw
