"""The metrics, for Prometheus."""

from typing import Final

from anyio import CapacityLimiter, to_thread
from starlette.types import Receive, Scope, Send

from alaya_mcp.observer import Observer
from alaya_mcp.serving.http.refusal import Refusal, answer

METRICS_PATH: Final = "/metrics"
_TEXT: Final = b"text/plain; version=0.0.4; charset=utf-8"
_NOT_FOUND: Final = 404


class MetricsPage:
    """An ASGI application that shows the metrics, and nothing else.

    Args:
        observer: Has them.
    """

    def __init__(self, observer: Observer) -> None:
        self._observer = observer
        self._one = CapacityLimiter(1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request; the text is made in a thread, one at a time."""
        del receive
        if scope["type"] != "http":
            return
        if scope["method"] != "GET" or scope["path"] != METRICS_PATH:
            refusal = Refusal(_NOT_FOUND, f"There is nothing here; the metrics are at {METRICS_PATH}.")
            await answer(send, refusal.status, refusal.body)
            return
        text = await to_thread.run_sync(self._observer.exposition, limiter=self._one)
        headers = [(b"content-type", _TEXT), (b"content-length", str(len(text)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": text})
