"""The sandbox itself: a web server on a loopback port, for as long as a block runs."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
from typing import TYPE_CHECKING, Self

import anyio
import uvicorn
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from alaya_mcp.sandbox.answers import encode
from alaya_mcp.sandbox.backend import Backend
from alaya_mcp.sandbox.control import ACCESS_KEY, SECRET_KEY, ControlPlane
from alaya_mcp.sandbox.deployments import BACKEND, DEPLOYMENTS
from alaya_mcp.sandbox.engine import DataPlane
from alaya_mcp.sandbox.faults import find_fault
from alaya_mcp.sandbox.faults_exchange import CONNECTIONS
from alaya_mcp.sandbox.faults_memory import Faults
from alaya_mcp.sandbox.fleet import Fleet
from alaya_mcp.sandbox.generated import generated
from alaya_mcp.sandbox.stats import Stats

if TYPE_CHECKING:
    from collections.abc import Generator
    from types import TracebackType

    from starlette.requests import Request
    from starlette.types import ASGIApp, Receive, Scope, Send

_HOST = "127.0.0.1"
_BASE_PATH = "/api/serverless-infer/v1"
_PATIENCE = 1.0


class Sandbox:
    """An emulated inference cloud on a loopback port.

    Use it as an asynchronous context manager, in an asyncio event loop::

        async with Sandbox(token_delay=0.03) as sandbox:
            client = SomeClient(sandbox.base_url, sandbox.access_key, sandbox.secret_key)

    Args:
        port: The port to listen on; 0 takes a free one.
        token_delay: Seconds before each token of an answer.
        starting_seconds: How long the starting deployment still starts after its detail is first asked for.
        fleet: So many more deployments, to list and to page through; they are in no catalogue.
        backend: URL of an OpenAI-compatible server; it becomes one more deployment, and the default one.
        backend_key: The key that server wants, sent as a bearer token.
        fault: The name of a fault that every deployment shows.
        slow_seconds: How long the faults called slow take to send what they are slow with.

    Raises:
        ValueError: There is no fault of that name, and the text lists near ones; or a fleet is not from 0 to 2,000.

    Attributes:
        stats: Live counters.
        service_ids: The ids of the deployments, in order.
        default_service_id: The first of them.
        catalogue: The ids with one line about each.
    """

    access_key: str = ACCESS_KEY
    secret_key: str = SECRET_KEY

    def __init__(
        self,
        *,
        port: int = 0,
        token_delay: float = 0.03,
        starting_seconds: float = 8.0,
        fleet: int = 0,
        backend: str | None = None,
        backend_key: str | None = None,
        fault: str | None = None,
        slow_seconds: float = 2.0,
    ) -> None:
        self._port = port
        self._token_delay = token_delay
        self._starting_seconds = starting_seconds
        self._backend_address = (backend, backend_key) if backend else None
        self._fault = find_fault(fault) if fault else None
        self._slow_seconds = slow_seconds
        self._deployments = ((BACKEND,) if backend else ()) + DEPLOYMENTS
        self._others = generated(fleet)
        self._exits = contextlib.AsyncExitStack()
        self.stats = Stats()
        self.service_ids = tuple(each.service_id for each in self._deployments)
        self.default_service_id = self.service_ids[0]
        self.catalogue = tuple((each.service_id, each.summary) for each in self._deployments)

    @property
    def base_url(self) -> str:
        """The base of the control plane; known once the sandbox runs, or if the port was given."""
        return f"http://{_HOST}:{self._port}{_BASE_PATH}"

    async def __aenter__(self) -> Self:
        """Start to listen.

        Raises:
            OSError: The port is taken.
            ValueError: The backend is not a URL.
        """
        async with contextlib.AsyncExitStack() as exits:
            backend = None
            if self._backend_address:
                backend = await exits.enter_async_context(Backend(*self._backend_address))
            listener = exits.enter_context(_listen(self._port))
            self._port = listener.getsockname()[1]
            closed_port = exits.enter_context(_closed_port())
            server = _Server(self._application(backend, closed_port))
            task = asyncio.create_task(server.serve(sockets=[listener]), name="sandbox server")
            exits.push_async_callback(_stop, server, task)
            await server.wait_started(task)
            self._exits = exits.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop at once: answers that are under way are cut off."""
        await self._exits.aclose()

    def _application(self, backend: Backend | None, closed_port: int) -> Starlette:
        fleet = Fleet(self._deployments + self._others, self._starting_seconds)
        faults = Faults(
            self._fault,
            self.stats,
            token_delay=self._token_delay,
            slow_seconds=self._slow_seconds,
            tls_origin=f"https://{_HOST}:{self._port}",
            closed_origin=f"http://{_HOST}:{closed_port}",
        )
        control = ControlPlane(fleet, self.stats, faults, origin=f"http://{_HOST}:{self._port}")
        data = DataPlane(fleet, self.stats, faults, token_delay=self._token_delay, backend=backend)

        async def show_stats(_request: Request) -> Response:
            return Response(encode(self.stats.snapshot()), media_type="application/json")

        return Starlette(
            routes=[
                Route("/sandbox/stats", show_stats),
                Route(f"{_BASE_PATH}/{{path:path}}", control),
                Route("/serve/{service_id}/{path:path}", data),
            ]
        )


