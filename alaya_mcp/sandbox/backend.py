"""A deployment whose engine is the user's own: requests are relayed to it byte for byte."""

import ipaddress
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager, suppress
from urllib.parse import quote

import httpx2

from alaya_mcp.sandbox.exchange import Exchange
from alaya_mcp.sandbox.refusals import RefusedError
from alaya_mcp.sandbox.stats import CountedChat

_CONNECT_SECONDS = 10.0
_REQUEST_HEADERS = ("accept", "content-type")
_RESPONSE_HEADERS = ("content-type", "content-encoding")


@asynccontextmanager
async def open_backend(url: str, key: str | None = None) -> AsyncGenerator["Backend"]:
    """Keep a relay to an OpenAI-compatible server, named with or without its trailing `/v1`.

    Raises:
        ValueError: It is not named by a URL.
    """
    parsed = httpx2.URL(url)
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise ValueError("the backend must be an http or https URL")
    async with httpx2.AsyncClient(
        # Engines can be silent for minutes, and the client has a patience of its own.
        timeout=httpx2.Timeout(None, connect=_CONNECT_SECONDS),
        trust_env=not _is_loopback(parsed.host),
        headers={"Authorization": f"Bearer {key}"} if key else None,
    ) as client:
        yield Backend(client, url.rstrip("/").removesuffix("/v1").rstrip("/"))


class Backend:
    """A relay to the server at `root`."""

    def __init__(self, client: httpx2.AsyncClient, root: str) -> None:
        self._client = client
        self._root = root

    async def relay(self, exchange: Exchange, path: str, counted: CountedChat) -> None:
        """Pass one request on, and its answer back as it comes; both end when the client leaves."""
        request = exchange.request
        # Bytes are relayed as they are, so no compression that the client did not ask for.
        headers = {"accept-encoding": "identity"}
        headers |= {name: request.headers[name] for name in _REQUEST_HEADERS if name in request.headers}
        query = f"?{request.url.query}" if request.url.query else ""
        url = f"{self._root}/{quote(path)}{query}"
        body = await request.body()
        outgoing = self._client.build_request(request.method, url, headers=headers, content=body)
        await exchange.run(lambda: self._pass(outgoing, exchange, counted))

    async def _pass(self, outgoing: httpx2.Request, exchange: Exchange, counted: CountedChat) -> None:
        try:
            incoming = await self._client.send(outgoing, stream=True)
        except httpx2.TransportError as error:
            # Only the kind of the error: its text can hold the address, and that can hold a password.
            message = f"The backend behind the sandbox could not be reached ({type(error).__name__})."
            refusal = RefusedError(message, 502, "BadGateway")
            await exchange.answer(refusal.response("proxy"))
            counted.finished = True
            return
        # After an error the server cuts the connection, as the backend did.
        async with aclosing(incoming):
            with suppress(httpx2.TransportError):
                kept = {name: incoming.headers[name] for name in _RESPONSE_HEADERS if name in incoming.headers}
                await exchange.start(kept, incoming.status_code)
                async for piece in incoming.aiter_raw():
                    await exchange.write(piece)
                counted.finished = True
                await exchange.end()


def _is_loopback(host: str) -> bool:
    with suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host.lower() == "localhost"
