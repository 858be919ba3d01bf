"""What the core does not tell apart: whether a name resolves, whether a port is open, what a certificate says."""

import asyncio
import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

import anyio
import httpx2

from alaya_mcp.error_causes import Distrust
from alaya_mcp.upstream.failures import distrust_in

Resolve = Callable[[str, int], list[str]]
"""Addresses of a host, by waiting for them.

Raises:
    OSError: it has none.
"""


@dataclass(frozen=True, slots=True)
class Handshake:
    """How a TLS connection came about, or did not.

    Attributes:
        distrust: Why not; None where it did, or where there was no connection to speak TLS on.
        has_connected: Whether it did.
        until: When the certificate ends, where the platform tells.
        version: Of TLS.
    """

    distrust: Distrust | None = None
    has_connected: bool = False
    until: str = ""
    version: str = ""


def system_addresses(host: str, port: int) -> list[str]:
    """What the system resolves a name to, in its order.

    Raises:
        OSError: nothing.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError:  # a label that is too long or empty
        raise socket.gaierror(socket.EAI_NONAME, "not a host name") from None
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


async def addresses(host: str, port: int, resolve: Resolve, seconds: float) -> list[str]:
    """The addresses of a host.

    In a thread of its own that the program's end does not wait for: resolvers can take minutes.

    Raises:
        OSError: it has none.
        TimeoutError: it took longer.
    """
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[list[str]] = loop.create_future()

    def settle(found: list[str] | OSError) -> None:
        if answer.done():
            return
        if isinstance(found, OSError):
            answer.set_exception(found)
        else:
            answer.set_result(found)

    def work() -> None:
        try:
            found: list[str] | OSError = resolve(host, port)
        except OSError as error:
            found = error
        with suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(settle, found)

    threading.Thread(target=work, name="resolver", daemon=True).start()
    with anyio.fail_after(seconds):
        return await answer


async def try_port(host: str, port: int, resolve: Resolve, seconds: float) -> None:
    """Open a connection to a port, and close it.

    Raises:
        OSError: none of its addresses takes one, or it has none.
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

            for address in found:  # all at once: one of them may swallow what is sent to it
                tasks.start_soon(attempt, address)
        if len(failures) == len(found):
            raise failures[-1]


async def shake_hands(client: httpx2.AsyncClient, url: str, seconds: float) -> Handshake:
    """How TLS comes about with a server, as the client does it, its proxy included; no key is sent."""
    with anyio.move_on_after(seconds):
        try:
            request = httpx2.Request("GET", url, extensions={"timeout": httpx2.Timeout(seconds).as_dict()})
            response = await client.send(request, auth=httpx2.Auth(), stream=True)
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
    """The day when the certificate ends; where the system itself checks certificates, Python is not told."""
    ends = (of_tls.getpeercert() or {}).get("notAfter")
    return f"{datetime.fromtimestamp(ssl.cert_time_to_seconds(ends), UTC):%Y-%m-%d}" if isinstance(ends, str) else ""
