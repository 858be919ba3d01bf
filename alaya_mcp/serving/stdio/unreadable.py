"""Answers to lines that are not JSON-RPC messages: the host waits for one where its line has an id.

The SDK passes such lines over. The decoder's error holds the line, or what it read of it; where it could not be read
as JSON, a scan finds the ids (numbers of more than 4,300 digits and deep nesting are JSON that no decoder here takes).
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Final, cast

import mcp_types as types
from mcp.shared.message import SessionMessage
from pydantic import TypeAdapter, ValidationError

from alaya_mcp.serving.stdio.backpressure import Sink

BYTE_ORDER_MARK: Final = "\ufeff"

_TOKEN = re.compile(r'"(?:[^"\\]++|\\.)*+"?|[{}\[\],:]|[^\s"{}\[\],:]++', re.DOTALL)
_MOST_TOKENS: Final = 500_000
"""Of one line that are looked at; takes a fraction of a second."""
_INTEGER = re.compile(r"-?\d{1,300}")
_ASKING: Final = {"method"}
_ANSWERING: Final = {"result", "error"}
_ABOUT_THE_WHOLE: Final = {"json_invalid", "model_type", "missing"}
"""Errors of pydantic whose input is all that was decoded: a message is tried as each kind, and is missing a field."""

_with_an_id: TypeAdapter[object] = TypeAdapter(types.JSONRPCRequest | types.JSONRPCResponse | types.JSONRPCError)


class Refusal(types.JSONRPCError):
    """An error to any id that a host may have sent: a fraction too, which is valid JSON-RPC but not MCP."""

    id: int | float | str  # type: ignore[reportIncompatibleVariableOverride] # wider: it is only written


@dataclass(slots=True)
class Envelope:
    """The outermost of one message, as far as it can be seen.

    Attributes:
        id: What an answer names; None where there is none that can be named.
        fields: Its names.
        has_bad_params: Whether params are something else than an object.
    """

    id: int | float | str | None = None
    fields: set[str] = field(default_factory=set[str])
    has_bad_params: bool = False


@dataclass(frozen=True, slots=True)
class Unreadable:
    """The replies to such a line.

    Attributes:
        refusals: For the host, one for each request.
        endings: For the SDK, one for each answer to a question of this server's.
    """

    refusals: Sequence[Refusal] = ()
    endings: Sequence[SessionMessage] = ()


class Questions:
    """A sink that knows which requests of this server's have no answer yet.

    Attributes:
        open: Their ids.
    """

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self.open: set[object] = set()

    async def send(self, item: SessionMessage, /) -> None:
        """Write one message."""
        if isinstance(item.message, types.JSONRPCRequest):
            self.open.add(item.message.id)
        await self._sink.send(item)

    async def aclose(self) -> None:
        """Write no more."""
        await self._sink.aclose()

    def note(self, item: SessionMessage) -> None:
        """Take note of a message from the host, which may be an answer."""
        if isinstance(item.message, types.JSONRPCResponse | types.JSONRPCError):
            self.open.discard(item.message.id)


def decoded(text: str) -> SessionMessage | ValidationError:
    """The message in a line, with or without a byte order mark before it, or the decoder's error.

    A request whose id is no valid one is an error: the SDK would take it for a notification, and answer nothing.
    """
    try:
        message = types.jsonrpc_message_adapter.validate_json(text.removeprefix(BYTE_ORDER_MARK), by_name=False)
        is_notification = isinstance(message, types.JSONRPCNotification)
        if is_notification and '"id"' in text and _scanned(text)[0].id is not None:
            _with_an_id.validate_json(text.removeprefix(BYTE_ORDER_MARK))
        return SessionMessage(message)
    except ValidationError as failure:
        return failure


def without_mark(failure: Exception) -> SessionMessage | Exception:
    """A line that could not be decoded, decoded without the byte order mark before it, if that is why."""
    line = _input(failure)
    return decoded(line) if isinstance(line, str) and line.startswith(BYTE_ORDER_MARK) else failure


def unreadable(failure: Exception, asked: set[object]) -> Unreadable:
    """What follows from a line that could not be decoded; nothing where it names nobody.

    Args:
        failure: The decoder's.
        asked: Ids of this server's own requests that have no answer yet.
    """
    if not isinstance(failure, ValidationError):
        return Unreadable()
    found = _input(failure)
    addressed = [each for each in envelopes(found) if each.id is not None]
    refusals: list[Refusal] = []
    endings: list[SessionMessage] = []
    for envelope in addressed:
        is_answer = not envelope.fields & _ASKING and bool(envelope.fields & _ANSWERING or envelope.id in asked)
        if not is_answer:
            error = _why(failure, envelope, is_batch=isinstance(found, list))
            refusals.append(Refusal(jsonrpc="2.0", id=_encodable(envelope.id), error=error))
        elif isinstance(envelope.id, int | str):
            error = types.ErrorData(code=types.INVALID_REQUEST, message="The host's answer cannot be read.")
            endings.append(SessionMessage(types.JSONRPCError(jsonrpc="2.0", id=envelope.id, error=error)))
    return Unreadable(tuple(refusals), tuple(endings))


def _why(failure: ValidationError, envelope: Envelope, *, is_batch: bool) -> types.ErrorData:
    first = failure.errors(include_url=False, include_input=False)[0]
    if first["type"] == "json_invalid":
        words = first.get("ctx", {}).get("error", "invalid JSON")
        return types.ErrorData(code=types.PARSE_ERROR, message=f"The line cannot be read as JSON: {words}.")
    if is_batch:
        message = "Batches are not supported: send each request on a line of its own."
    elif isinstance(envelope.id, float):
        message = "The id of a request must be a string or an integer."
    elif envelope.has_bad_params:
        return types.ErrorData(code=types.INVALID_PARAMS, message="params must be an object.")
    else:
        message = "The line is not a JSON-RPC 2.0 request."
    return types.ErrorData(code=types.INVALID_REQUEST, message=message)


def _input(failure: Exception) -> object:
    """Return the line itself where it is not valid JSON, else the decoded value."""
    if not isinstance(failure, ValidationError):
        return None
    whole = (error["input"] for error in failure.errors(include_url=False) if error["type"] in _ABOUT_THE_WHOLE)
    return next(whole, None)


def envelopes(found: object) -> list[Envelope]:
    """The envelopes of a decoded message or batch, or of a line that could not be decoded."""
    if isinstance(found, str):
        return _scanned(found)
    messages = cast("list[object]", found) if isinstance(found, list) else [found]
    return [_envelope(cast("dict[str, object]", each)) for each in messages if isinstance(each, dict)]


def _envelope(message: dict[str, object]) -> Envelope:
    given = message.get("id")
    request_id = given if isinstance(given, int | float | str) and not isinstance(given, bool) else None
    return Envelope(request_id, set(message), not isinstance(message.get("params"), dict | None))


def _scanned(line: str) -> list[Envelope]:
    """The envelopes in a line, without reading what is in them."""
    outermost = 2 if line.lstrip(f"{BYTE_ORDER_MARK} \t\r").startswith("[") else 1
    found: list[Envelope] = []
    depth = 0
    before = name = ""
    for match in islice(_TOKEN.finditer(line), _MOST_TOKENS):
        word = match[0]
        at_a_field = depth == outermost and bool(found)
        if at_a_field and word == ":":
            name = str(_simple(before))
            found[-1].fields.add(name)
        elif at_a_field and word == ",":
            name = ""
        elif at_a_field and name == "id":
            found[-1].id, name = _simple(word), ""
        if word in {"{", "["}:
            depth += 1
            if depth == outermost and word == "{":
                found.append(Envelope())
                name = ""
        elif word in {"}", "]"}:
            depth -= 1
        before = word
    return found


def _simple(token: str) -> int | float | str | None:
    """A string or a number, None for any other token."""
    try:
        if token.startswith('"'):
            return cast("str", json.loads(token, strict=False))
        if _INTEGER.fullmatch(token):
            return int(token)
        number = float(token) if token[:1].isdigit() or token.startswith("-") else None
    except ValueError:
        return None
    return number if number is not None and abs(number) < float("inf") else None


def _encodable(request_id: float | str | None) -> int | float | str:
    return request_id.encode("utf-8", "replace").decode() if isinstance(request_id, str) else cast("float", request_id)
