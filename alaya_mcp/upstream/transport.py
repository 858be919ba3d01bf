"""The HTTP clients of the process: limits, timeouts, caps, and failures as facts."""

import asyncio
import logging
import ssl
from collections.abc import AsyncGenerator, Generator
from contextlib import AsyncExitStack, aclosing, contextmanager, suppress
from functools import lru_cache
from types import TracebackType
from typing import Any, Final, Self
from urllib.request import getproxies

import anyio
import httpx2

from alaya_mcp import __version__
from alaya_mcp.deadline import Deadline
from alaya_mcp.errors import NotConfigured, Plane
from alaya_mcp.origins import Origin
from alaya_mcp.upstream.failures import Failure, kind_of

JSON_BODY_CAP: Final = 8 * 2**20
STREAM_CAP: Final = 64 * 2**20
_ERROR_BODY_CAP: Final = 64 * 2**10
_ERROR_BODY_SECONDS: Final = 2.0

_OK: Final = 200
_CONNECT_SECONDS: Final = 10.0
"""As the API documentation's Java sample."""
_WRITE_SECONDS: Final = 30.0
_WARM_UP_SECONDS: Final = 0.5
_KEEPALIVE_SECONDS: Final = 4.0
"""Below the 5 s after which uvicorn, and so vLLM and SGLang, close an idle connection: a request sent on one
that is just being closed could not be sent again."""

_HEADERS: Final = {
    "User-Agent": f"alayanew-mcp/{__version__}",
    "Content-Type": "application/json",
    "Accept": "application/json, text/event-stream",
    # A compressed stream would be held back by whoever compresses it.
    "Accept-Encoding": "identity",
}

_log = logging.getLogger(__name__)


class Transport:
    """Sends requests and yields answers; owned by whoever enters it.

    A client is made at the first request that needs it, or at leisure before.
    """

    def __init__(self) -> None:
        self._owned = AsyncExitStack()
        self._clients: dict[tuple[bool, bool], httpx2.AsyncClient] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        await self._owned.aclose()

    def warm_up(self, origin: Origin, seconds: float = _WARM_UP_SECONDS) -> None:
        """Make the client for an origin before it is needed, once the host has had time to ask what it asks first."""

        def warm() -> None:
            with suppress(NotConfigured):  # the first request tells it
                self.client(origin)

        self._owned.callback(asyncio.get_running_loop().call_later(seconds, warm).cancel)

    def client(self, origin: Origin) -> httpx2.AsyncClient:
        """The client for an origin: other hosts' with their proxies, this machine's without, and TLS where it is used.

        Raises:
            NotConfigured: a proxy setting, or a file of certificates, that cannot be used.
        """
        kind = origin.on_loopback, origin.scheme == "http"
        if kind not in self._clients:
            on_loopback, _ = kind
            try:
                client = httpx2.AsyncClient(
                    follow_redirects=False,
                    limits=httpx2.Limits(
                        max_connections=None,
                        max_keepalive_connections=32,
                        keepalive_expiry=_KEEPALIVE_SECONDS,
                    ),
                    trust_env=not on_loopback,
                    # A context without certificates trusts nobody; loading them takes longer than a call.
                    verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if all(kind) else True,
                )
            except (ImportError, ValueError, httpx2.InvalidURL):
                raise NotConfigured(
                    "A proxy setting in the environment or system cannot be used.",
                    next_step="Correct or remove HTTPS_PROXY, HTTP_PROXY and ALL_PROXY "
                    "(http, https, socks5 or socks5h URLs), and have the host restart this server.",
                ) from None  # its text holds the proxy's URL, and so perhaps a password
            except OSError:
                raise NotConfigured(
                    "The certificates to check servers by cannot be read.",
                    next_step="Correct or remove SSL_CERT_FILE and SSL_CERT_DIR (a file and a folder of certificates "
                    "in PEM), and have the host restart this server.",
                ) from None
            self._owned.push_async_callback(client.aclose)
            self._clients[kind] = client
        return self._clients[kind]

    async def open(
        self,
        plane: Plane,
        method: str,
        url: str,
        *,
        auth: httpx2.Auth | None,
        deadline: Deadline,
        json: dict[str, Any] | None = None,
    ) -> httpx2.Response:
        """One exchange, once: an answer with status 200 whose body is still to be read.

        The caller closes it. There is no read timeout here: whoever reads holds the deadline.

        Raises:
            Failure: anything else, the status among it.
            NotConfigured: as `client`.
        """
        client = self.client(Origin.of(url))
        timeout = httpx2.Timeout(
            connect=min(_CONNECT_SECONDS, deadline.remaining()), read=None, write=_WRITE_SECONDS, pool=None
        )
        with _as_failures(plane, url):
            # Not by the client: it would merge its own defaults into each request, which takes as long as sending it.
            request = httpx2.Request(
                method, _parsed(url), headers=_HEADERS, json=json, extensions={"timeout": timeout.as_dict()}
            )
            # An explicit scheme, or none: never one that the client finds by itself (netrc, userinfo).
            response = await client.send(request, auth=auth or httpx2.Auth(), stream=True)
        _log.info("%s plane: %s: HTTP %d", plane, method, response.status_code)
        if response.status_code != _OK:
            try:
                failure = await _status_failure(plane, response)
            finally:
                await response.aclose()
            raise failure
        return response

    async def json_body(
        self,
        plane: Plane,
        url: str,
        *,
        auth: httpx2.Auth | None,
        deadline: Deadline,
        cap: int = JSON_BODY_CAP,
    ) -> bytes:
        """The body of one GET, at most `cap` bytes after decompression.

        Raises:
            Failure: as `open`; kind "too_large" over the cap.
            NotConfigured: as `open`.
        """
        response = await self.open(plane, "GET", url, auth=auth, deadline=deadline)
        try:
            return await read_body(plane, response, cap)
        finally:
            await response.aclose()


