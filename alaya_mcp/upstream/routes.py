"""The ways to origins: direct or through a proxy, with certificates and kept connections, shared by the process."""

import asyncio
import os
import ssl
from collections.abc import Mapping
from contextlib import AsyncExitStack, suppress
from functools import cached_property
from types import TracebackType
from typing import Final, Self

import httpx2

from alaya_mcp.error_causes import Plane
from alaya_mcp.errors import NotConfigured
from alaya_mcp.origins import Origin
from alaya_mcp.upstream.proxies import Proxy, UnusableProxy, proxies_in, proxy_for

_WARM_UP_SECONDS: Final = 0.5
_MOST_ROUTES: Final = 1_000
_MOST_IDLE: Final = 32
KEEPALIVE_SECONDS: Final[Mapping[Plane, float]] = {"control": 90.0, "data": 4.0}
"""For idle connections. A read may be sent again, so its connections are kept as long as gateways keep them. Chats may
not be sent again on a connection that is being closed, and uvicorn, so vLLM and SGLang, close idle ones after 5 s."""


class Routes:
    """Transports by origin and plane; an async context manager that owns them.

    A transport is created by `warm_up` or when it is first asked for.

    Args:
        environ: Variables that set proxies and certificate files; by default this process's environment.
        wire: Transport used in place of connections, so that nothing leaves the process.
        keepalive: Seconds for which idle connections are kept.
        private_hosts: Where accounts may be strangers': the hosts of engines whose addresses need not be public.
    """

    def __init__(
        self,
        environ: Mapping[str, str] = os.environ,
        wire: httpx2.AsyncBaseTransport | None = None,
        keepalive: Mapping[Plane, float] = KEEPALIVE_SECONDS,
        private_hosts: frozenset[str] | None = None,
    ) -> None:
        self._environ = environ
        self._wire = wire
        self._keepalive = keepalive
        self._private_hosts = private_hosts
        self._owned = AsyncExitStack()
        self._transports: dict[tuple[str, bool, Plane], httpx2.AsyncBaseTransport] = {}
        self._known: dict[tuple[Origin, Plane], tuple[httpx2.AsyncBaseTransport, Proxy | None]] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        await self._owned.aclose()

    def warm_up(self, origin: Origin, seconds: float = _WARM_UP_SECONDS) -> None:
        """Create the transport to an origin in `seconds`, after the host's first requests are answered."""

        def warm() -> None:
            with suppress(NotConfigured):  # the first request reports it
                self.to(origin, "control")

        self._owned.callback(asyncio.get_running_loop().call_later(seconds, warm).cancel)

    def to(self, origin: Origin, plane: Plane) -> tuple[httpx2.AsyncBaseTransport, Proxy | None]:
        """Return the transport to an origin, and the proxy on the way; the environment is read once for each.

        Raises:
            NotConfigured: a proxy setting or certificate file cannot be used.
        """
        if known := self._known.get((origin, plane)):
            return known
        try:
            proxy = proxy_for(origin, proxies_in(self._environ), self._environ)
        except UnusableProxy as unusable:
            raise NotConfigured("proxy_unusable", source=unusable.source) from None
        try:
            route = self._transport(proxy, plane, is_plain=origin.scheme == "http"), proxy
        except (ImportError, ValueError, httpx2.InvalidURL):
            if proxy is None:
                raise
            # The exception's text holds the proxy's URL, perhaps a password.
            raise NotConfigured("proxy_unusable", source=proxy.source) from None
        except OSError:
            raise NotConfigured("certificates_unusable") from None
        if len(self._known) >= _MOST_ROUTES:
            del self._known[next(iter(self._known))]
        self._known[origin, plane] = route
        return route

    def _transport(self, proxy: Proxy | None, plane: Plane, *, is_plain: bool) -> httpx2.AsyncBaseTransport:
        kind = proxy.url if proxy else "", is_plain, plane
        if kind not in self._transports:
            transport = self._wire or self._connections(proxy, plane, is_plain=is_plain)
            self._owned.push_async_callback(transport.aclose)
            self._transports[kind] = transport
        return self._transports[kind]

    def _connections(self, proxy: Proxy | None, plane: Plane, *, is_plain: bool) -> httpx2.AsyncBaseTransport:
        """Return this project's connections, or the HTTP library's through a proxy and where llhttp is missing."""
        needs_tls = not is_plain or (proxy is not None and proxy.scheme == "https")
        # A context without certificates trusts no server; loading certificates takes longer than a call.
        tls = self._certificates if needs_tls else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        if proxy is None:
            with suppress(ImportError):
                from alaya_mcp.upstream.connection_pool import ConnectionPool  # noqa: PLC0415 not on every platform

                private_hosts = self._private_hosts if plane == "data" else None
                return ConnectionPool(tls, self._keepalive[plane], _MOST_IDLE, private_hosts)
        return httpx2.AsyncHTTPTransport(
            verify=tls,
            trust_env=False,
            limits=httpx2.Limits(
                max_connections=None, max_keepalive_connections=_MOST_IDLE, keepalive_expiry=self._keepalive[plane]
            ),
            proxy=proxy.url if proxy else None,
        )

    @cached_property
    def _certificates(self) -> ssl.SSLContext:
        """The trusted certificates: the environment's, or the system's. Loading them takes 40 to 100 ms.

        Raises:
            OSError: they cannot be read.
        """
        if file := self._environ.get("SSL_CERT_FILE"):
            return ssl.create_default_context(cafile=file)
        if folder := self._environ.get("SSL_CERT_DIR"):
            return ssl.create_default_context(capath=folder)
        return httpx2.create_ssl_context(trust_env=False)
