"""The sandbox itself: a web server on a loopback port, for as long as a block runs."""

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from email.utils import formatdate
from functools import partial
from typing import ClassVar, Self

import anyio
import httpx2
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from alaya_mcp.sandbox.backend import backend_client
from alaya_mcp.sandbox.control import ACCESS_KEY, SECRET_KEY, ControlPlane
from alaya_mcp.sandbox.deployments import BACKEND, DEPLOYMENTS
from alaya_mcp.sandbox.engine import DataPlane
from alaya_mcp.sandbox.exchange import CONNECTIONS, Plane, json_response
from alaya_mcp.sandbox.faults.registry import NO_FAULT, ShownFaults, find_fault
from alaya_mcp.sandbox.fleet import Fleet, generated
from alaya_mcp.sandbox.stats import Stats

_HOST = "127.0.0.1"
_BASE_PATH = "/api/serverless-infer/v1"


@dataclass(eq=False, repr=False, kw_only=True)
class Sandbox:
    """An emulated inference cloud on a loopback port, for as long as `async with Sandbox() as sandbox:` runs.

    `service_ids` are in order, the first being `default_service_id`; `catalogue` has a line about each.
    An unknown fault is a ValueError that lists near ones; so is a fleet that is not from 0 to 2,000.
    """

    port: int = 0  # to listen on; 0 takes a free one
    token_delay: float = 0.03  # seconds before each token of an answer
    starting_seconds: float = 8.0  # until a starting deployment runs, after its detail is first asked for
    fleet: int = 0  # how many further deployments there are to list and to page through; they are in no catalogue
    backend: str | None = None  # URL of an OpenAI-compatible server: one more deployment, and the default one
    backend_key: str | None = None  # sent to that server as a bearer token
    fault: str | None = None  # the name of a fault that every deployment shows
    slow_seconds: float = 2.0  # until the faults called slow send what they are slow with
    access_key: ClassVar[str] = ACCESS_KEY
    secret_key: ClassVar[str] = SECRET_KEY

    def __post_init__(self) -> None:
        self._fault = find_fault(self.fault) if self.fault else NO_FAULT
        self._deployments = ((BACKEND,) if self.backend else ()) + DEPLOYMENTS
        self._others = generated(self.fleet)
        self._exits = contextlib.AsyncExitStack()
        self.stats = Stats()
        self.service_ids = tuple(each.service_id for each in self._deployments)
        self.default_service_id = self.service_ids[0]
        self.catalogue = tuple((each.service_id, each.summary) for each in self._deployments)

    @property
    def base_url(self) -> str:
        """Return the base of the control plane, which is known once the sandbox runs, or if the port was given."""
        return f"http://{_HOST}:{self.port}{_BASE_PATH}"

    async def __aenter__(self) -> Self:
        """Start to listen, or raise an OSError where the port is taken, a ValueError where the backend is not a URL."""
        async with contextlib.AsyncExitStack() as exits:
            backend = backend_client(self.backend, self.backend_key) if self.backend else None
            if backend:
                await exits.enter_async_context(backend)
            # A port on which nothing listens, held so that nothing else can.
            closed = exits.enter_context(socket.socket())
            closed.bind((_HOST, 0))
            build = partial(self._application, backend, closed.getsockname()[1])
            self.port = await exits.enter_async_context(_serving(build, self.port))
            self._exits = exits.pop_all()
        return self

    async def __aexit__(self, *_error: object) -> None:
        """Stop at once: answers that are under way are cut off."""
        await self._exits.aclose()

    def _application(self, backend: httpx2.AsyncClient | None, closed_port: int, port: int) -> Starlette:
        fleet = Fleet(self._deployments + self._others, self.starting_seconds)
        faults = ShownFaults(self._fault, self.stats, (self.token_delay, self.slow_seconds), closed_port)
        control = ControlPlane(fleet, self.stats, faults, origin=f"http://{_HOST}:{port}")
        data = DataPlane(fleet, self.stats, faults, self.token_delay, backend)
        stats = Route("/sandbox/stats", self._show_stats)
        control_plane = Route(f"{_BASE_PATH}/{{path:path}}", Plane(control.respond))
        return Starlette(routes=[stats, control_plane, Route("/serve/{service_id}/{path:path}", Plane(data.respond))])

    def _show_stats(self, _request: Request) -> Response:
        return json_response(self.stats.snapshot())


def reason(error: OSError, words: Callable[[int], str] = os.strerror) -> str:
    """Return the words for an error; Windows has none for the numbers of its sockets, so that it is asyncio's."""
    text = words(error.errno or 0)
    return f"{error.strerror}" if text.startswith("Unknown error") else text


@contextlib.asynccontextmanager
async def _serving(build: Callable[[int], ASGIApp], port: int) -> AsyncGenerator[int]:
    """Listen on a port, serve the application that is built for it, and yield the port; leaving cuts every connection.

    uvicorn speaks HTTP here without its server, which would take signals, log, look ten times a second whether to
    stop, and then give clients time.
    """
    state = ServerState()

    async def serve_request(scope: Scope, receive: Receive, send: Send) -> None:
        # A fault of the network is done to the connection itself, which the application does not see otherwise.
        await application({**scope, CONNECTIONS: state.connections}, receive, send)

    config = uvicorn.Config(
        serve_request, http="h11", ws="none", lifespan="off", log_config=None, log_level="critical", access_log=False
    )
    config.load()
    state.default_headers = [(b"date", formatdate(usegmt=True).encode()), *config.encoded_headers]
    try:
        server = await asyncio.get_running_loop().create_server(
            lambda: H11Protocol(config, state, {}), _HOST, port, backlog=config.backlog, start_serving=False
        )
        port = server.sockets[0].getsockname()[1]
        application = build(port)
        await server.start_serving()
    except OSError as error:
        raise OSError(error.errno, f"cannot listen on {_HOST}:{port}: {reason(error)}") from error
    try:
        yield port
    finally:
        # Shielded: the sandbox must be gone when the block is left, also by a cancellation.
        with anyio.CancelScope(shield=True):
            server.close()
            # A connection accepted just now is among the connections only after the loop has turned.
            await asyncio.sleep(0)
            while state.connections:
                for connection in list(state.connections):
                    connection.transport.abort()
                await asyncio.sleep(0)
            if tasks := list(state.tasks):
                _, late = await asyncio.wait(tasks, timeout=1.0)
                for task in late:
                    task.cancel()
