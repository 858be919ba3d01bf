"""The outermost layer of the HTTP server: health, who may call, and what is no MCP request at all."""

import json
from collections.abc import Iterable, Mapping
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from alaya_mcp.config.http import PATH, HttpSettings
from alaya_mcp.serving.http.authentication import Authentication, Permission
from alaya_mcp.serving.http.refusal import Refusal, answer

GRANT: Final = "alaya_grant"
"""Where a request's state holds what its caller may use."""

_OK, _NO_CONTENT, _BAD_REQUEST, _UNAVAILABLE = 200, 204, 400, 503
_FORBIDDEN, _NOT_FOUND, _NOT_ALLOWED, _TOO_LARGE, _MISDIRECTED = 403, 404, 405, 413, 421
_JSON: Final = b"application/json"
BODY_CAP: Final = 24 * 2**20
"""Bytes of a request: the images of a chat may have 16 MiB, and JSON around them."""
_CREDENTIALS: Final = frozenset({b"authorization", b"x-alaya-access-key", b"x-alaya-secret-key"})
_ALLOWED_HEADERS: Final = (
    b"authorization, content-type, mcp-method, mcp-name, mcp-protocol-version, traceparent, tracestate, "
    b"x-alaya-access-key, x-alaya-secret-key"
)
_PREFLIGHT_SECONDS: Final = b"600"
_LAST: Final = (b"connection", b"close")
_DOCUMENT_CACHE: Final = b"public, max-age=3600"


