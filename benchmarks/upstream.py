"""A fast upstream on loopback: control plane and engine, with answers made before they are asked for.

    python -m benchmarks.upstream        prints {"port": N}, and serves until stdin ends

A service id says what its engine answers: `TOKENS-MILLISECONDS-CHARACTERS`, so many tokens, so long between them (0 for
as fast as they are taken), so many characters each. `GET /counts` tells how much was asked since it was last asked.
"""

import asyncio
import json
import sys
from collections import Counter
from typing import Any, ClassVar, Final

_API: Final = "/api/serverless-infer/v1/deployment/"
_END_OF_HEAD: Final = b"\r\n\r\n"
_AT_ONCE: Final = 64
"""Tokens written before others get their turn."""


def _chunk(data: object) -> bytes:
    text = data if isinstance(data, str) else json.dumps(data, separators=(",", ":"))
    event = f"data: {text}\n\n".encode()
    return b"%x\r\n%b\r\n" % (len(event), event)


def _answer(value: object) -> bytes:
    body = json.dumps(value).encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def _delta(delta: dict[str, Any], finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return _chunk({"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "bench", "choices": [choice]})


_START: Final = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n" + _delta(
    {"role": "assistant", "content": ""}
)
_END: Final = _delta({}, "stop") + _chunk("[DONE]") + b"0\r\n\r\n"


class Upstream(asyncio.Protocol):
    """One connection."""

    port = 0
    counts: ClassVar[Counter[str]] = Counter()

    def __init__(self) -> None:
        self._received = b""
        self._stream: asyncio.Task[None] | None = None
        self._can_write = asyncio.Event()
        self._can_write.set()

    def pause_writing(self) -> None:
        """As much waits as may wait."""
        self._can_write.clear()

    def resume_writing(self) -> None:
        """The client has read on."""
        self._can_write.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 create_server makes one
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        """The client has left."""
        del exc
        if self._stream:
            self._stream.cancel()

    def data_received(self, data: bytes) -> None:
        """Answer each request that is whole."""
        self._received += data
        while (end := self._received.find(_END_OF_HEAD)) >= 0:
            head = self._received[:end].decode("latin-1")
            fields = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:])
            whole = end + len(_END_OF_HEAD) + int(fields.get("content-length", "0"))
            if len(self._received) < whole:
                return
            self._received = self._received[whole:]
            self._respond(head.split(" ", 2)[1])

    def _respond(self, path: str) -> None:
        if path.startswith(_API):
            self.counts["lookups"] += 1
            self._transport.write(_answer(self._deployment(path.removeprefix(_API))))
        elif path.endswith("/v1/chat/completions"):
            self.counts["chats"] += 1
            tokens, milliseconds, characters = map(int, path.split("/")[1].split("-")[-3:])
            self._stream = asyncio.ensure_future(self._chat(tokens, milliseconds / 1_000, characters))
        else:
            self._transport.write(_answer(dict(self.counts)))
            self.counts.clear()

    def _deployment(self, service_id: str) -> dict[str, Any]:
        instance: dict[str, Any] = {"instanceId": "0", "baseModelReady": True, "loraModels": ["a", "b"]}
        deployment: dict[str, Any] = {
            "serviceId": service_id,
            "serviceUrl": f"http://127.0.0.1:{self.port}/{service_id}",
            "apikey": "key",
            "status": "running",
            "name": "bench",
            "servedName": ["bench"],
            "mode": "quickStart",
            "quickStart": {"backend": "vllm", "backendVersion": "0.9.0", "backendArgs": []},
            "instance": [instance, instance],
        }
        return {"code": 0, "msg": "success", "data": deployment}

    async def _chat(self, tokens: int, seconds: float, characters: int) -> None:
        token = _delta({"content": ("word " * characters)[:characters]})
        self._transport.write(_START)
        due = asyncio.get_running_loop().time()
        for number in range(tokens):
            if seconds:
                due += seconds
                await asyncio.sleep(due - asyncio.get_running_loop().time())
            elif number % _AT_ONCE == 0:
                await asyncio.sleep(0)
                await self._can_write.wait()
            self._transport.write(token)
        self._transport.write(_END)


async def _main() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Upstream, "127.0.0.1", 0, backlog=1_024)
    Upstream.port = server.sockets[0].getsockname()[1]
    sys.stdout.write(json.dumps({"port": Upstream.port}) + "\n")
    sys.stdout.flush()
    stdin = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(stdin), sys.stdin)
    async with server:
        await stdin.read()


if __name__ == "__main__":
    asyncio.run(_main())
