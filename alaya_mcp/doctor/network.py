"""Probes of the network: whether a name resolves, whether a port is open, what a certificate says."""

import asyncio
import socket
import ssl
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import UTC, datetime

import anyio
import httpx2

from alaya_mcp.error_causes import Distrust
from alaya_mcp.upstream.failures import distrust_in

Resolve = Callable[[str, int], list[str]]
"""A blocking function from host and port to addresses; it raises OSError if there are none."""


@dataclass(frozen=True, slots=True)
class Handshake:
    """Why a TLS handshake failed, or that it succeeded; neither without a connection.

    `until` is the last day of the certificate, if the platform reports it.
    """

    distrust: Distrust | None = None
    has_connected: bool = False
    until: str = ""
    version: str = ""


def system_addresses(host: str, port: int) -> list[str]:
    """Return the addresses of a host from the system's resolver, in its order.

    Raises:
        OSError: there are none.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError:  # a label that is too long or empty
        raise socket.gaierror(socket.EAI_NONAME, "not a host name") from None
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


async def addresses(host: str, port: int, resolve: Resolve, seconds: float) -> list[str]:
    """Return the addresses of a host.

    The resolver can take minutes, so it runs in a daemon thread, which the program's end does not wait for.

    Raises:
        OSError: there are none.
        TimeoutError: it took longer.
    """
    answer: Future[list[str]] = Future()
    answer.set_running_or_notify_cancel()  # the thread can set it even if nobody waits any more

    def work() -> None:
        try:
            answer.set_result(resolve(host, port))
        except OSError as error:
            answer.set_exception(error)

    threading.Thread(target=work, name="resolver", daemon=True).start()
    with anyio.fail_after(seconds):
        return await asyncio.wrap_future(answer)


async def try_port(host: str, port: int, resolve: Resolve, seconds: float) -> None:
    """Connect to a port of a host, and close the connection.

    Raises:
        OSError: no address accepts it, or there are none.
        TimeoutError: none did in time.
    """
    with anyio.fail_after(seconds):
        found = await addresses(host, port, resolve, seconds)
        failures: list[OSError] = []
        async with anyio.create_task_group() as tasks:

            async def attempt(address: str) -> None:
                try:
                    stream = await anyio.connect_tcp(address, port)
                except OSError as error:
                    failures.append(error)
                else:
                    await stream.aclose()
                    tasks.cancel_scope.cancel()

            for address in found:  # all at once: one of them may drop packets
                tasks.start_soon(attempt, address)
        if len(failures) == len(found):
            raise failures[-1]


async def shake_hands(transport: httpx2.AsyncBaseTransport, url: str, seconds: float) -> Handshake:
    """Return the outcome of a handshake as requests make it, through their proxy; no key is sent."""
    with anyio.move_on_after(seconds):
        try:
            request = httpx2.Request("GET", url, extensions={"timeout": httpx2.Timeout(seconds).as_dict()})
            response = await transport.handle_async_request(request)
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            return Handshake(distrust_in(error))
        try:
            of_tls = response.extensions["network_stream"].get_extra_info("ssl_object")
            if of_tls is None:
                return Handshake()
            return Handshake(has_connected=True, until=_end_of(of_tls), version=of_tls.version() or "")
        finally:
            await response.aclose()
    return Handshake()


def _end_of(of_tls: ssl.SSLObject) -> str:
    """Return the last day of the certificate; empty if the system checks certificates itself and hides it."""
    ends = (of_tls.getpeercert() or {}).get("notAfter")
    return f"{datetime.fromtimestamp(ssl.cert_time_to_seconds(ends), UTC):%Y-%m-%d}" if isinstance(ends, str) else ""