class Gate:
    """An ASGI application in front of the SDK's.

    Args:
        app: The SDK's.
        settings: Of the HTTP server.
        authentication: Says who calls.
        documents: JSON that anybody may read, by path.

    Attributes:
        is_ready: Whether new calls are to be sent here.
    """

    def __init__(
        self,
        app: ASGIApp,
        settings: HttpSettings,
        authentication: Authentication,
        documents: Mapping[str, bytes],
    ) -> None:
        self._app = app
        self._documents = documents
        self._hosts, self._origins, self._admits = settings.hosts, settings.origins, settings.admits
        self._authentication = authentication
        self.is_ready = True

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or pass it on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path = scope["path"].rstrip("/")
        if path in {"/healthz", "/readyz"}:
            await self._tell_health(path, send)
            return
        headers: list[tuple[bytes, bytes]] = scope["headers"]
        cors: list[tuple[bytes, bytes]] = []
        try:
            if path in self._documents:
                await _publish(self._documents[path], scope["method"], send)
                return
            cors = self._admitted(path, headers)
            if scope["method"] == "OPTIONS" and cors:
                preflight = [
                    (b"access-control-allow-methods", b"POST"),
                    (b"access-control-max-age", _PREFLIGHT_SECONDS),
                ]
                allowed = (b"access-control-allow-headers", _ALLOWED_HEADERS)
                await answer(send, _NO_CONTENT, b"", [*cors, *preflight, allowed])
                return
            permission = await self._permitted(scope["method"], headers)
            if permission.check:
                body = await _whole(receive)
                permission.check(body)
                receive = _again(body, receive)
        except Refusal as refusal:
            named = [(name.lower().encode(), value.encode()) for name, value in refusal.headers.items()]
            await answer(send, refusal.status, refusal.body, [*cors, *named])
            return
        except _ClientLeft:
            return
        inner = {
            **scope,
            "path": PATH,
            "raw_path": PATH.encode(),
            "headers": [header for header in headers if header[0] not in _CREDENTIALS],  # needed by nobody from here on
            "state": {**scope.get("state", {}), GRANT: permission.grant},
        }
        more = cors if self.is_ready else [*cors, _LAST]  # so that a proxy does not use the connection again
        await self._app(inner, receive, _Answer(send, more).send)

    def _admitted(self, path: str, headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        """Return the CORS headers for a request that may be handled.

        Raises:
            Refusal: it asks for something else, or comes from a web page that may not call.
        """
        if path != PATH:
            raise Refusal(_NOT_FOUND, f"There is nothing here; the server is at {PATH}.")
        if _host_in(_single(headers, b"host")) not in self._hosts:
            raise Refusal(_MISDIRECTED, "The Host header is not this server's; its operator sets --public-url.")
        origins = [value.decode("latin-1") for name, value in headers if name == b"origin"]
        if not origins:
            return []
        origin = origins[0]
        if len(origins) > 1 or not self._admits(origin):
            raise Refusal(_FORBIDDEN, "This Origin may not call; the server's operator lists them in --allow-origin.")
        if origin.lower() not in self._origins:
            return []
        exposed = (b"access-control-expose-headers", b"mcp-protocol-version, www-authenticate")
        return [(b"access-control-allow-origin", origin.encode("latin-1")), (b"vary", b"Origin"), exposed]

    async def _permitted(self, method: str, headers: list[tuple[bytes, bytes]]) -> Permission:
        """Return what the caller may do.

        Raises:
            Refusal: it is nobody, or its request cannot be one of MCP.
        """
        permission = await self._authentication.permission(headers)
        if method != "POST":  # GET would open a stream that never ends; hosts look for a challenge before
            raise Refusal(_NOT_ALLOWED, "Only POST is answered here.", {"Allow": "POST"})
        if (length := _single(headers, b"content-length")).isdigit() and int(length) > BODY_CAP:
            raise _too_large()
        return permission

    async def _tell_health(self, path: str, send: Send) -> None:
        is_well = self.is_ready or path == "/healthz"
        body = json.dumps({"status": "ok" if is_well else "stopping"}).encode()
        await answer(send, 200 if is_well else _UNAVAILABLE, body)


class _ClientLeft(Exception):
    """The client closed the connection before its request was complete."""


async def _publish(document: bytes, method: str, send: Send) -> None:
    """Answer a request for a document that anybody may read.

    Raises:
        Refusal: it is of another method than GET.
    """
    cors = [(b"access-control-allow-origin", b"*")]
    if method == "OPTIONS":  # browsers ask before they send the protocol's version along
        allowed = (b"access-control-allow-headers", b"mcp-protocol-version")
        await answer(send, _NO_CONTENT, b"", [*cors, (b"access-control-allow-methods", b"GET"), allowed])
        return
    if method != "GET":
        raise Refusal(_NOT_ALLOWED, "Only GET is answered here.", {"Allow": "GET"})
    await answer(send, _OK, document, cors, cache=_DOCUMENT_CACHE)


async def _whole(receive: Receive) -> bytes:
    """Return the body of a request.

    Raises:
        Refusal: it is too large.
        _ClientLeft: before its end.
    """
    body, is_complete = bytearray(), False
    while not is_complete:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _ClientLeft
        body += message.get("body", b"")
        is_complete = not message.get("more_body")
        if len(body) > BODY_CAP:
            raise _too_large()
    return bytes(body)


def _again(body: bytes, receive: Receive) -> Receive:
    """Return what an application receives a request by whose body has been read."""
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def received() -> Message:
        return messages.pop() if messages else await receive()

    return received


def _too_large() -> Refusal:
    return Refusal(_TOO_LARGE, f"The request is larger than {BODY_CAP // 2**20} MiB.")


def _single(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> str:
    """Return a header's value; empty if it is missing or given more than once."""
    values = [value for each, value in headers if each == name]
    return values[0].decode("latin-1") if len(values) == 1 else ""


def _host_in(header: str) -> str:
    """Return the name in a Host header, without its port."""
    if header.startswith("["):
        return header[1:].partition("]")[0].lower()
    return header.partition(":")[0].rstrip(".").lower()


class _Answer:
    """The SDK's answer, with further headers; an error that is plain text, or long, becomes one like all others."""

    def __init__(self, send: Send, headers: list[tuple[bytes, bytes]]) -> None:
        self._send = send
        self._headers = headers
        self._status = 0
        self._text = b""

    async def send(self, message: Message) -> None:
        """Send a part of the answer."""
        if message["type"] == "http.response.start":
            ours = {name for name, _ in self._headers}
            others = [header for header in message.get("headers", ()) if header[0] not in ours]
            message = {**message, "headers": [*others, *self._headers]}
            if message["status"] >= _BAD_REQUEST:
                self._status = message["status"]
                return
        elif self._status:
            self._text += message.get("body", b"")
            if not message.get("more_body"):
                await answer(self._send, self._status, self._error(), self._headers)
            return
        await self._send(message)

    def _error(self) -> bytes:
        """Return the body of an error."""
        try:
            error = json.loads(self._text)["error"]
            if "\n" not in error["message"]:
                return self._text
        except (ValueError, LookupError, TypeError):
            return Refusal(self._status, f"{self._text.decode(errors='replace')}.").body
        return Refusal(self._status, "The request is no message of JSON-RPC.", code=error["code"]).body
