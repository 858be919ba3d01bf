"""The faults a sandbox can show: their names, and what each does. Data only.

How a fault looks on the wire stands in the modules `faults_*`; whether anything of it was seen on a real engine,
its summary does not say: the docstrings there do.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import Literal

ENGINE_STATUSES = (400, 401, 403, 404, 408, 413, 422, 429, 500, 502, 503, 504)
GATEWAY_STATUSES = (401, 403, 404, 413, 429, 500, 502, 503, 504)
CONTROL_STATUSES = (400, 401, 403, 404, 408, 429, 500, 502, 503, 504)

_NEAREST = 5


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault.

    On the plane `data` it meets chats or the engine's list of models; on `address` and `control`, look-ups of the
    deployment.
    """

    name: str
    summary: str
    plane: Literal["data", "address", "control"] = "data"

    @property
    def sglang(self) -> bool:
        """Whether only SGLang has this fault."""
        return "sglang" in self.name or self.name == "abort"


_ADDRESSES = {
    "dns": "the service URL's host has no address",
    "tls": "the service URL says https, the port speaks plain http",
    "refused": "nothing listens at the service URL's port",
}

_BEFORE_AN_ANSWER = {
    "hang": "reads the request and never answers",
    "reset": "resets the connection before any byte of an answer",
    "eof": "closes the connection before any byte of an answer",
    "slow-first-byte": "sends the head and the answer only after some seconds",
    "slow-first-token": "sends the head at once, then comments, and the first token after some seconds",
}

_STREAMS = {
    "reset-mid": "resets the connection after 3 tokens",
    "server-killed": "closes the connection after 3 tokens, in the middle of the body",
    "ends-early": "ends the body properly after 3 tokens, with no finish_reason and no [DONE]",
    "no-done": "a complete answer that only lacks [DONE]",
    "never-closes": "a complete answer, then neither [DONE] nor an end",
    "engine-terminated": "falls silent after 3 tokens and keeps the connection",
    "drip": "sends a token every 0.2 s, for ever",
    "engine-killed": "sends vLLM's error event after 3 tokens, then [DONE]",
    "error-mid-sglang": "sends SGLang's error event after 3 tokens, then [DONE]",
    "error-first-vllm": "sends vLLM's error event before any text, then [DONE]",
    "error-first-sglang": "sends SGLang's error event before any text, then [DONE]",
    "abort": "ends after 3 tokens with SGLang's finish_reason abort",
    "comments-only": "sends keep-alive comments, for ever",
    "no-events": "an event stream that ends without a byte",
    "garbage-events": "events whose data is not JSON",
    "odd-events": "a good answer in every legal oddity of event streams, cut inside lines and characters",
    "plain-json": "a good answer as one JSON object, although a stream was asked for",
}

_GATEWAYS = {
    "early-reason": "a finish_reason beside the role, some seconds of silence, then a good answer",
    "reason-on-every-chunk": "a good answer with finish_reason stop on every chunk",
    "null-in-quotes": 'a good answer with finish_reason "null" on every chunk but the last',
    "bare-lines": "a good answer whose lines lack their `data:` after the first one",
    "json-lines": "a good answer as lines of JSON, with neither `data:` nor [DONE]",
    "no-blank-lines": "a good answer without a blank line between its events",
    "indented-lines": "a good answer whose lines are indented",
    "split-character": "a good answer with half of a character in each of two tokens",
    "message-beside-deltas": "a good answer, and then all of it once more as a message",
    "empty-error": "a good answer with an error on every chunk that says nothing",
    "loose-types": "a good answer with its index and its counts as text",
    "leaked-tag": "reasoning, then a closing tag in the content, then a good answer",
    "call-under-another-index": "a good answer, and a tool call whose arguments come under the next index",
    "status-201": "a good answer under 201",
    "no-stream-options": "422 for stream_options, a good answer without",
    "content-filter": "ends after 3 tokens with finish_reason content_filter",
    "broken-http": "an answer with two Transfer-Encodings, which HTTP forbids",
}

_BODIES = {
    "html-200": "200 with an HTML page",
    "code-minus-1": '200 with the control plane\'s envelope and "code": -1',
    "empty-200": "200 with no body",
    "text-200": "200 with plain text",
    "redirect-302": "302 to another host",
    "redirect-307": "307 to another host",
    "huge-body": "one JSON answer of more than 8 MiB",
    "huge-event": "one event of more than 16 MiB",
    "huge-stream": "events of more than 64 MiB together",
    "endless-body": "400 with a body that goes on as fast as it is read, for ever",
    "endless-json": "200 with a JSON body that drips spaces, for ever",
    "gzip-bomb": "a small compressed body, unasked for, that unpacks to more than 1 GiB",
    "broken-gzip": "200 with a body that is said to be gzip and is not",
}

