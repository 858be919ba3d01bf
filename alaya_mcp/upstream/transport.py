"""The HTTP clients of the process: limits, timeouts, caps, and failures as facts."""

import asyncio
import logging
import os
import ssl
from collections.abc import AsyncGenerator, Generator, Mapping
from contextlib import AsyncExitStack, aclosing, contextmanager, suppress
from functools import cached_property, lru_cache
from http.cookiejar import CookieJar, DefaultCookiePolicy
from types import TracebackType
from typing import Any, Final, Self

import anyio
import httpx2

from alaya_mcp import __version__
from alaya_mcp.deadline import Deadline
from alaya_mcp.error_causes import Plane
from alaya_mcp.errors import NotConfigured
from alaya_mcp.origins import Origin
from alaya_mcp.telemetry import UpstreamRequest, count_request
from alaya_mcp.upstream.failures import Failure, distrust_in, kind_of
from alaya_mcp.upstream.proxies import Proxy, UnusableProxy, proxies_in, proxy_for

JSON_BODY_CAP: Final = 8 * 2**20
STREAM_CAP: Final = 64 * 2**20
_ERROR_BODY_CAP: Final = 64 * 2**10
_ERROR_BODY_SECONDS: Final = 2.0

_OK, _MULTIPLE_CHOICES = 200, 300
_WITHOUT_BODY: Final = frozenset({204, 205})
_CONNECT_SECONDS: Final = 10.0
"""As the API documentation's Java sample."""
_WRITE_SECONDS: Final = 30.0
_WARM_UP_SECONDS: Final = 0.5
_MOST_ROUTES: Final = 1_000
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

    Args:
        environ: What names proxies and files of certificates; by default this process's environment.
        wire: What carries requests in place of connections, where nothing is to leave the process.
    """

    def __init__(self, environ: Mapping[str, str] = os.environ, wire: httpx2.AsyncBaseTransport | None = None) -> None:
        self._environ = environ
        self._wire = wire
        self._owned = AsyncExitStack()
        self._clients: dict[tuple[str, bool], httpx2.AsyncClient] = {}
        self._routes: dict[Origin, tuple[httpx2.AsyncClient, Proxy | None]] = {}

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
        """The client for an origin: through its proxy, where it has one, and with TLS where that is used.

        Raises:
            NotConfigured: a proxy setting, or a file of certificates, that cannot be used.
        """
        return self._route(origin)[0]

    def _route(self, origin: Origin) -> tuple[httpx2.AsyncClient, Proxy | None]:
        """The client for an origin and the proxy that it goes through; what the environment says is asked once."""
        if known := self._routes.get(origin):
            return known
        try:
            proxy = proxy_for(origin, proxies_in(self._environ), self._environ)
        except UnusableProxy as unusable:
            raise NotConfigured("proxy_unusable", source=unusable.source) from None
        try:
            route = self._client(proxy, is_plain=origin.scheme == "http"), proxy
        except (ImportError, ValueError, httpx2.InvalidURL):
            if proxy is None:
                raise
            # The text of what was raised holds the proxy's URL, perhaps a password.
            raise NotConfigured("proxy_unusable", source=proxy.source) from None
        except OSError:
            raise NotConfigured("certificates_unusable") from None
        if len(self._routes) >= _MOST_ROUTES:
            del self._routes[next(iter(self._routes))]
        self._routes[origin] = route
        return route

    def _client(self, proxy: Proxy | None, *, is_plain: bool) -> httpx2.AsyncClient:
        kind = proxy.url if proxy else "", is_plain
        if kind not in self._clients:
            needs_tls = not self._wire and not (is_plain and not (proxy and proxy.scheme == "https"))
            client = httpx2.AsyncClient(
                follow_redirects=False,
                limits=httpx2.Limits(
                    max_connections=None, max_keepalive_connections=32, keepalive_expiry=_KEEPALIVE_SECONDS
                ),
                proxy=proxy.url if proxy else None,
                trust_env=False,  # the proxy and the certificates are chosen here
                # A context without certificates trusts nobody; loading them takes longer than a call.
                verify=self._certificates if needs_tls else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
                transport=self._wire,
                # One account's must not reach another.
                cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
            )
            self._owned.push_async_callback(client.aclose)
            self._clients[kind] = client
        return self._clients[kind]

    @cached_property
    def _certificates(self) -> ssl.SSLContext:
        """What servers are checked by: the environment's certificates, or the system's. Loading them takes some 40 ms.

        Raises:
            OSError: they cannot be read.
        """
        if file := self._environ.get("SSL_CERT_FILE"):
            return ssl.create_default_context(cafile=file)
        if folder := self._environ.get("SSL_CERT_DIR"):
            return ssl.create_default_context(capath=folder)
        return httpx2.create_ssl_context(trust_env=False)

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
        """One exchange, once: an answer with a status of 200 to 299 whose body is still to be read.

        The caller closes it. There is no read timeout here: whoever reads holds the deadline.

        Raises:
            Failure: anything else, the status among it.
            NotConfigured: as `client`.
        """
        client, proxy = self._route(Origin.of(url))
        timeout = httpx2.Timeout(
            connect=min(_CONNECT_SECONDS, deadline.remaining()), read=None, write=_WRITE_SECONDS, pool=None
        )
        count_request()
        began = anyio.current_time()
        with _logged(plane, method, began), _as_failures(plane, proxy.source if proxy else ""):
            # Not by the client: it would merge its own defaults into each request, which takes as long as sending it.
            request = httpx2.Request(
                method, _parsed(url), headers=_HEADERS, json=json, extensions={"timeout": timeout.as_dict()}
            )
            # An explicit scheme, or none: never one that the client finds by itself (netrc, userinfo).
            response = await client.send(request, auth=auth or httpx2.Auth(), stream=True)
        if _log.isEnabledFor(logging.DEBUG):
            _log.debug(UpstreamRequest(plane, method, anyio.current_time() - began, status=response.status_code))
        if not _OK <= response.status_code < _MULTIPLE_CHOICES or response.status_code in _WITHOUT_BODY:
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
    with _as_failures(plane):
        async for chunk in response.aiter_bytes():
            size += len(chunk)
            if size > cap:
                raise Failure(plane, "too_large")
            yield chunk


@lru_cache(maxsize=256)
def _parsed(url: str) -> httpx2.URL:
    return httpx2.URL(url)


@contextmanager
def _logged(plane: Plane, method: str, began: float) -> Generator[None]:
    """Tell of a request that got no answer."""
    try:
        yield
    except Failure as failure:
        _log.debug(UpstreamRequest(plane, method, anyio.current_time() - began, failure=failure.kind))
        raise


@contextmanager
def _as_failures(plane: Plane, proxy: str = "") -> Generator[None]:
    try:
        yield
    except (httpx2.HTTPError, httpx2.InvalidURL) as exc:
        # The client's own text can hold header values, so it goes no further.
        raise Failure(plane, kind_of(exc), proxy=proxy, distrust=distrust_in(exc)) from None
    except Exception as exc:  # what the SOCKS library raises, the HTTP library hands on as it is
        if not type(exc).__module__.startswith("socksio"):
            raise
        raise Failure(plane, "proxy", proxy=proxy) from None


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
