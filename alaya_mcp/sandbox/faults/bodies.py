"""Faults that are a whole answer: engines' errors, gateways' pages, and bodies that are too big, endless or damaged."""

import math
import time
import zlib
from collections.abc import Iterator, Mapping
from email.utils import formatdate
from http import HTTPStatus
from itertools import chain, repeat

from starlette.responses import PlainTextResponse, Response

import alaya_mcp.sandbox.refusals as refused
from alaya_mcp.sandbox.exchange import EVENT_STREAM, HTML, JSON, Exchange, envelope, json_response
from alaya_mcp.sandbox.faults.fault import Fault, Memory, Script, Show, reply, send
from alaya_mcp.sandbox.faults.streams import DRIP_SECONDS
from alaya_mcp.sandbox.wire import Fields

_WELCOME = "<!doctype html>\n<html><head><title>Welcome</title></head><body><h1>Please log in</h1></body></html>\n"
PAGE = Response(_WELCOME, headers=HTML)
FAILURE = envelope(-1, "the service is being maintained")
EMPTY = Response(headers=JSON)
AT_ONCE = {"retry-after": "0"}

_MIB = 2**20
_PIECE = b"x" * 2**16
_GZIP = {**JSON, "content-encoding": "gzip"}
_GZIP_HEAD = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
_ENGINE_STATUSES = (400, 401, 403, 404, 408, 413, 422, 429, 500, 502, 503, 504)
_GATEWAY_STATUSES = (401, 403, 404, 413, 429, 500, 502, 503, 504)
_TOO_LONG = 40000  # tokens
# vLLM's and SGLang's names for a status; those of the other statuses are assumed to be the phrase run together.
_KINDS = {400: "BadRequestError", 404: "NotFoundError", 422: "UnprocessableEntityError", 500: "InternalServerError"}
# Recorded: no_key and unknown_path are not in the shape of vLLM's others, whose words are assumed.
_VLLM_BODIES: dict[int, object] = {401: {"error": "Unauthorized"}, 404: {"detail": "Not Found"}}
_NGINX_PHRASES = {
    401: "Authorization Required",
    413: "Request Entity Too Large",
    503: "Service Temporarily Unavailable",
    504: "Gateway Time-out",
}
# SGLang's source, its tokenizer manager.
_SGLANG_CONTEXT = (
    f"The input ({_TOO_LONG} tokens) is longer than the model's context length ({refused.MAX_MODEL_LEN} tokens)."
)
_LLAMACPP_IMAGE = "image input is not supported - hint: if this is unexpected, you may need to provide the mmproj"
_LLAMACPP = {"error": {"code": 500, "message": _LLAMACPP_IMAGE, "type": "server_error"}}  # assumed
_NO_MODEL = "Invalid model name passed in model=x. Call `/v1/models`."
_INVALID = {"code": "InvalidParameter", "message": "Range of seed should be [0, 9]"}


def redirect(status: int) -> Show[Exchange]:
    """Return the handler that sends the client to another host."""
    return reply(Response(status_code=status, headers={**HTML, "location": "https://elsewhere.invalid/"}))


