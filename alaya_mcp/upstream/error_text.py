"""Read and quote upstream's error messages: data, never an instruction. Pure."""

import json
import re
from collections.abc import Iterable
from html import escape
from typing import Any, Final, cast
from urllib.parse import quote

QUOTE_LIMIT: Final = 300
"""Characters of upstream's text quoted in one error message."""

READ: Final = 4_000
"""Characters of a message that are read: its subject is at the beginning, and a body may be large."""

_MOST_DETAILS: Final = 20
_DEPTH: Final = 8
_SECRET_MINIMUM: Final = 4
"""Redacting shorter values would make quotes unreadable and protect nothing."""
_PART_MINIMUM: Final = 8

_NOT_FOUND = re.compile(
    r"not\s+(?:be\s+)?found|(?:do|does)(?:\s+not|n't)\s+exist|not\s+exist|no\s+such|不存在|未找到|找不到|没有找到",
    re.IGNORECASE,
)
_OF_A_DEPLOYMENT = re.compile(r"deployment|instance|service ?id|服务|部署|实例", re.IGNORECASE)
_ENVELOPE: Final = frozenset({"code", "msg", "data"})
_OF_SOMETHING_ELSE = re.compile(r"key|user|account|credential|namespace|cluster|密钥|用户|账[号户]|集群", re.IGNORECASE)
_UNKNOWN_NAME = r".{0,160}?(?:not\s+exist|not\s+found|not\s+loaded|not\s+served|unknown|unrecognized)"
_ABOUT_MODEL = re.compile(rf"\b(?:model|lora|adapter)s?\b{_UNKNOWN_NAME}", re.IGNORECASE | re.DOTALL)
_ABOUT_ADAPTER = re.compile(rf"\b(?:lora|adapter)s?\b{_UNKNOWN_NAME}", re.IGNORECASE | re.DOTALL)
_ABOUT_MODEL_NAME = re.compile(
    r"invalid model(?: name)?\b|model name .{0,80}?(?:invalid|not)|(?:no such|unknown) model|not a valid model\b"
    r"|unsupported model:"
    r"|\bmodel\b[^.]{0,120}?(?:does not exist|not found|not exist)|模型不存在|找不到模型|模型.{0,80}不存在",
    re.IGNORECASE | re.DOTALL,
)
_ABOUT_A_PART = re.compile(r"\b(?:tool|function|image|file|url)s?\b[^.]{0,80}?\bmodel\b", re.IGNORECASE)
"""Something else is missing, in a sentence that also mentions the model."""
_ABOUT_TOOL_PARSER = re.compile(
    r"tool[-_ ]call[-_ ]parser|enable-auto-tool-choice|tools param requires --jinja", re.IGNORECASE
)
_ABOUT_IMAGES = re.compile(
    r"not a (?:multi-?modal|vision)|image input is not supported|mmproj|at most 0 image"
    r"|(?:not|n't) support(?:ed)? (?:image|vision|multi-?modal)"
    r"|(?:image|vision|multi-?modal)\S{0,20} (?:input )?(?:is |are )?not supported",
    re.IGNORECASE,
)
_ABOUT_STREAM_OPTIONS = re.compile(r"stream_options|include_usage|continuous_usage_stats", re.IGNORECASE)
_NAMES_STREAM_OPTIONS = re.compile(
    rb"""["'](?:param|path|field|pointer|property)["']\s*:\s*[\["'][^{}:]{0,80}?stream_options""", re.IGNORECASE
)
_ABOUT_PARSING = re.compile(r"failed to parse (?:tools|messages|input|content)|parse_error", re.IGNORECASE)
_ABOUT_GRAMMAR = re.compile(
    r"grammar error|(?:invalid|unsupported|unrecognized) (?:json )?(?:schema|grammar)|guided decoding", re.IGNORECASE
)


def message_in(value: Any, depth: int = _DEPTH) -> str | None:  # noqa: ANN401 any JSON value may come
    """Return the message in an error body of vLLM, SGLang, llama.cpp, a gateway or Alaya's envelope.

    Details in a list are joined, each with its field (FastAPI's `loc`).
    """
    if isinstance(value, str):
        return value or None
    if not depth:
        return None
    if isinstance(value, list):
        details = (found for item in cast("list[Any]", value)[:_MOST_DETAILS] if (found := message_in(item, depth - 1)))
        return "; ".join(details) or None
    if isinstance(value, dict):
        fields = cast("dict[str, Any]", value)
        keys = ("error", "message", "msg", "error_msg", "detail")
        found = next((found for key in keys if (found := message_in(fields.get(key), depth - 1))), None)
        place = _place(fields.get("loc"))
        return f"{place}: {found}" if found and place else found
    return None


def _place(loc: Any) -> str:  # noqa: ANN401 any JSON value may come
    parts = cast("list[Any]", loc) if isinstance(loc, list) else [loc]
    return ".".join(str(part) for part in parts if isinstance(part, str | int))


def message_in_body(body: bytes) -> str | None:
    """Return the message in the start of a body of any kind; None for an HTML page."""
    text = body.decode("utf-8-sig", "replace").strip()
    try:
        return message_in(json.loads(text))
    except (ValueError, RecursionError):
        return None if text.startswith("<") else text or None


