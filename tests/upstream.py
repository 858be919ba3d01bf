"""A scripted HTTP/1.1 server on a real loopback socket: what Alaya, its gateway and its engines may do wrong."""

import asyncio
import json
import socket
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from alaya_mcp.config.settings import Settings, load_settings

SERVICE = "svc-1"
API_KEY = "deployment-apikey-0"
DONE = "[DONE]"
_TLS_HANDSHAKE = b"\x16"


@dataclass(frozen=True)
class Request:
    """One request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:  # noqa: ANN401 any JSON value
        return json.loads(self.body)


class Exchange:
    """The server's end of one request."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        self._writer.write(data)
        await self._writer.drain()

    async def answer(self, status: int, body: bytes, *, headers: dict[str, str] | None = None) -> None:
        """Send a whole answer."""
        lines = {"content-type": "application/json", "content-length": str(len(body)), **(headers or {})}
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        await self.send(f"HTTP/1.1 {status} Scripted\r\n{head}connection: close\r\n\r\n".encode() + body)

    async def answer_json(self, status: int, value: object, *, headers: dict[str, str] | None = None) -> None:
        """Send a whole answer of JSON."""
        await self.answer(status, json.dumps(value).encode(), headers=headers)

    async def events(self, *events: object) -> None:
        """Send the head of a stream without an announced length, then events; more may follow."""
        await self.send(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n")
        for event in events:
            await self.event(event)

    async def event(self, event: object) -> None:
        """Send one event."""
        data = event if isinstance(event, str) else json.dumps(event)
        await self.send(f"data: {data}\n\n".encode())

    def reset(self) -> None:
        """Break the connection as a killed process behind a gateway does."""
        raw: socket.socket = self._writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()

    async def hang(self) -> None:
        """Say nothing until the client has gone."""
        await self._reader.read()


Handler = Callable[[Request, Exchange], Awaitable[None]]


@dataclass
class Upstream:
    """Both planes on one port.

    Attributes:
        deployment: What the control plane tells of `SERVICE`; change it as the test goes.
        control: Answers the control plane; by default with `deployment`.
        chat: Answers chat completions.
        models: Answers `/v1/models`; 404 by default.
        requests: Everything that was asked, in order.
    """

    chat: Handler | None = None
    models: Handler | None = None
    control: Handler | None = None
    deployment: dict[str, Any] = field(default_factory=dict[str, Any])
    requests: list[Request] = field(default_factory=list[Request])

    async def __aenter__(self) -> Self:
        self._open: dict[asyncio.Task[Any], asyncio.StreamWriter] = {}
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port: int = self._server.sockets[0].getsockname()[1]
        self.deployment = {
            "serviceId": SERVICE,
            "serviceUrl": f"{self.url}/serve",
            "apikey": API_KEY,
            "status": "running",
            "name": "scripted",
            "servedName": ["base", "base-alias"],
            "instance": [{"instanceId": "0", "loraModels": ["lora1"], "baseModelReady": True}],
            "mode": "quickStart",
            "quickStart": {"backend": "vllm"},
            **self.deployment,
        }
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for writer in self._open.values():
            writer.transport.abort()
        await asyncio.gather(*self._open, return_exceptions=True)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def environ(self) -> dict[str, str]:
        """What a server needs to use it."""
        return {
            "ALAYA_BASE_URL": f"{self.url}/api/serverless-infer/v1",
            "ALAYA_ACCESS_KEY": "planted-access-key",
            "ALAYA_SECRET_KEY": "planted-secret-key",
            "ALAYA_SERVICE_ID": SERVICE,
        }

    def settings(self, **changes: str) -> Settings:
        """Settings for it; `changes` are further `ALAYA_*` variables."""
        return load_settings({**self.environ, **changes})

    def asked(self, end: str) -> list[Request]:
        """The requests whose path ends so."""
        return [request for request in self.requests if request.path.endswith(end)]

    @property
    def chats(self) -> list[Request]:
        """The chat requests."""
        return self.asked("/v1/chat/completions")

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open[task] = writer
        try:
            request = await _read_request(reader)
            self.requests.append(request)
            await self._handler(request)(request, Exchange(reader, writer))
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the client went first, as clients do
        finally:
            writer.close()
            del self._open[task]

    def _handler(self, request: Request) -> Handler:
        if request.path.startswith("/api/"):
            return self.control or self._tell_deployment
        if request.path.endswith("/v1/models"):
            return self.models or _not_found
        return self.chat or _not_found

    async def _tell_deployment(self, _: Request, exchange: Exchange) -> None:
        await exchange.answer_json(200, {"code": 0, "data": self.deployment, "msg": ""})


async def _not_found(_: Request, exchange: Exchange) -> None:
    await exchange.answer_json(404, {"detail": "Not Found"})


async def _read_request(reader: asyncio.StreamReader) -> Request:
    first = await reader.readexactly(1)
    if first == _TLS_HANDSHAKE:
        raise ConnectionError("a TLS handshake, which this server does not speak")
    head = (first + await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    start, *lines = head.split("\r\n")
    method, path, _ = start.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Request(method, path, headers, body)


def text_chunk(content: str | None = None, *, model: str = "base", **choice: object) -> dict[str, Any]:
    """One chunk of a stream, as vLLM sends it."""
    delta = {} if content is None else {"content": content}
    return {
        "object": "chat.completion.chunk",
        "model": model,
        "choices": [{"index": 0, "delta": delta, "finish_reason": None, **choice}],
    }


def replies(*words: str, model: str = "base") -> Handler:
    """A chat handler that streams words and ends well."""

    async def handler(_: Request, exchange: Exchange) -> None:
        chunks = [text_chunk(word, model=model) for word in words]
        await exchange.events(*chunks, text_chunk(model=model, finish_reason="stop"), DONE)

    return handler


def in_turn(*handlers: Handler) -> Handler:
    """Each request to the next handler, the last one to all that follow."""
    left = list(handlers)

    async def handler(request: Request, exchange: Exchange) -> None:
        chosen = left.pop(0) if len(left) > 1 else left[0]
        await chosen(request, exchange)

    return handler


def says(status: int, value: object, **headers: str) -> Handler:
    """A handler that answers with JSON; `retry_after="1"` becomes a header."""

    async def handler(_: Request, exchange: Exchange) -> None:
        named = {name.replace("_", "-"): text for name, text in headers.items()}
        await exchange.answer_json(status, value, headers=named)

    return handler