_STATUSES = {
    **{f"vllm-{status}": f"{status} in vLLM's shape" for status in ENGINE_STATUSES},
    "vllm-400-context": "400: vLLM says that the prompt does not fit the context window",
    "vllm-404-model": "404: vLLM says that it does not serve the model",
    "vllm-400-tool-parser": "400: vLLM was started without a tool parser",
    "vllm-400-not-multimodal": "400: vLLM says that the model takes no images",
    **{f"sglang-{status}": f"{status} in SGLang's shape" for status in ENGINE_STATUSES},
    "sglang-400-context": "400: SGLang says that the prompt does not fit the context window",
    "sglang-400-adapter": "400: SGLang says that the adapter is not loaded",
    "gateway-400-model": "400: a gateway says that the model's name is invalid",
    "gateway-400-parameter": "400: a gateway says InvalidParameter",
    "gateway-429-quota": "429: a gateway says insufficient_quota",
    "gateway-400-rate": "400: a gateway says rate_limit_exceeded",
    "llamacpp-500-image": "500: llama.cpp says that the model takes no images",
    **{f"gateway-{status}": f"{status} with a gateway's HTML page" for status in GATEWAY_STATUSES},
}

_IN_TURN = {
    "rate-limited": "429 always, with no Retry-After",
    "rate-limited-seconds": "429 always, with Retry-After: 1",
    "rate-limited-fraction": "429 always, with Retry-After: 0.5",
    "rate-limited-date": "429 always, with a date from 1 to 2 s ahead as Retry-After",
    "rate-limited-long": "429 always, with Retry-After: 3600",
    "rate-limited-once": "429 with Retry-After: 0 for the first chat, then good answers",
    "busy-once": "503 with Retry-After: 0 for the first chat, then good answers",
    "rotated-key": "refuses the key that was shown; look-ups after that show a new one, which works",
    "rejected-key": "refuses every key with 401",
    "restarting": "503 for every chat; the first look-up says running, later ones say starting",
}

_CONTROL = {
    **{f"control-{status}": f"{status} in the envelope" for status in CONTROL_STATUSES},
    "control-code": '200 with "code": -1',
    "control-not-found": '200 with "code": "-1" and the words that the deployment does not exist',
    "control-html": "200 with an HTML page",
    "control-gateway-502": "502 with a gateway's HTML page",
    "control-reset": "resets the connection before any byte of an answer",
    "control-eof": "closes the connection before any byte of an answer",
    "control-hang": "reads the request and never answers",
    "control-redirect": "302 to another host",
    "control-huge": "a JSON body of more than 8 MiB",
    "control-endless": "a JSON body that drips spaces, for ever",
    "control-gzip-bomb": "a small compressed body, unasked for, that unpacks to more than 1 GiB",
    "control-no-path": "404 of a web server that knows no such path",
    "control-wrong-shape": "200 with a JSON list",
    "control-empty": "200 with no body",
    "control-once": "503 with Retry-After: 0 for the first request, then the detail",
    "control-no-url": "a detail without serviceUrl",
    "control-bad-url": "a detail whose serviceUrl is not an http address",
    "control-no-key": "a detail without a key, of an engine that wants none",
    "wrong-served-name": "a detail with a served name that the engine does not have",
}

_LISTS = {
    "list-int-count": "the list says its count as a number",
    "list-no-count": "the list does not say its count",
    "list-page-count": "the list says the rows of the page as its count",
    "list-high-count": "the list counts 100 rows that never come",
    "list-small-pages": "the list has at most 10 rows a page, whatever size was asked for",
    "list-large-pages": "the list has all rows on every page",
    "list-empty-page": "the second page of the list is empty",
    "list-null-page": "the second page of the list says null where its rows would be",
    "list-growing": "each time a page of the list is asked for, one more deployment stands in front",
    "list-junk-rows": "each page of the list ends with rows that are no deployments",
    "list-repeated-id": "each page of the list ends with the id of its first row, under another name",
    "list-same-page": "the list is always at its first page",
    "list-null-rows": "the list says null where its data would be",
    "list-wrong-shape": "the list has an object where its rows would be",
    "list-forbidden": "403 for the list alone",
}

_MODELS = {
    "models-junk": "/v1/models lists words, numbers and null",
    "models-empty": "/v1/models lists nothing",
    "models-part": "/v1/models lists the first model, then what cannot be read",
    "models-bare": "/v1/models is the list itself, in no object",
    "models-ollama": "/v1/models has Ollama's shape",
}

_CATALOGUE = {
    fault.name: fault
    for fault in (
        *(Fault(name, summary, "address") for name, summary in _ADDRESSES.items()),
        *(
            Fault(name, summary)
            for group in (_BEFORE_AN_ANSWER, _STREAMS, _GATEWAYS, _BODIES, _STATUSES, _IN_TURN, _MODELS)
            for name, summary in group.items()
        ),
        *(Fault(name, summary, "control") for name, summary in (_CONTROL | _LISTS).items()),
    )
}

FAULTS: tuple[tuple[str, str], ...] = tuple((fault.name, fault.summary) for fault in _CATALOGUE.values())


def find_fault(name: str) -> Fault:
    """Look a fault up by its name.

    Raises:
        ValueError: There is none of that name; the text lists near ones.
    """
    if name in _CATALOGUE:
        return _CATALOGUE[name]
    near = difflib.get_close_matches(name, _CATALOGUE, n=_NEAREST, cutoff=0.5)
    nearest = f"near it: {', '.join(near)}; " if near else ""
    raise ValueError(f"there is no fault {name!r}; {nearest}`alayanew-mcp sandbox --faults` lists them all")
