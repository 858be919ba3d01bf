"""A deployment whose engine is the user's own: requests are relayed to it byte for byte."""

import ipaddress
from collections.abc import Mapping
from contextlib import aclosing, suppress
from urllib.parse import quote

import httpx2

from alaya_mcp.sandbox.exchange import Exchange
from alaya_mcp.sandbox.refusals import RefusedError
from alaya_mcp.sandbox.stats import CountedChat

_REQUEST_HEADERS = ("accept", "content-type")
_RESPONSE_HEADERS = ("content-type", "content-encoding")


def backend_client(url: str, key: str | None = None) -> httpx2.AsyncClient:
    """Return a client of an OpenAI-compatible server (`/v1` is optional), or raise a ValueError if its URL is wrong."""
    parsed = httpx2.URL(url)
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise ValueError("the backend must be an http or https URL")
    return httpx2.AsyncClient(
        base_url=url.rstrip("/").removesuffix("/v1"),
        # Engines can be silent for minutes, and the client has a patience of its own.
        timeout=httpx2.Timeout(None, connect=10.0),
        trust_env=not _is_loopback(parsed.host),
        headers={"Authorization": f"Bearer {key}"} if key else None,
    )


def _is_loopback(host: str) -> bool:
    with suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host.lower() == "localhost"


async def relay(client: httpx2.AsyncClient, exchange: Exchange, path: str, counted: CountedChat) -> None:
    """Pass one request on, and its answer back as it comes; both end when the caller leaves."""
    request = exchange.request
    # Bytes are relayed as they are, so no compression that the caller did not ask for.
    headers = {"accept-encoding": "identity"} | _kept(request.headers, _REQUEST_HEADERS)
    url = quote(path) + (f"?{request.url.query}" if request.url.query else "")
    outgoing = client.build_request(request.method, url, headers=headers, content=await request.body())

    async def pass_on() -> None:
        try:
            incoming = await client.send(outgoing, stream=True)
        except httpx2.TransportError as error:
            # Only the kind of the error: its text can hold the address, and that can hold a password.
            message = f"The backend behind the sandbox could not be reached ({type(error).__name__})."
            await exchange.answer(RefusedError(message, 502, "BadGateway").response("proxy"))
            counted.finished = True
            return
        async with aclosing(incoming):
            # After an error in the middle the server cuts the connection, as the backend did.
            with suppress(httpx2.TransportError):
                await exchange.start(_kept(incoming.headers, _RESPONSE_HEADERS), incoming.status_code)
                async for piece in incoming.aiter_raw():
                    await exchange.write(piece)
                counted.finished = True
                await exchange.end()

    await exchange.run(pass_on)


def _kept(headers: Mapping[str, str], names: tuple[str, ...]) -> dict[str, str]:
    return {name: headers[name] for name in names if name in headers}
