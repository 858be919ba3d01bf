"""Faults that are a status and a body: each engine's errors, a gateway's pages, and refusals for being too busy."""

from __future__ import annotations

import math
import time
from collections.abc import Awaitable, Callable, Mapping
from email.utils import formatdate
from http import HTTPStatus
from typing import TYPE_CHECKING, TypeAlias

from alaya_mcp.sandbox.answers import encode
from alaya_mcp.sandbox.faults import ENGINE_STATUSES, GATEWAY_STATUSES
from alaya_mcp.sandbox.faults_exchange import HTML, JSON, Exchange
from alaya_mcp.sandbox.refusals import CHARACTERS_PER_TOKEN, MAX_MODEL_LEN, RefusedError

if TYPE_CHECKING:
    from alaya_mcp.sandbox.faults_script import Script

Show: TypeAlias = Callable[[Exchange, "Script"], Awaitable[None]]

AT_ONCE = {"retry-after": "0"}

_TOO_LONG = 40000  # tokens
# vLLM's and SGLang's names for a status; those of the other statuses are assumed to be the phrase run together.
_KINDS = {400: "BadRequestError", 404: "NotFoundError", 422: "UnprocessableEntityError", 500: "InternalServerError"}
_NGINX_PHRASES = {
    401: "Authorization Required",
    413: "Request Entity Too Large",
    503: "Service Temporarily Unavailable",
    504: "Gateway Time-out",
}


def nginx_page(status: int) -> bytes:
    """Write the page that nginx makes for a status. That Alaya's gateway is like it is assumed."""
    title = f"{status} {_NGINX_PHRASES.get(status, HTTPStatus(status).phrase)}"
    return (
        f"<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{title}</h1></center>\r\n"
        "<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
    ).encode()


def _refused(status: int) -> RefusedError:
    phrase = HTTPStatus(status).phrase
    return RefusedError(f"{phrase}.", status=status, kind=_KINDS.get(status, phrase.replace(" ", "")))


def _vllm_body(status: int) -> object:
    # Recorded: no_key and unknown_path are not in the shape of the others, whose words are assumed.
    if status == HTTPStatus.UNAUTHORIZED:
        return {"error": "Unauthorized"}
    if status == HTTPStatus.NOT_FOUND:
        return {"detail": "Not Found"}
    return _refused(status).body("vllm")


def _page(status: int, headers: Mapping[str, str] | None = None) -> Show:
    async def show(exchange: Exchange, _script: Script) -> None:
        await exchange.answer(nginx_page(status), HTML, status, headers)

    return show


def _fixed(body: object, status: int, headers: Mapping[str, str] | None = None) -> Show:
    async def show(exchange: Exchange, _script: Script) -> None:
        await exchange.answer(encode(body), JSON, status, headers)

    return show


async def _unknown_model(exchange: Exchange, script: Script) -> None:
    # Recorded: unknown_model.
    refusal = RefusedError(
        f"The model `{script.model}` does not exist. Valid aliases: {', '.join(script.served)}.",
        status=404,
        kind="NotFoundError",
        param="model",
    )
    await exchange.answer(encode(refusal.body("vllm")), JSON, 404)


async def _not_multimodal(exchange: Exchange, script: Script) -> None:
    # Recorded: image_part_on_text_model.
    refusal = RefusedError(f"{script.model} is not a multimodal model")
    await exchange.answer(encode(refusal.body("vllm")), JSON, 400)


async def _limited_until(exchange: Exchange, _script: Script) -> None:
    # A date has whole seconds; rounded down it would be less than one second ahead.
    date = formatdate(math.ceil(time.time()) + 1, usegmt=True)
    await exchange.answer(encode(_vllm_body(429)), JSON, 429, {"retry-after": date})


def _context() -> RefusedError:
    # Recorded: context_overflow_prompt.
    bound = MAX_MODEL_LEN * CHARACTERS_PER_TOKEN
    characters = _TOO_LONG * CHARACTERS_PER_TOKEN
    return RefusedError(
        f"This model's maximum context length is {MAX_MODEL_LEN} tokens. However, your prompt contains {characters}"
        f" characters (more than {bound} characters, which is the upper bound for {MAX_MODEL_LEN} input tokens)."
        f" Please reduce the length of the input prompt. (parameter=input_text, value={characters})",
        param="input_text",
    )


_SGLANG_CONTEXT = RefusedError(  # SGLang's source, its tokenizer manager
    f"The input ({_TOO_LONG} tokens) is longer than the model's context length ({MAX_MODEL_LEN} tokens)."
)
_SGLANG_ADAPTER = RefusedError(  # assumed
    "The following requested LoRA adapters are not loaded: ghost\nLoaded adapters: support-zh."
)
_TOOL_PARSER = RefusedError(  # recorded: tools_auto
    '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set'
)
_LLAMACPP_IMAGE = {  # assumed
    "error": {
        "code": 500,
        "message": "image input is not supported - hint: if this is unexpected, you may need to provide the mmproj",
        "type": "server_error",
    }
}


def _gateway(message: str, code: str) -> object:
    return {"error": {"message": message, "type": None, "param": None, "code": code}}


REFUSALS: Mapping[str, Show] = {
    **{f"vllm-{status}": _fixed(_vllm_body(status), status) for status in ENGINE_STATUSES},
    **{f"sglang-{status}": _fixed(_refused(status).body("sglang"), status) for status in ENGINE_STATUSES},
    **{f"gateway-{status}": _page(status) for status in GATEWAY_STATUSES},
    "vllm-400-context": _fixed(_context().body("vllm"), 400),
    "vllm-404-model": _unknown_model,
    "vllm-400-tool-parser": _fixed(_TOOL_PARSER.body("vllm"), 400),
    "vllm-400-not-multimodal": _not_multimodal,
    "sglang-400-context": _fixed(_SGLANG_CONTEXT.body("sglang"), 400),
    "sglang-400-adapter": _fixed(_SGLANG_ADAPTER.body("sglang"), 400),
    # Public documentation of LiteLLM, DashScope and OpenAI.
    "gateway-400-model": _fixed(_gateway("Invalid model name passed in model=x. Call `/v1/models`.", "400"), 400),
    "gateway-400-parameter": _fixed({"code": "InvalidParameter", "message": "Range of seed should be [0, 9]"}, 400),
    "gateway-429-quota": _fixed(_gateway("You exceeded your current quota.", "insufficient_quota"), 429),
    "gateway-400-rate": _fixed(_gateway("Too many requests.", "rate_limit_exceeded"), 400),
    "llamacpp-500-image": _fixed(_LLAMACPP_IMAGE, 500),
    "rate-limited": _fixed(_vllm_body(429), 429),
    "rate-limited-seconds": _fixed(_vllm_body(429), 429, {"retry-after": "1"}),
    "rate-limited-fraction": _fixed(_vllm_body(429), 429, {"retry-after": "0.5"}),
    "rate-limited-date": _limited_until,
    "rate-limited-long": _fixed(_vllm_body(429), 429, {"retry-after": "3600"}),
    "rate-limited-once": _fixed(_vllm_body(429), 429, AT_ONCE),
    "busy-once": _page(503, AT_ONCE),
    "restarting": _page(503),
}
