"""The data plane: one gateway in front of every deployment's engine."""

from contextlib import nullcontext, suppress

import anyio
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, Response
from starlette.types import Receive, Scope, Send

from alaya_mcp.sandbox.answers import compose
from alaya_mcp.sandbox.backend import Backend
from alaya_mcp.sandbox.checks import check_chat
from alaya_mcp.sandbox.configurations import VLLM_VERSION
from alaya_mcp.sandbox.deployments import Deployment, Instance
from alaya_mcp.sandbox.exchange import EVENT_STREAM, Exchange, json_response
from alaya_mcp.sandbox.faults.shown import ShownFaults
from alaya_mcp.sandbox.fleet import Fleet
from alaya_mcp.sandbox.models import find_target, list_models
from alaya_mcp.sandbox.refusals import MAX_MODEL_LEN, RefusedError, read_chat
from alaya_mcp.sandbox.stats import CountedChat, Stats
from alaya_mcp.sandbox.wire import Wire

_CHAT = "v1/chat/completions"
_METHODS = {_CHAT: "POST", "v1/models": "GET", "health": "GET", "version": "GET"}
_LONGEST_WHOLE_ANSWER = 2.0
_NOT_FOUND = json_response({"detail": "Not Found"}, 404)

# Assumed: what a gateway answers while the engine's port is closed; the documentation does not show it.
_UNAVAILABLE = "<html><head><title>503 Service Temporarily Unavailable</title></head></html>\n"


class DataPlane:
    """ASGI application for `/serve/{service_id}/{path}`.

    API documentation, service call: the key is in the `apiKey` header. Assumed: the gateway asks for it on
    every path, and looks at it before it looks whether the engine answers.
    """

    def __init__(
        self, fleet: Fleet, stats: Stats, faults: ShownFaults, *, token_delay: float, backend: Backend | None
    ) -> None:
        self._fleet = fleet
        self._stats = stats
        self._faults = faults
        self._token_delay = token_delay
        self._backend = backend

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or nothing to a client that left before it had asked."""
        exchange = Exchange(Request(scope, receive), send)
        with suppress(ClientDisconnect):
            if (response := await self._answer(exchange)) is not None:
                await exchange.answer(response)

    async def _answer(self, exchange: Exchange) -> Response | None:
        """Answer by the exchange and return None, or return the response to send."""
        request = exchange.request
        path: str = request.path_params["path"]
        deployment = self._fleet.find(request.path_params["service_id"])
        if deployment is None:
            return _NOT_FOUND
        self._stats.count_request(deployment.service_id, chatting=path == _CHAT)
        if not self._faults.accepts(deployment, request.headers.get("apiKey", ""), chatting=path == _CHAT):
            return json_response({"error": "Unauthorized"}, 401)
        instance = self._fleet.next_instance(deployment, path)
        if instance is None:
            return HTMLResponse(_UNAVAILABLE, 503)
        if (request.method, path) == ("POST", _CHAT) and await self._faults.answer_chat(exchange, deployment):
            return None
        if deployment.engine == "proxy" and self._backend is not None:
            return await self._relay(self._backend, exchange, path)
        if (misrouted := _misrouted(request, path, deployment)) is not None:
            return misrouted
        if path == _CHAT:
            return await self._chat(exchange, deployment, instance)
        if path == "v1/models":
            return json_response(self._faults.change_models(deployment, list_models(deployment, instance)))
        # What an engine says about itself (recorded: version, health).
        return json_response({"version": VLLM_VERSION}) if path == "version" else Response()

    async def _relay(self, backend: Backend, exchange: Exchange, path: str) -> Response | None:
        if not path.startswith("v1/") and path not in _METHODS:
            return _NOT_FOUND
        with self._stats.chat() if path == _CHAT else nullcontext(CountedChat()) as counted:
            await backend.relay(exchange, path, counted)
        return None

    async def _chat(self, exchange: Exchange, deployment: Deployment, instance: Instance) -> Response | None:
        raw = await exchange.request.body()
        try:
            chat = read_chat(exchange.request.headers.get("content-type", ""), raw)
            target = find_target(deployment, instance, chat)
            prompt_tokens = check_chat(chat, target.base, deployment)
        except RefusedError as refusal:
            return json_response(refusal.body(deployment.engine), refusal.status)
        answer = compose(chat, target, deployment, chat.token_limit or MAX_MODEL_LEN - prompt_tokens)
        wire = Wire(model=target.name, prompt_tokens=prompt_tokens, sglang=deployment.engine == "sglang")
        with self._stats.chat() as counted:

            async def stream() -> None:
                await exchange.start(EVENT_STREAM)
                await anyio.sleep(answer.pause)
                await exchange.write_each(wire.events(answer, chat.stream_options), self._token_delay)
                # The server wakes whoever watches for a departure when the body is complete, so count before that.
                counted.finish()
                await exchange.end()

            async def whole() -> None:
                await anyio.sleep(answer.pause + min(_LONGEST_WHOLE_ANSWER, self._token_delay * answer.tokens))
                counted.finish()
                await exchange.answer(json_response(wire.whole(answer)))

            await exchange.run(stream if chat.stream else whole)
        return None


def _misrouted(request: Request, path: str, deployment: Deployment) -> Response | None:
    """Return what an engine's router refuses (recorded: unknown_path, method_get, trailing_slash_path)."""
    if path == "version" and deployment.engine == "sglang":  # assumed: only vLLM has this path
        return _NOT_FOUND
    if path in _METHODS:
        if request.method == _METHODS[path]:
            return None
        return json_response({"detail": "Method Not Allowed"}, 405, {"allow": _METHODS[path]})
    if path.removesuffix("/") in _METHODS:
        url = request.url
        return Response(status_code=307, headers={"location": str(url.replace(path=url.path.removesuffix("/")))})
    return _NOT_FOUND