def huge(document: bytes, mebibytes: int = 9) -> Iterator[bytes]:
    """Yield a document whose first "three" is replaced by many MiB, piece by piece."""
    before, _, after = document.partition(b"three")
    yield from (before, *repeat(_PIECE, mebibytes * _MIB // len(_PIECE)), after)


def pack_spaces(mebibytes: int) -> Iterator[bytes]:
    """Yield a gzip stream of a JSON object that is almost all spaces, at the cost of compressing one MiB."""
    spaces = b" " * _MIB
    # Flushed so, compressed pieces refer to nothing outside them and can be put together in any number.
    packed = _deflate(spaces, zlib.Z_FULL_FLUSH)
    yield _GZIP_HEAD + _deflate(b"{", zlib.Z_FULL_FLUSH)
    checksum = zlib.crc32(b"{")
    for _ in range(mebibytes):
        checksum = zlib.crc32(spaces, checksum)
        yield packed
    checksum = zlib.crc32(b"}", checksum)
    length = (mebibytes * _MIB + 2) % 2**32
    yield _deflate(b"}", zlib.Z_FINISH) + checksum.to_bytes(4, "little") + length.to_bytes(4, "little")


def _deflate(data: bytes, flush: int) -> bytes:
    packer = zlib.compressobj(wbits=-15)  # without a head
    return packer.compress(data) + packer.flush(flush)


def _huge_stream(chat: Script) -> Iterator[bytes]:
    role, first, *rest = chat.events()
    large = first.replace(b'"one"', b'"%b"' % (b"x" * _MIB))
    return chain((role,), repeat(large, 66), (b"".join(rest),))


def nginx_page(status: int, headers: Mapping[str, str] | None = None) -> Response:
    """Return nginx's page for a status; that Alaya's gateway answers so is assumed."""
    title = f"{status} {_NGINX_PHRASES.get(status, HTTPStatus(status).phrase)}"
    page = (
        f"<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{title}</h1></center>\r\n"
        "<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
    )
    return Response(page, status, {**HTML, **(headers or {})})


def _status(engine: str, status: int, headers: Mapping[str, str] | None = None) -> Response:
    phrase = HTTPStatus(status).phrase
    body = refused.RefusedError(f"{phrase}.", status, _KINDS.get(status, phrase.replace(" ", ""))).body(engine)
    return json_response(_VLLM_BODIES.get(status, body) if engine == "vllm" else body, status, headers)


def _gateway(message: str, code: str, status: int = 400) -> Response:
    return json_response({"error": {"message": message, "type": None, "param": None, "code": code}}, status)


def _refusal(name: str, summary: str, answer: Response | refused.RefusedError, *, once: bool = False) -> Fault:
    """Return a fault that always refuses in the same way; the engine is vLLM where the name does not say SGLang."""
    sglang = name.startswith("sglang")
    response = answer.response("sglang" if sglang else "vllm") if isinstance(answer, refused.RefusedError) else answer
    return Fault(name, summary, chat=reply(response), refuses=True, once=once, sglang=sglang)


async def _limited_until(chat: Script) -> None:
    # A date has whole seconds; rounded down it would be less than one second ahead.
    date = formatdate(math.ceil(time.time()) + 1, usegmt=True)
    await chat.answer(_status("vllm", 429, {"retry-after": date}))


def _restarting(fields: Fields, looks: int, _closed_port: int) -> Fields:
    return fields | ({"status": "starting", "instance": None} if looks > 1 else {})


def _accepts_the_new_key(memory: Memory, key: str, chatting: bool) -> bool:  # noqa: FBT001 - a handler of all faults
    """Take any key that was shown for look-ups, and for chats only one that came after a refusal."""
    if not chatting:
        return key in memory.keys
    accepted = len(memory.keys) > 1 and key == memory.keys[-1]
    memory.key_refused |= not accepted
    return accepted


DRIP_JSON: Show[Exchange] = send(lambda _: chain((b"{",), repeat(b" ")), JSON, delay=DRIP_SECONDS)
BOMB: Show[Exchange] = send(lambda _: pack_spaces(1025), _GZIP)  # in one MiB

# Two lines an entry: name and summary, then its handlers.
# fmt: off
BODIES = (
    Fault("html-200", "200 with an HTML page", chat=reply(PAGE)),
    Fault("code-minus-1", '200 with the control plane\'s envelope and "code": -1', chat=reply(FAILURE)),
    Fault("empty-200", "200 with no body", chat=reply(EMPTY)),
    Fault("text-200", "200 with plain text", chat=reply(PlainTextResponse("OK\n"))),
    Fault("redirect-302", "302 to another host", chat=redirect(302), refuses=True),
    Fault("redirect-307", "307 to another host", chat=redirect(307), refuses=True),
    Fault("huge-body", "one JSON answer of more than 8 MiB",
        chat=send(lambda chat: huge(bytes(chat.whole().body)), JSON)),
    Fault("huge-event", "one event of more than 16 MiB",
        chat=send(lambda chat: huge(b"".join(chat.events()), 17), EVENT_STREAM)),
    Fault("huge-stream", "events of more than 64 MiB together", chat=send(_huge_stream, EVENT_STREAM)),
    Fault("endless-body", "400 with a body that goes on as fast as it is read, for ever",
        chat=send(lambda _: chain((b'{"error":{"message":"',), repeat(_PIECE)), JSON, status=400), refuses=True),
    Fault("endless-json", "200 with a JSON body that drips spaces, for ever", chat=DRIP_JSON),
    Fault("gzip-bomb", "a small compressed body, unasked for, that unpacks to more than 1 GiB", chat=BOMB),
    # Its only block is of a type that deflate does not know.
    Fault("broken-gzip", "200 with a body that is said to be gzip and is not",
        chat=reply(Response(_GZIP_HEAD + b"\xff" * 64, headers=_GZIP))),
)

REFUSALS = (
    *(_refusal(f"vllm-{status}", f"{status} in vLLM's shape", _status("vllm", status)) for status in _ENGINE_STATUSES),
    # Recorded: context_overflow_prompt, unknown_model, tools_auto, image_part_on_text_model.
    _refusal("vllm-400-context", "400: vLLM says that the prompt does not fit the context window",
        refused.long_prompt(_TOO_LONG * refused.CHARACTERS_PER_TOKEN)),
    Fault("vllm-404-model", "404: vLLM says that it does not serve the model",
        chat=lambda chat: chat.answer(refused.unknown_model(chat.model, chat.served).response("vllm")), refuses=True),
    _refusal("vllm-400-tool-parser", "400: vLLM was started without a tool parser",
        refused.RefusedError(refused.NO_TOOL_PARSER)),
    Fault("vllm-400-not-multimodal", "400: vLLM says that the model takes no images",
        chat=lambda chat: chat.answer(refused.not_multimodal(chat.model).response("vllm")), refuses=True),
    *(
        _refusal(f"sglang-{status}", f"{status} in SGLang's shape", _status("sglang", status))
        for status in _ENGINE_STATUSES
    ),
    _refusal("sglang-400-context", "400: SGLang says that the prompt does not fit the context window",
        refused.RefusedError(_SGLANG_CONTEXT)),
    _refusal("sglang-400-adapter", "400: SGLang says that the adapter is not loaded",
        refused.unknown_adapter("ghost", ("support-zh",))),
    # Public documentation of LiteLLM, DashScope and OpenAI.
    _refusal("gateway-400-model", "400: a gateway says that the model's name is invalid", _gateway(_NO_MODEL, "400")),
    _refusal("gateway-400-parameter", "400: a gateway says InvalidParameter", json_response(_INVALID, 400)),
    _refusal("gateway-429-quota", "429: a gateway says insufficient_quota",
        _gateway("You exceeded your current quota.", "insufficient_quota", 429)),
    _refusal("gateway-400-rate", "400: a gateway says rate_limit_exceeded",
        _gateway("Too many requests.", "rate_limit_exceeded")),
    _refusal("llamacpp-500-image", "500: llama.cpp says that the model takes no images", json_response(_LLAMACPP, 500)),
    *(
        _refusal(f"gateway-{status}", f"{status} with a gateway's HTML page", nginx_page(status))
        for status in _GATEWAY_STATUSES
    ),
    _refusal("rate-limited", "429 always, with no Retry-After", _status("vllm", 429)),
    _refusal("rate-limited-seconds", "429 always, with Retry-After: 1", _status("vllm", 429, {"retry-after": "1"})),
    _refusal("rate-limited-fraction", "429 always, with Retry-After: 0.5",
        _status("vllm", 429, {"retry-after": "0.5"})),
    Fault("rate-limited-date", "429 always, with a date from 1 to 2 s ahead as Retry-After",
        chat=_limited_until, refuses=True),
    _refusal("rate-limited-long", "429 always, with Retry-After: 3600", _status("vllm", 429, {"retry-after": "3600"})),
    _refusal("rate-limited-once", "429 with Retry-After: 0 for the first chat, then good answers",
        _status("vllm", 429, AT_ONCE), once=True),
    _refusal("busy-once", "503 with Retry-After: 0 for the first chat, then good answers",
        nginx_page(503, AT_ONCE), once=True),
    Fault("rotated-key", "refuses the key that was shown; look-ups after that show a new one, which works",
        accepts=_accepts_the_new_key),
    Fault("rejected-key", "refuses every key with 401",
        accepts=lambda memory, key, chatting: not chatting and key == memory.keys[-1]),
    Fault("restarting", "503 for every chat; the first look-up says running, later ones say starting",
        chat=reply(nginx_page(503)), report=_restarting, refuses=True),
)
# fmt: on
