"""The data plane: one gateway in front of every deployment's engine."""

from contextlib import nullcontext
from dataclasses import dataclass

import anyio
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from alaya_mcp.sandbox.answers import compose
from alaya_mcp.sandbox.backend import Backend
from alaya_mcp.sandbox.deployments import VLLM_VERSION, Deployment, Instance
from alaya_mcp.sandbox.exchange import EVENT_STREAM, NOT_FOUND, Exchange, Plane, json_response
from alaya_mcp.sandbox.faults.registry import ShownFaults
from alaya_mcp.sandbox.fleet import Fleet
from alaya_mcp.sandbox.models import find_target, list_models
from alaya_mcp.sandbox.refusals import MAX_MODEL_LEN, RefusedError, check_chat, read_chat
from alaya_mcp.sandbox.stats import CountedChat, Stats
from alaya_mcp.sandbox.wire import Wire

_CHAT = "v1/chat/completions"
_METHODS = {_CHAT: "POST", "v1/models": "GET", "health": "GET", "version": "GET"}
_LONGEST_WHOLE_ANSWER = 2.0

# Assumed: what a gateway answers while the engine's port is closed; the documentation does not show it.
_UNAVAILABLE = "<html><head><title>503 Service Temporarily Unavailable</title></head></html>\n"


@dataclass(frozen=True, slots=True)
class DataPlane(Plane):
    """ASGI application for `/serve/{service_id}/{path}`.

    API documentation, service call: the key is in the `apiKey` header. Assumed: the gateway asks for it on
    every path, and looks at it before it looks whether the engine answers.
    """

    fleet: Fleet
    stats: Stats
    faults: ShownFaults
    token_delay: float
    backend: Backend | None

    async def respond(self, exchange: Exchange) -> Response | None:
        """Return the response to send, None if the exchange has been answered."""
        request = exchange.request
        path: str = request.path_params["path"]
        deployment = self.fleet.find(request.path_params["service_id"])
        if deployment is None:
            return NOT_FOUND
        self.stats.count_request(deployment.service_id, chatting=path == _CHAT)
        if not self.faults.accepts(deployment, request.headers.get("apiKey", ""), chatting=path == _CHAT):
            return json_response({"error": "Unauthorized"}, 401)
        instance = self.fleet.next_instance(deployment, path)
        if instance is None:
            return HTMLResponse(_UNAVAILABLE, 503)
        if (request.method, path) == ("POST", _CHAT) and await self.faults.answer_chat(exchange, deployment):
            return None
        if deployment.engine == "proxy" and self.backend is not None:
            return await self._relay(self.backend, exchange, path)
        if (misrouted := _misrouted(request, path, deployment)) is not None:
            return misrouted
        if path == _CHAT:
            return await self._chat(exchange, deployment, instance)
        if path == "v1/models":
            return json_response(self.faults.change_models(deployment, list_models(deployment, instance)))
        # What an engine says about itself (recorded: version, health).
        return json_response({"version": VLLM_VERSION}) if path == "version" else Response()

    async def _relay(self, backend: Backend, exchange: Exchange, path: str) -> Response | None:
        if not path.startswith("v1/") and path not in _METHODS:
            return NOT_FOUND
        with self.stats.chat() if path == _CHAT else nullcontext(CountedChat()) as counted:
            await backend.relay(exchange, path, counted)
        return None

    async def _chat(self, exchange: Exchange, deployment: Deployment, instance: Instance) -> Response | None:
        raw = await exchange.request.body()
        try:
            chat = read_chat(exchange.request.headers.get("content-type", ""), raw)
            target = find_target(deployment, instance, chat)
            prompt_tokens = check_chat(chat, target.base, deployment)
        except RefusedError as refusal:
            return refusal.response(deployment.engine)
        answer = compose(chat, target, deployment, chat.token_limit or MAX_MODEL_LEN - prompt_tokens)
        wire = Wire(model=target.name, prompt_tokens=prompt_tokens, sglang=deployment.engine == "sglang")
        with self.stats.chat() as counted:

            async def stream() -> None:
                await exchange.start(EVENT_STREAM)
                await anyio.sleep(answer.pause)
                await exchange.write_each(wire.events(answer, chat.stream_options), self.token_delay)
                # The server wakes what watches for a departure when the body is complete, so count before that.
                counted.finished = True
                await exchange.end()

            async def whole() -> None:
                await anyio.sleep(answer.pause + min(_LONGEST_WHOLE_ANSWER, self.token_delay * answer.tokens))
                counted.finished = True
                await exchange.answer(json_response(wire.whole(answer)))

            await exchange.run(stream if chat.stream else whole)
        return None


def _misrouted(request: Request, path: str, deployment: Deployment) -> Response | None:
    """Return what an engine's router refuses (recorded: unknown_path, method_get, trailing_slash_path)."""
    if path == "version" and deployment.engine == "sglang":  # assumed: only vLLM has this path
        return NOT_FOUND
    if path in _METHODS:
        if request.method == _METHODS[path]:
            return None
        return json_response({"detail": "Method Not Allowed"}, 405, {"allow": _METHODS[path]})
    if path.removesuffix("/") in _METHODS:
        url = request.url
        return Response(status_code=307, headers={"location": str(url.replace(path=url.path.removesuffix("/")))})
    return NOT_FOUND
