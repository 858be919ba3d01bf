"""A port that an application answers on: it can stop listening and let the running requests end."""

import asyncio
import os
from collections.abc import Callable
from email.utils import formatdate
from types import TracebackType
from typing import Any, Final, Self, cast

import anyio
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from alaya_mcp.clock import now

_KEEP_ALIVE_SECONDS: Final = 75
"""Longer than proxies keep idle connections (60 s), which do not send a POST again on one that is being closed."""
_LOOK_SECONDS: Final = 0.05
_IDLE_SECONDS: Final = 1.0
_TURNS: Final = 3
"""Of the event loop, in which it takes the connections that wait at the port: closing that resets them."""


def reason(error: OSError, words: Callable[[int], str] = os.strerror) -> str:
    """Return the words for an error; a name's error and, on Windows, a socket's have a number without any."""
    text = words(error.errno or 0)
    return f"{error.strerror}" if text.startswith("Unknown error") else text


class Listener:
    """Serves an application on a port; an async context manager, whose end cuts every connection.

    uvicorn speaks HTTP here without its server: that takes signals, ends with their status, and cuts the answers
    under way.

    Args:
        application: The application.
        host: The address.
        port: The port; 0 takes a free one.
    """

    def __init__(self, application: ASGIApp, host: str, port: int) -> None:
        self._host = host
        self.port = port
        self._config = uvicorn.Config(
            application,
            http="httptools",
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="critical",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        )
        self._state = ServerState()

    async def __aenter__(self) -> Self:
        """Begin to listen.

        Raises:
            OSError: the port is taken, or the address is not this machine's.
        """
        self._config.load()
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(
                lambda: HttpToolsProtocol(self._config, self._state, {}), self._host, self.port
            )
        except OSError as error:
            raise OSError(error.errno, f"{self._host}:{self.port}: {reason(error)}") from error
        self.port = self._server.sockets[0].getsockname()[1]
        self._tell_date()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        self._clock.cancel()
        self._server.close()
        with anyio.CancelScope(shield=True):
            await asyncio.sleep(0)  # a connection accepted just now is among them only then
            for connection in list(self._state.connections):
                transport: Any = connection.transport
                transport.abort()
            for task in list(self._state.tasks):
                task.cancel()
            await asyncio.gather(*self._state.tasks, return_exceptions=True)

    async def close(self) -> None:
        """Stop listening; open connections go on."""
        for _ in range(_TURNS):
            await asyncio.sleep(0)
        self._server.close()

    async def finished(self, seconds: float) -> bool:
        """Wait until all answers are sent and all connections closed, so long at most; return whether they are.

        A connection is closed once it has been idle for a while, not after its answer: where the answer did not
        announce that, a proxy sends the next request on it, and not again elsewhere.
        """
        idle: dict[HttpToolsProtocol, float] = {}
        with anyio.move_on_after(seconds):
            while self._state.connections or self._state.tasks:
                for connection in cast("list[HttpToolsProtocol]", list(self._state.connections)):
                    if connection.cycle and not connection.cycle.response_complete:
                        idle.pop(connection, None)
                    elif now() - idle.setdefault(connection, now()) >= _IDLE_SECONDS:
                        connection.shutdown()
                await asyncio.sleep(_LOOK_SECONDS)  # uvicorn tells nobody
        return not (self._state.connections or self._state.tasks)

    def _tell_date(self) -> None:
        """Keep the Date header, each second."""
        self._state.default_headers = [(b"date", formatdate(usegmt=True).encode())]
        self._clock = asyncio.get_running_loop().call_later(1.0, self._tell_date)
