"""The trace that an HTTP request belongs to."""

from starlette.types import ASGIApp, Receive, Scope, Send

from alaya_mcp.observer import Observer


class Joined:
    """An ASGI application whose requests belong to the trace in their headers.

    Args:
        app: The application.
        observer: Joins the traces.
    """

    def __init__(self, app: ASGIApp, observer: Observer) -> None:
        self._app = app
        self._observer = observer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        with self._observer.joined(scope.get("headers", ())):
            await self._app(scope, receive, send)
