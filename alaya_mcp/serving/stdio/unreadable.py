"""Answers to lines that are not JSON-RPC messages: the host waits for one if its line has an id.

The SDK ignores such lines. The decoder's error holds the line, or the value decoded from it; if it is not decodable
JSON, a scan finds the ids (decoders refuse numbers of more than 4,300 digits and deep nesting, which are valid JSON).
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
"""Tokens scanned in one line; takes a fraction of a second."""
_INTEGER = re.compile(r"-?\d{1,300}")
_ASKING: Final = {"method"}
_ANSWERING: Final = {"result", "error"}
_ABOUT_THE_WHOLE: Final = {"json_invalid", "model_type", "missing"}
"""Pydantic's errors whose input is the whole value: a message is tried as each kind, and lacks a field."""

_with_an_id: TypeAdapter[object] = TypeAdapter(types.JSONRPCRequest | types.JSONRPCResponse | types.JSONRPCError)


class Refusal(types.JSONRPCError):
    """An error for any id that a host may send, even a fraction, which is valid JSON-RPC but not MCP."""

    id: int | float | str  # type: ignore[reportIncompatibleVariableOverride] # wider: it is only written


@dataclass(slots=True)
class Envelope:
    """The outer fields of one message, as far as they can be read.

    Attributes:
        id: The request id; None if there is no usable one.
        fields: Names of its fields.
        has_bad_params: Whether params is not an object.
    """

    id: int | float | str | None = None
    fields: set[str] = field(default_factory=set[str])
    has_bad_params: bool = False


@dataclass(frozen=True, slots=True)
class Unreadable:
    """The replies to such a line.

    Attributes:
        refusals: For the host, one for each request.
        endings: For the SDK, one for each answer to one of this server's requests.
    """

    refusals: Sequence[Refusal] = ()
    endings: Sequence[SessionMessage] = ()


class Questions:
    """A sink that tracks this server's requests without an answer.

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
        """Stop writing."""
        await self._sink.aclose()

    def note(self, item: SessionMessage) -> None:
        """Record a message from the host, which may be an answer."""
        if isinstance(item.message, types.JSONRPCResponse | types.JSONRPCError):
            self.open.discard(item.message.id)


def decoded(text: str) -> SessionMessage | ValidationError:
    """Return the message in a line, with or without a byte order mark before it, or the decoder's error.

    A request with an invalid id is an error: the SDK would take it for a notification and not answer.
    """
    try:
        message = types.jsonrpc_message_adapter.validate_json(text.removeprefix(BYTE_ORDER_MARK), by_name=False)
        is_notification = isinstance(message, types.JSONRPCNotification)
        if is_notification and '"id"' in text and _scanned(text)[0].id is not None:
            _with_an_id.validate_json(text.removeprefix(BYTE_ORDER_MARK))
        return SessionMessage(message)
    except ValidationError as failure:
        return failure


def unreadable(failure: Exception, asked: set[object]) -> Unreadable:
    """Return the replies to a line that could not be decoded; empty without an id.

    Args:
        failure: The decoder's.
        asked: Ids of this server's requests without an answer.
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
        message = "Batches are not supported: send each request on its own line."
    elif isinstance(envelope.id, float):
        message = "The id of a request must be a string or an integer."
    elif envelope.has_bad_params:
        return types.ErrorData(code=types.INVALID_PARAMS, message="params must be an object.")
    else:
        message = "The line is not a JSON-RPC 2.0 request."
    return types.ErrorData(code=types.INVALID_REQUEST, message=message)


def _input(failure: Exception) -> object:
    """Return the line if it is not valid JSON, else the decoded value."""
    if not isinstance(failure, ValidationError):
        return None
    whole = (error["input"] for error in failure.errors(include_url=False) if error["type"] in _ABOUT_THE_WHOLE)
    return next(whole, None)


def envelopes(found: object) -> list[Envelope]:
    """Return the envelopes of a decoded message or batch, or of a line that could not be decoded."""
    if isinstance(found, str):
        return _scanned(found)
    messages = cast("list[object]", found) if isinstance(found, list) else [found]
    return [_envelope(cast("dict[str, object]", each)) for each in messages if isinstance(each, dict)]


def _envelope(message: dict[str, object]) -> Envelope:
    given = message.get("id")
    request_id = given if isinstance(given, int | float | str) and not isinstance(given, bool) else None
    return Envelope(request_id, set(message), not isinstance(message.get("params"), dict | None))


def _scanned(line: str) -> list[Envelope]:
    """Return the envelopes in a line, found by scanning its tokens."""
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
    """Return a string or a number, None for any other token."""
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
