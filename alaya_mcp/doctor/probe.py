"""Requests to a server over HTTP, as a host sends them, and what came back: the messages with their times."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, cast

import anyio
import httpx2

from alaya_mcp import __version__
from alaya_mcp.upstream.failures import Kind, kind_of

REQUEST_SECONDS: Final = 10.0
_BODY_CAP: Final = 2**20
_VERSION: Final = "2026-07-28"
_HANDSHAKE_VERSION: Final = "2025-11-25"
_CLIENT: Final = {"name": "alayanew-mcp-doctor", "version": __version__}
_META: Final = {
    "io.modelcontextprotocol/protocolVersion": _VERSION,
    "io.modelcontextprotocol/clientCapabilities": {},
    "io.modelcontextprotocol/clientInfo": _CLIENT,
}
_HEADERS: Final = {
    "User-Agent": f"alayanew-mcp-doctor/{__version__}",
    "Accept": "application/json, text/event-stream",
    "Accept-Encoding": "gzip, deflate",  # as hosts: a proxy may compress, and so collect, what comes
}


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back of one request.

    Attributes:
        status: Of HTTP; 0 without an answer.
        headers: With names in any case.
        body: Its beginning.
        messages: Of JSON-RPC, each with the seconds after which it came.
        failure: Why there was no answer, or why it broke off.
        seconds: Until its end.
    """

    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: bytes = b""
    messages: tuple[tuple[float, dict[str, Any]], ...] = ()
    failure: Kind | None = None
    seconds: float = 0.0

    @property
    def media_type(self) -> str:
        """Without parameters, in lower case."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def message(self) -> dict[str, Any]:
        """The last message: a request's result or error. Empty if what came is not JSON-RPC."""
        return self.messages[-1][1] if self.messages else {}

    @property
    def result(self) -> dict[str, Any]:
        """The result; empty if there is none."""
        return _object(self.message.get("result"))

    @property
    def error(self) -> dict[str, Any]:
        """The error of JSON-RPC; empty if there is none."""
        return _object(self.message.get("error"))

    @property
    def document(self) -> dict[str, Any]:
        """The body as a JSON object; empty if it is none."""
        return _parsed(self.body)


class Probe:
    """Sends single requests to an address.

    Args:
        transport: The way there.
        url: The address of the MCP server.
        headers: Of the caller: its credentials.
        now: Seconds on any clock.
    """

    def __init__(
        self,
        transport: httpx2.AsyncBaseTransport,
        url: str,
        headers: Mapping[str, str],
        now: Callable[[], float],
    ) -> None:
        self._transport = transport
        self._url = url
        self._headers = headers
        self._now = now

    async def get(self, url: str, *, as_caller: bool = False) -> Answer:
        """Return the answer to a GET; a stream of events is not read."""
        return await self._answer("GET", url, self._headers if as_caller else {})

    async def ask(
        self,
        method: str,
        *,
        as_caller: bool = True,
        suffix: str = "",
        padding: int = 0,
        seconds: float = REQUEST_SECONDS,
        **params: object,
    ) -> Answer:
        """Return the answer to a request of the revision 2026-07-28.

        Args:
            method: Of MCP.
            as_caller: Whether the caller's headers are sent.
            suffix: Behind the address.
            padding: Bytes of white space behind the request.
            seconds: Its time limit.
            params: Of the method.
        """
        name = {"Mcp-Name": str(params["name"])} if "name" in params else {}
        own = {"MCP-Protocol-Version": _VERSION, "Mcp-Method": method, **name}
        meta = {**_META, **_object(params.pop("_meta", {}))}
        content = _request(method, {**params, "_meta": meta}) + b" " * padding
        headers = {**own, **(self._headers if as_caller else {})}
        return await self._answer("POST", self._url + suffix, headers, content, seconds)

    async def shake_hands(self) -> Answer:
        """Return the answer to `initialize` of the revision 2025-11-25."""
        params = {"protocolVersion": _HANDSHAKE_VERSION, "capabilities": {}, "clientInfo": _CLIENT}
        return await self._answer("POST", self._url, self._headers, _request("initialize", params))

    async def _answer(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        content: bytes | None = None,
        seconds: float = REQUEST_SECONDS,
    ) -> Answer:
        began, reading = self._now(), _Reading(self._now)
        failure: Kind | None = None
        own = {**_HEADERS, **({"Content-Type": "application/json"} if content else {})}
        with anyio.move_on_after(seconds) as limit:
            try:
                request = httpx2.Request(
                    method,
                    url,
                    headers={**own, **headers},
                    content=content,
                    extensions={"timeout": httpx2.Timeout(seconds).as_dict()},
                )
                await reading.read(await self._transport.handle_async_request(request), method)
            except (httpx2.HTTPError, httpx2.InvalidURL) as error:
                failure = kind_of(error)
            except Exception as error:  # the HTTP library does not wrap the SOCKS library's exceptions
                if not type(error).__module__.startswith("socksio"):
                    raise
                failure = "proxy"
        if limit.cancelled_caught:
            failure = "timeout"
        return reading.answer(began, failure)


class _Reading:
    """An answer as far as it has come."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._status, self._headers = 0, dict[str, str]()
        self._body = bytearray()
        self._messages: list[tuple[float, dict[str, Any]]] = []

    async def read(self, response: httpx2.Response, method: str) -> None:
        try:
            self._status = response.status_code
            self._headers = {name.lower(): value for name, value in response.headers.items()}
            is_stream = "event-stream" in self._headers.get("content-type", "")
            if is_stream and method == "GET":
                return
            rest = b""
            async for chunk in response.aiter_bytes():
                self._body += chunk[: _BODY_CAP - len(self._body)]
                *lines, rest = (rest + chunk).split(b"\n") if is_stream else [b""]
                for line in lines:
                    if line.startswith(b"data:") and (message := _parsed(line[5:])):
                        self._messages.append((self._now(), message))
                if len(self._body) >= _BODY_CAP:
                    return
            message = _parsed(bytes(self._body))
            if not is_stream and message.get("jsonrpc") == "2.0":
                self._messages.append((self._now(), message))
        finally:
            await response.aclose()

    def answer(self, began: float, failure: Kind | None) -> Answer:
        messages = tuple((at - began, message) for at, message in self._messages)
        return Answer(self._status, self._headers, bytes(self._body), messages, failure, self._now() - began)


def _request(method: str, params: Mapping[str, object]) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()


def _parsed(text: bytes) -> dict[str, Any]:
    """Return a JSON object; empty if it is none."""
    try:
        return _object(json.loads(text))
    except (ValueError, RecursionError):
        return {}


def _object(value: object) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}