class _Server(uvicorn.Server):
    """uvicorn as a guest: it takes no signals, says nothing, and stops without waiting for its clients."""

    def __init__(self, application: ASGIApp) -> None:
        self._application = application
        super().__init__(
            uvicorn.Config(
                self._serve_request,
                interface="asgi3",
                http="h11",
                ws="none",
                lifespan="off",
                log_config=None,
                log_level="critical",
                access_log=False,
            )
        )
        self._ready = asyncio.Event()
        self._leave = asyncio.Event()

    async def _serve_request(self, scope: Scope, receive: Receive, send: Send) -> None:
        # A fault of the network is done to the connection itself, which the application does not see otherwise.
        await self._application({**scope, CONNECTIONS: self.server_state.connections}, receive, send)

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        """Leave signals to the program that runs the sandbox."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and tell whoever waits for it."""
        await super().startup(sockets)
        self._ready.set()

    async def main_loop(self) -> None:
        """Run until told to leave, instead of looking ten times a second whether to."""
        await self.on_tick(0)
        await self._leave.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Cut every connection, and wait for the answers that this ends.

        It stands in for uvicorn's own, which would give clients time and look for the end every tenth of a second.
        """
        for listener in (*self.servers, *(sockets or ())):
            listener.close()
        # A connection accepted just now is among the connections only after the loop has turned.
        await asyncio.sleep(0)
        while self.server_state.connections:
            for connection in list(self.server_state.connections):
                connection.transport.abort()
            await asyncio.sleep(0)
        if tasks := list(self.server_state.tasks):
            _, late = await asyncio.wait(tasks, timeout=_PATIENCE)
            for task in late:
                task.cancel()

    def leave(self) -> None:
        """Tell the server to stop."""
        self._leave.set()

    async def wait_started(self, task: asyncio.Task[None]) -> None:
        """Wait until the server listens; an error that keeps it from that is raised here."""
        ready = asyncio.create_task(self._ready.wait())
        try:
            await asyncio.wait((ready, task), return_when=asyncio.FIRST_COMPLETED)
        finally:
            ready.cancel()
        if task.done():
            task.result()


async def _stop(server: _Server, task: asyncio.Task[None]) -> None:
    # Shielded: the sandbox must be gone when the block is left, also by a cancellation.
    with anyio.CancelScope(shield=True):
        server.leave()
        await task


@contextlib.contextmanager
def _listen(port: int) -> Generator[socket.socket]:
    # asyncio turns Nagle's algorithm off only for a socket that says it is TCP; with it on, an answer written in
    # two pieces waits 40 ms for the client's delayed acknowledgement.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    with listener:
        if sys.platform != "win32":  # there the option would let two programs have one port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((_HOST, port))
            listener.listen()
        except OSError as error:
            raise OSError(error.errno, f"cannot listen on {_HOST}:{port}: {error.strerror}") from error
        yield listener


@contextlib.contextmanager
def _closed_port() -> Generator[int]:
    """Hold a port on which nothing listens, so that nobody else can."""
    with socket.socket() as bound:
        bound.bind((_HOST, 0))
        yield bound.getsockname()[1]