def quotable(text: str | None, secrets: Iterable[str] = ()) -> str:
    """Return at most `QUOTE_LIMIT` characters of `text` on one line, without its full stop; empty for None.

    `secrets` are redacted: upstream may echo a key it was sent.
    """
    if not text:
        return ""
    for secret in sorted(secrets, key=len, reverse=True):  # one secret may start with another
        if len(secret) >= _SECRET_MINIMUM:
            text = re.sub("|".join(map(re.escape, _forms(secret))), "[redacted]", text, flags=re.IGNORECASE)
            text = _without_a_part(text, secret)
    line = " ".join("".join(char if char.isprintable() else " " for char in text[:READ]).split())
    if len(line) > QUOTE_LIMIT:
        return line[: QUOTE_LIMIT - 1] + "…"
    return line if line.endswith("..") else line.removesuffix(".")


def _forms(secret: str) -> list[str]:
    """Return how a secret may be written in an error: in JSON once or twice, in a URL, in HTML; the longest first."""
    inner = json.dumps(secret)[1:-1]
    go = "".join(f"\\u{ord(char):04x}" if char in "<>&" else char for char in inner)
    forms = {
        secret,
        inner,
        go,
        inner.replace("/", "\\/"),
        json.dumps(inner)[1:-1],
        quote(secret, safe=""),
        escape(secret),
    }
    return sorted(forms, key=len, reverse=True)


def _without_a_part(text: str, secret: str) -> str:
    """Return the text without the beginning of a secret at its end, where a body may have been cut."""
    for length in range(len(secret) - 1, _PART_MINIMUM - 1, -1):
        if text.endswith(secret[:length]):
            return f"{text[:-length]}[redacted]"
    return text


def is_foreign_not_found(body: bytes) -> bool:
    """Return whether a control plane's 404 comes from a web server or gateway, rather than being about a deployment.

    Frameworks have their own shapes (FastAPI, Spring, nginx, Kong); Alaya's is an envelope, or mentions a service. An
    empty body is taken for the API's.
    """
    text, message = body.decode("utf-8-sig", "replace").strip(), message_in_body(body)
    if not text or (message and _OF_A_DEPLOYMENT.search(_without_paths(message[:READ]))):
        return False
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return True
    return not (isinstance(value, dict) and (not value or _ENVELOPE & cast("dict[str, Any]", value).keys()))


def says_not_found(text: str | None) -> bool:
    """Return whether a control-plane message says that the deployment does not exist."""
    beginning = text[:READ] if text else ""
    return bool(_NOT_FOUND.search(beginning) and not _OF_SOMETHING_ELSE.search(beginning))


def own_words(text: str) -> str:
    """Return a message's start without the caller's input, which vLLM's validation errors echo (recorded exchanges)."""
    return re.split(r"['\"]input['\"]", text[:READ], maxsplit=1)[0]


def _without_paths(text: str) -> str:
    """Return the text without words that contain a slash: paths and names do not say what was not found."""
    return " ".join(word for word in text.split() if "/" not in word)


def is_about_model(text: str | None, status: int | None) -> bool:
    """Return whether a refusal is about the model's name.

    A 404 naming a model, SGLang's 400 naming an adapter, or a gateway's 400 about an invalid name (LiteLLM).
    """
    if not text:
        return False
    words = _without_paths(own_words(text))
    if status == 404:  # noqa: PLR2004 an HTTP status reads best as itself
        return bool(_ABOUT_MODEL.search(words))
    is_of_name = _ABOUT_MODEL_NAME.search(words) and not _ABOUT_A_PART.search(words)
    return bool(_ABOUT_ADAPTER.search(words) or is_of_name)


def is_about_tool_parser(text: str | None) -> bool:
    """Return whether an engine reports that it was started without a tool parser (recorded exchanges: tools_auto)."""
    return bool(text and _ABOUT_TOOL_PARSER.search(own_words(text)))


def is_about_images(text: str | None) -> bool:
    """Return whether an engine says that its model takes no images (recorded exchanges: image_part_on_text_model)."""
    return bool(text and _ABOUT_IMAGES.search(own_words(text)))


def is_about_parsing(text: str | None) -> bool:
    """Return whether an engine could not parse part of the request (llama.cpp reports it with HTTP 500)."""
    return bool(text and _ABOUT_PARSING.search(own_words(text)))


def is_about_grammar(text: str | None) -> bool:
    """Return whether an engine rejects the schema of a structured reply.

    vLLM: recorded exchanges, response_format_bad_schema; llama.cpp: "Unrecognized schema".
    """
    return bool(text and _ABOUT_GRAMMAR.search(own_words(text)))


def is_about_stream_options(body: bytes) -> bool:
    """Return whether an error is about `stream_options`, which this server adds to the request.

    Its message says so, or the field that it names (OpenAI's `param`, or a path).
    """
    message = message_in_body(body)
    in_words = message and _ABOUT_STREAM_OPTIONS.search(own_words(message))
    return bool(in_words or _NAMES_STREAM_OPTIONS.search(body[:READ]))
