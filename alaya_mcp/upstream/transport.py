"""Requests and responses: timeouts, size caps, and failures as facts."""

import logging
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Generator
from contextlib import aclosing, contextmanager, suppress
from functools import lru_cache
from types import TracebackType
from typing import Any, Final, Self, cast

import anyio
import httpx2

from alaya_mcp import __version__
from alaya_mcp.clock import now
from alaya_mcp.deadline import Deadline
from alaya_mcp.error_causes import Plane
from alaya_mcp.observer import NOBODY, Observer
from alaya_mcp.origins import Credential, Origin
from alaya_mcp.telemetry import UpstreamRequest, count_request, current_call
from alaya_mcp.upstream.failures import Failure, distrust_in, kind_of
from alaya_mcp.upstream.routes import Routes

JSON_BODY_CAP: Final = 8 * 2**20
STREAM_CAP: Final = 64 * 2**20
_ERROR_BODY_CAP: Final = 64 * 2**10
_ERROR_BODY_SECONDS: Final = 2.0

_OK, _MULTIPLE_CHOICES = 200, 300
_WITHOUT_BODY: Final = frozenset({204, 205})
_CONNECT_SECONDS: Final = 10.0
"""As the API documentation's Java sample."""
_WRITE_SECONDS: Final = 30.0

_HEADERS: Final = httpx2.Headers(
    {
        "User-Agent": f"alayanew-mcp/{__version__}",
        "Content-Type": "application/json",
        "Accept": "application/json, text/event-stream",
        # Compression would delay a stream.
        "Accept-Encoding": "identity",
    }
)

_log = logging.getLogger(__name__)


class Transport:
    """Sends requests and returns responses; an async context manager that owns its routes.

    There are no redirects, cookies, `.netrc` or other authentication: those are a client's, and there is none.

    Args:
        routes: The ways to origins.
        observer: Follows each request, and what the requests are for.
    """

    def __init__(self, routes: Routes, observer: Observer = NOBODY) -> None:
        self.routes = routes
        self.observer = observer

    async def __aenter__(self) -> Self:
        await self.routes.__aenter__()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        await self.routes.__aexit__(exc_type, exc, tb)

    async def open(
        self,
        plane: Plane,
        method: str,
        url: str,
        *,
        credential: Credential | None,
        deadline: Deadline,
        json: dict[str, Any] | None = None,
        on_connected: Callable[[], None] | None = None,
    ) -> httpx2.Response:
        """Send one request, once, and return the response with a status of 200 to 299, its body unread.

        The caller closes it and enforces the deadline while reading: there is no read timeout here. `on_connected` is
        called when there is a connection to send it on, or before, through a proxy.

        Raises:
            Failure: anything else, including any other status.
            NotConfigured: as `Routes.to`.
        """
        origin = Origin.of(url)
        transport, proxy = self.routes.to(origin, plane)
        timeout = httpx2.Timeout(
            connect=min(_CONNECT_SECONDS, deadline.remaining()), read=None, write=_WRITE_SECONDS, pool=None
        )
        count_request()
        began = now()
        with self.observer.request(plane, method, url) as watch:
            with _logged(plane, method, began), _as_failures(plane, proxy.source if proxy else "", origin.host):
                extensions: dict[str, Any] = {"timeout": timeout.as_dict()}
                if on_connected and getattr(transport, "tells_connected", False):
                    extensions["connected"] = on_connected
                elif on_connected:
                    on_connected()
                request = httpx2.Request(method, _parsed(url), headers=_HEADERS, json=json, extensions=extensions)
                if credential:
                    request.headers.update(credential.headers_for(str(request.url)))
                if watch.headers:
                    request.headers.update(watch.headers)
                response = await transport.handle_async_request(request)
            watch.answered(response.status_code)
            if _log.isEnabledFor(logging.DEBUG):
                seconds = now() - began
                _log.debug(UpstreamRequest(plane, method, seconds, status=response.status_code, call=current_call()))
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
        credential: Credential | None,
        deadline: Deadline,
        cap: int = JSON_BODY_CAP,
    ) -> bytes:
        """Return the body of one GET, at most `cap` bytes after decompression.

        Raises:
            Failure: as `open`; kind "too_large" above the cap.
            NotConfigured: as `open`.
        """
        response = await self.open(plane, "GET", url, credential=credential, deadline=deadline)
        try:
            return await read_body(plane, response, cap)
        finally:
            await response.aclose()


async def read_body(plane: Plane, response: httpx2.Response, cap: int) -> bytes:
    """Return the whole body, decompressed.

    Raises:
        Failure: as `body_chunks`.
    """
    async with aclosing(body_chunks(plane, response, cap)) as chunks:
        return b"".join([chunk async for chunk in chunks])


async def body_chunks(plane: Plane, response: httpx2.Response, cap: int) -> AsyncGenerator[bytes]:
    """Yield the body as it arrives, decompressed.

    Raises:
        Failure: the body is incomplete, badly compressed, or over `cap` bytes.
    """
    size = 0
    with _as_failures(plane):
        pieces = response.aiter_bytes() if "content-encoding" in response.headers else response.stream
        async for chunk in cast("AsyncIterable[bytes]", pieces):
            size += len(chunk)
            if size > cap:
                raise Failure(plane, "too_large")
            yield chunk


@lru_cache(maxsize=256)
def _parsed(url: str) -> httpx2.URL:
    return httpx2.URL(url)


@contextmanager
def _logged(plane: Plane, method: str, began: float) -> Generator[None]:
    """Log a request that got no response."""
    try:
        yield
    except BaseException as error:
        if _log.isEnabledFor(logging.DEBUG):
            kind = error.kind if isinstance(error, Failure) else "cancelled"
            _log.debug(UpstreamRequest(plane, method, now() - began, failure=kind, call=current_call()))
        raise


@contextmanager
def _as_failures(plane: Plane, proxy: str = "", host: str = "") -> Generator[None]:
    try:
        yield
    except (httpx2.HTTPError, httpx2.InvalidURL) as exc:
        # The client's text can hold header values, so it is dropped.
        kind = kind_of(exc)
        unresolved = host if kind == "dns" and not proxy else ""
        raise Failure(plane, kind, proxy=proxy, distrust=distrust_in(exc), host=unresolved) from None
    except Exception as exc:  # the HTTP library does not wrap the SOCKS library's exceptions
        if not type(exc).__module__.startswith("socksio"):
            raise
        raise Failure(plane, "proxy", proxy=proxy) from None


async def _status_failure(plane: Plane, response: httpx2.Response) -> Failure:
    """Return a status as a failure, with as much of its body as comes quickly."""
    body = bytearray()
    with anyio.move_on_after(_ERROR_BODY_SECONDS):
        # A body that breaks off does not matter: the status is enough.
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