async def read_body(plane: Plane, response: httpx2.Response, cap: int) -> bytes:
    """The whole body, decompressed.

    Raises:
        Failure: as `body_chunks`.
    """
    async with aclosing(body_chunks(plane, response, cap)) as chunks:
        return b"".join([chunk async for chunk in chunks])


async def body_chunks(plane: Plane, response: httpx2.Response, cap: int) -> AsyncGenerator[bytes]:
    """The body as it arrives, decompressed.

    Raises:
        Failure: broken off, badly compressed, or over `cap` bytes.
    """
    size = 0
    with _as_failures(plane, str(response.url)):
        async for chunk in response.aiter_bytes():
            size += len(chunk)
            if size > cap:
                raise Failure(plane, "too_large")
            yield chunk


@lru_cache(maxsize=256)
def _parsed(url: str) -> httpx2.URL:
    return httpx2.URL(url)


@contextmanager
def _as_failures(plane: Plane, url: str) -> Generator[None]:
    try:
        yield
    except (httpx2.HTTPError, httpx2.InvalidURL) as exc:
        via_proxy = not Origin.of(url).on_loopback and any(scheme != "no" for scheme in getproxies())
        # The client's own text can hold header values, so it goes no further.
        raise Failure(plane, kind_of(exc), via_proxy=via_proxy) from None


async def _status_failure(plane: Plane, response: httpx2.Response) -> Failure:
    """A status as a failure, with as much of its body as comes quickly."""
    body = bytearray()
    with anyio.move_on_after(_ERROR_BODY_SECONDS):
        # However the body ends: the status alone tells enough.
        with suppress(Failure):
            async with aclosing(body_chunks(plane, response, _ERROR_BODY_CAP)) as chunks:
                async for chunk in chunks:
                    body += chunk
    return Failure(
        plane,
        "status",
        status=response.status_code,
        body=bytes(body),
        content_type=response.headers.get("content-type", ""),
        retry_after_header=response.headers.get("retry-after"),
    )
