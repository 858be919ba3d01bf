"""The data plane: one gateway in front of every deployment's engine."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING

import anyio
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, Response

from alaya_mcp.sandbox.answers import Wire, encode
from alaya_mcp.sandbox.configurations import VLLM_VERSION
from alaya_mcp.sandbox.feature_refusals import refuse_continuation, refuse_format, refuse_images, refuse_tools
from alaya_mcp.sandbox.models import find_target, list_models
from alaya_mcp.sandbox.presence import while_client_waits
from alaya_mcp.sandbox.refusals import (
    MAX_MODEL_LEN,
    RefusedError,
    read_chat,
    refuse_messages,
    refuse_overflow,
    refuse_sampling,
)
from alaya_mcp.sandbox.replies import compose
from alaya_mcp.sandbox.stats import Chat
from alaya_mcp.sandbox.tokens import estimate_tokens

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.types import Receive, Scope, Send

    from alaya_mcp.sandbox.backend import Backend
    from alaya_mcp.sandbox.chat_request import ChatRequest
    from alaya_mcp.sandbox.deployments import Deployment, Instance
    from alaya_mcp.sandbox.faults_memory import Faults
    from alaya_mcp.sandbox.fleet import Fleet
    from alaya_mcp.sandbox.replies import Answer
    from alaya_mcp.sandbox.stats import Stats

_CHAT = "v1/chat/completions"
_METHODS = {_CHAT: "POST", "v1/models": "GET", "health": "GET", "version": "GET"}
_LONGEST_WHOLE_ANSWER = 2.0
_TEMPLATE_TOKENS = 4  # around each message; assumed
_IMAGE_TOKENS = 256  # whatever its size; assumed

# Assumed: what a gateway answers while the engine's port is closed; the documentation does not show it.
_UNAVAILABLE = "<html><head><title>503 Service Temporarily Unavailable</title></head></html>\n"


class DataPlane:
    """ASGI application for `/serve/{service_id}/{path}`.

    API documentation, service call: the key is in the `apiKey` header. Assumed: the gateway asks for it on
    every path, and looks at it before it looks whether the engine answers.
    """

    def __init__(
        self, fleet: Fleet, stats: Stats, faults: Faults, *, token_delay: float, backend: Backend | None
    ) -> None:
        self._fleet = fleet
        self._stats = stats
        self._faults = faults
        self._token_delay = token_delay
        self._backend = backend

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or nothing to a client that left before it had asked."""
        request = Request(scope, receive)
        try:
            response = await self._answer(request, send)
        except ClientDisconnect:
            return
        if response is not None:
            await response(scope, receive, send)

    async def _answer(self, request: Request, send: Send) -> Response | None:
        """Answer through `send` and give None, or give the response to send."""
        path: str = request.path_params["path"]
        deployment = self._fleet.find(request.path_params["service_id"])
        if deployment is None:
            return _json({"detail": "Not Found"}, 404)
        self._stats.count_request(deployment.service_id, chatting=path == _CHAT)
        if not self._faults.accepts(deployment, request.headers.get("apiKey", ""), chatting=path == _CHAT):
            return _json({"error": "Unauthorized"}, 401)
        instance = self._fleet.next_instance(deployment, path)
        if instance is None:
            return HTMLResponse(_UNAVAILABLE, 503)
        if (request.method, path) == ("POST", _CHAT) and await self._faults.answer_chat(request, send, deployment):
            return None
        if deployment.engine == "proxy" and self._backend is not None:
            return await self._relay(self._backend, request, path, send)
        if (misrouted := _misrouted(request, path, deployment)) is None and path == _CHAT:
            return await self._chat(request, send, deployment, instance)
        if misrouted is None and path == "v1/models":
            return _json(self._faults.change_models(deployment, list_models(deployment, instance)))
        return misrouted or _about(path)

    async def _relay(self, backend: Backend, request: Request, path: str, send: Send) -> Response | None:
        if not path.startswith("v1/") and path not in _METHODS:
            return _json({"detail": "Not Found"}, 404)
        with self._stats.chat() if path == _CHAT else nullcontext(Chat()) as counted:
            await backend.relay(request, path, send, counted)
        return None

    async def _chat(self, request: Request, send: Send, deployment: Deployment, instance: Instance) -> Response | None:
        raw = await request.body()
        try:
            chat = read_chat(request.headers.get("content-type", ""), raw)
            target = find_target(deployment, instance, chat)
            refuse_tools(chat, parser=deployment.tool_parser)
            refuse_continuation(chat, deployment)
            refuse_messages(chat, target.base, sees=deployment.sees)
            refuse_images(chat)
            refuse_sampling(chat)
            refuse_format(chat)
            characters, prompt_tokens = _measure(chat)
            refuse_overflow(characters, prompt_tokens, chat.token_limit)
        except RefusedError as refusal:
            return _json(refusal.body(deployment.engine), refusal.status)
        limit = chat.token_limit or MAX_MODEL_LEN - prompt_tokens
        answer = compose(chat, target, deployment, limit)
        wire = Wire(model=target.name, prompt_tokens=prompt_tokens, sglang=deployment.engine == "sglang")
        with self._stats.chat() as counted:

            async def write() -> None:
                if chat.stream:
                    await self._stream(send, answer, wire.events(answer, chat.stream_options), counted)
                else:
                    await self._whole(send, answer, encode(wire.whole(answer)), counted)

            await while_client_waits(request.receive, write)
        return None

    async def _whole(self, send: Send, answer: Answer, body: bytes, counted: Chat) -> None:
        await anyio.sleep(answer.pause + min(_LONGEST_WHOLE_ANSWER, self._token_delay * answer.tokens))
        length = str(len(body)).encode()
        headers = [(b"content-length", length), (b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        # The server wakes whoever watches for a departure when the body is complete, so count before that.
        counted.finish()
        await send({"type": "http.response.body", "body": body})

    async def _stream(self, send: Send, answer: Answer, events: Iterator[bytes], counted: Chat) -> None:
        headers = [(b"content-type", b"text/event-stream; charset=utf-8")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await anyio.sleep(answer.pause)
        for each in events:
            # Also with no delay: a departure is noticed only when others may run.
            await anyio.sleep(self._token_delay)
            await send({"type": "http.response.body", "body": each, "more_body": True})
        counted.finish()
        await send({"type": "http.response.body", "body": b""})


def _measure(chat: ChatRequest) -> tuple[int, int]:
    """Estimate the characters and tokens of a prompt; tools are in it whatever the choice (recorded: tools_none)."""
    texts = [message.text for message in chat.messages]
    texts += [tool.model_dump_json(exclude_none=True) for tool in chat.tools or []]
    images = sum(len(message.images) for message in chat.messages)
    tokens = sum(estimate_tokens(text) + _TEMPLATE_TOKENS for text in texts) + images * _IMAGE_TOKENS
    return sum(map(len, texts)), tokens


def _misrouted(request: Request, path: str, deployment: Deployment) -> Response | None:
    """Answer what an engine's router refuses (recorded: unknown_path, method_get, trailing_slash_path)."""
    if path == "version" and deployment.engine == "sglang":  # assumed: only vLLM has this path
        return _json({"detail": "Not Found"}, 404)
    if path in _METHODS:
        if request.method == _METHODS[path]:
            return None
        return _json({"detail": "Method Not Allowed"}, 405, {"allow": _METHODS[path]})
    if path.removesuffix("/") in _METHODS:
        url = request.url
        return Response(status_code=307, headers={"location": str(url.replace(path=url.path.removesuffix("/")))})
    return _json({"detail": "Not Found"}, 404)


def _about(path: str) -> Response:
    """Answer what an engine says about itself (recorded: version, health)."""
    return _json({"version": VLLM_VERSION}) if path == "version" else Response()


def _json(body: object, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(encode(body), status, headers, media_type="application/json")
