"""A deployment whose engine is the user's own: requests are relayed to it byte for byte."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Self
from urllib.parse import quote

import httpx2

from alaya_mcp.sandbox.answers import encode
from alaya_mcp.sandbox.presence import while_client_waits
from alaya_mcp.sandbox.refusals import RefusedError

if TYPE_CHECKING:
    from types import TracebackType

    from starlette.requests import Request
    from starlette.types import Send

    from alaya_mcp.sandbox.stats import Chat

_CONNECT_SECONDS = 10.0
_REQUEST_HEADERS = ("accept", "content-type")
_RESPONSE_HEADERS = ("content-type", "content-encoding")


class Backend:
    """A relay to an OpenAI-compatible server, named with or without its trailing `/v1`."""

    def __init__(self, url: str, key: str | None = None) -> None:
        parsed = httpx2.URL(url)
        if parsed.scheme not in ("http", "https") or not parsed.host:
            raise ValueError("the backend must be an http or https URL")
        self._root = url.rstrip("/").removesuffix("/v1").rstrip("/")
        # Engines can be silent for minutes, and the client has a patience of its own.
        self._client = httpx2.AsyncClient(
            timeout=httpx2.Timeout(None, connect=_CONNECT_SECONDS),
            trust_env=not _is_loopback(parsed.host),
            headers={"Authorization": f"Bearer {key}"} if key else None,
        )

    async def __aenter__(self) -> Self:
        """Open the connection pool."""
        await self._client.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connection pool."""
        await self._client.__aexit__(kind, error, trace)

    async def relay(self, request: Request, path: str, send: Send, counted: Chat) -> None:
        """Pass one request on, and its answer back as it comes; both end when the client leaves."""
        body = await request.body()
        # Bytes are relayed as they are, so no compression that the client did not ask for.
        headers = {"accept-encoding": "identity"}
        headers |= {name: request.headers[name] for name in _REQUEST_HEADERS if name in request.headers}
        query = f"?{request.url.query}" if request.url.query else ""
        outgoing = self._client.build_request(
            request.method, f"{self._root}/{quote(path)}{query}", headers=headers, content=body
        )
        await while_client_waits(request.receive, lambda: self._pass(outgoing, send, counted))

    async def _pass(self, outgoing: httpx2.Request, send: Send, counted: Chat) -> None:
        try:
            incoming = await self._client.send(outgoing, stream=True)
        except httpx2.TransportError as error:
            await _refuse(send, error)
            counted.finish()
            return
        try:
            headers = [
                (name.encode(), incoming.headers[name].encode("latin-1"))
                for name in _RESPONSE_HEADERS
                if name in incoming.headers
            ]
            await send({"type": "http.response.start", "status": incoming.status_code, "headers": headers})
            async for piece in incoming.aiter_raw():
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            counted.finish()
            await send({"type": "http.response.body", "body": b""})
        except httpx2.TransportError:
            return  # the server then cuts the connection, as the backend did
        finally:
            await incoming.aclose()


async def _refuse(send: Send, error: httpx2.TransportError) -> None:
    # Only the kind of the error: its text can hold the address, and that can hold a password.
    message = f"The backend behind the sandbox could not be reached ({type(error).__name__})."
    body = encode(RefusedError(message, status=502, kind="BadGateway").body("proxy"))
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 502, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"
