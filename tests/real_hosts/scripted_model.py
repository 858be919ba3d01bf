"""A model on loopback that calls one tool and then says that it is done, and a proxy that lets nothing out."""

import json
from collections.abc import Generator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any, cast

from tests.real_hosts import dialects
from tests.real_hosts.dialects import Call, Json

DONE = "The tool was called."


class ScriptedModel:
    """What the model was asked and what it was shown.

    Attributes:
        url: The base of every route, without a slash at its end.
        results: The results of the tool that reached the model, as the host rendered them.
        called: The call of the tool that the model made; None until a host offered the tool.
        outside: What the hosts wanted of the world outside, as a proxy is asked for it; nobody got it.
    """

    def __init__(self, url: str, wanted: Call) -> None:
        self.url = url
        self.wanted = wanted
        self.results: list[str] = []
        self.called: Call | None = None
        self.outside: list[str] = []
        self._lock = Lock()

    def answer(self, method: str, path: str, body: Json) -> tuple[int, str, bytes]:
        """The status, the content type and the body of the answer to one request."""
        with self._lock:
            if method == "CONNECT" or not path.startswith("/"):
                self.outside.append(f"{method} {path}")
                return _json(403, {"error": {"message": "Nothing leaves this machine."}})
            dialect = dialects.spoken_at(path.partition("?")[0])
            if method != "POST" or dialect is None:
                return _json(*_aside(path))
            results = dialect.results(body)
            self.results += results
            call = None if results else dialect.offered(body, self.wanted)
            self.called = self.called or call
        events = dialect.text(DONE, body) if call is None else dialect.call(call, body)
        if dialect.streams(path, body):
            return 200, "text/event-stream", dialect.stream(events)
        return _json(200, dialect.whole(events))


def _aside(path: str) -> tuple[int, Json]:
    """What a host asks beside the conversation: the list of models, or a count of tokens."""
    if path.partition("?")[0].endswith("/models"):
        return 200, {"object": "list", "data": [{"id": "scripted", "object": "model", "owned_by": "test"}]}
    if "count" in path:
        return 200, {"input_tokens": 10, "totalTokens": 10}
    return 404, {"error": {"message": "The scripted model has no such route.", "type": "not_found"}}


def _json(status: int, body: Json) -> tuple[int, str, bytes]:
    return status, "application/json", json.dumps(body).encode()


@contextmanager
def scripted_model(tool: str, **arguments: object) -> Generator[ScriptedModel]:
    """A running model that calls `tool` as soon as a host offers it."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    model = ScriptedModel(f"http://127.0.0.1:{server.server_port}", Call(tool, arguments))
    cast("Any", server).model = model
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield model
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def handle(self) -> None:
        # A host that is done leaves its connections as they are.
        with suppress(ConnectionError):
            super().handle()

    def do_GET(self) -> None:
        self._answer({})

    def do_CONNECT(self) -> None:
        self._answer({})

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        raw = self.rfile.read(length)
        try:
            body: Json = json.loads(raw or b"{}")
        except ValueError:
            body = {}
        self._answer(body)

    def _answer(self, body: Json) -> None:
        model: ScriptedModel = cast("Any", self.server).model
        status, kind, content = model.answer(self.command, self.path, body)
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
        """Keep the test's output clean."""
