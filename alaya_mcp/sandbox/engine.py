"""The data plane: one gateway in front of every deployment's engine, and the names that an engine serves."""

import secrets
import time
from contextlib import nullcontext
from dataclasses import dataclass

import anyio
import httpx2
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from alaya_mcp.sandbox.answers import compose
from alaya_mcp.sandbox.backend import relay
from alaya_mcp.sandbox.chat_request import ChatRequest
from alaya_mcp.sandbox.deployments import SHAPES, VLLM_VERSION, Deployment, Instance
from alaya_mcp.sandbox.exchange import EVENT_STREAM, NOT_FOUND, Exchange, json_response
from alaya_mcp.sandbox.faults.registry import ShownFaults
from alaya_mcp.sandbox.fleet import Fleet
from alaya_mcp.sandbox.refusals import (
    MAX_MODEL_LEN,
    RefusedError,
    check_chat,
    read_chat,
    unknown_adapter,
    unknown_model,
)
from alaya_mcp.sandbox.stats import CountedChat, Stats
from alaya_mcp.sandbox.wire import Wire

_CHAT = "v1/chat/completions"
_METHODS = {_CHAT: "POST", "v1/models": "GET", "health": "GET", "version": "GET"}

# Assumed: what a gateway answers while the engine's port is closed; the documentation does not show it.
_UNAVAILABLE = "<html><head><title>503 Service Temporarily Unavailable</title></head></html>\n"


@dataclass(frozen=True, slots=True)
class DataPlane:
    """The answers to `/serve/{service_id}/{path}`.

    The key is in the `apiKey` header (API documentation); it is checked first, and on every path (assumed).
    """

    fleet: Fleet
    stats: Stats
    faults: ShownFaults
    token_delay: float
    backend: httpx2.AsyncClient | None

    async def respond(self, exchange: Exchange) -> Response | None:
        """Return the response to send, None if the exchange has been answered."""
        request = exchange.request
        path: str = request.path_params["path"]
        deployment = self.fleet.find(request.path_params["service_id"])
        if deployment is None:
            return NOT_FOUND
        fault, memory = self.faults.of(deployment.service_id), self.faults.memory(deployment)
        self.stats.count_request(deployment.service_id, chatting=path == _CHAT)
        if not fault.accepts(memory, request.headers.get("apiKey", ""), path == _CHAT):
            return json_response({"error": "Unauthorized"}, 401)
        instance = self.fleet.next_instance(deployment, path)
        if instance is None:
            return HTMLResponse(_UNAVAILABLE, 503)
        if (request.method, path) == ("POST", _CHAT) and await self.faults.answer_chat(exchange, deployment):
            return None
        if deployment.engine == "proxy" and self.backend is not None:
            if not path.startswith("v1/") and path not in _METHODS:
                return NOT_FOUND
            with self.stats.chat() if path == _CHAT else nullcontext(CountedChat()) as counted:
                await relay(self.backend, exchange, path, counted)
            return None
        if (misrouted := _misrouted(request, path, deployment)) is not None:
            return misrouted
        if path == _CHAT:
            return await self._chat(exchange, deployment, instance)
        if path == "v1/models":
            return json_response(fault.models(_list_models(deployment, instance)))
        # What an engine says about itself (recorded: version, health).
        return json_response({"version": VLLM_VERSION}) if path == "version" else Response()

    async def _chat(self, exchange: Exchange, deployment: Deployment, instance: Instance) -> Response | None:
        request = exchange.request
        try:
            chat = read_chat(request.headers.get("content-type", ""), await request.body())
            name, adapter = _find_model(deployment, instance, chat)
            prompt_tokens = check_chat(chat, deployment)
        except RefusedError as refusal:
            return refusal.response(deployment.engine)
        answer = compose(chat, adapter, deployment, chat.token_limit or MAX_MODEL_LEN - prompt_tokens)
        delay = self.token_delay if answer.delay is None else answer.delay
        wire = Wire(model=name, prompt_tokens=prompt_tokens, sglang=deployment.engine == "sglang")
        with self.stats.chat() as counted:

            async def stream() -> None:
                await anyio.sleep(answer.queue)
                await exchange.start(EVENT_STREAM)
                await anyio.sleep(answer.pause)
                await exchange.write_each(wire.events(answer, chat.stream_options), delay)
                # The server wakes what watches for a departure when the body is complete, so count before that.
                counted.finished = True
                await exchange.end()

            async def whole() -> None:
                await anyio.sleep(answer.queue + answer.pause + min(2.0, delay * answer.tokens))
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


def _find_model(deployment: Deployment, instance: Instance, chat: ChatRequest) -> tuple[str, str | None]:
    """Return the name that the answer gives, and the adapter that answers, by the naming of the engine."""
    if deployment.engine == "sglang":
        # SGLang's source: what follows the colon is the adapter and goes before lora_path; the name itself is never
        # looked at. That the answer repeats it, its default and the text of the refusal are assumed.
        name = chat.model or "default"
        adapter = name.partition(":")[2] or (chat.lora_path if isinstance(chat.lora_path, str) else "")
        if adapter and adapter not in instance.lora_models:
            raise unknown_adapter(adapter, instance.lora_models)
        return name, adapter or None
    # Recorded: a missing or empty model and SGLang's lora_path field are silently answered by the base.
    if not chat.model or chat.model in deployment.names:
        return deployment.model, None
    if chat.model in instance.lora_models:
        return chat.model, chat.model
    raise unknown_model(chat.model, deployment.names)


def _list_models(deployment: Deployment, instance: Instance) -> list[object]:
    """Return the `data` of `GET /v1/models` (recorded: models; SGLang's from its source)."""
    cards: list[object] = []
    created = int(time.time())
    for name in (*deployment.names, *instance.lora_models):
        parent = None if name in deployment.names else deployment.model
        card: dict[str, object] = {"id": name, "object": "model", "created": created, "owned_by": deployment.engine}
        card |= {"root": f"models/{name if parent else deployment.model}", "parent": parent}
        card |= {"max_model_len": None if parent else MAX_MODEL_LEN}
        if deployment.engine == "vllm":
            head = {"id": f"modelperm-{secrets.token_hex(8)}", "object": "model_permission", "created": created}
            card |= {"permission": [head | SHAPES["permission"]]}
        cards.append(card)
    return cards
