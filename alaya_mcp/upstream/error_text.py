"""Reading what upstream says in its error bodies, to be quoted: data, never an instruction. Pure."""

import json
import re
from collections.abc import Iterable
from typing import Any, Final, cast

QUOTE_LIMIT: Final = 300
"""Characters of upstream's own words in one error message."""

READ: Final = 4_000
"""Characters of a message that are looked at: what they are about stands at the beginning, and a body may be large."""

_MOST_DETAILS: Final = 20
_DEPTH: Final = 8
_SECRET_MINIMUM: Final = 4
"""Shorter values would turn quotes into confetti and protect nothing."""

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
"""Something else that is missing, in a sentence that speaks of the model too."""
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
    """The human sentence in an error body of vLLM, SGLang, llama.cpp, a gateway or Alaya's envelope.

    All details of a list are returned, each with the field that it is about (`loc`, as FastAPI has it).
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
    """As `message_in`, from the start of a body that may be anything; None for a page of HTML."""
    text = body.decode("utf-8-sig", "replace").strip()
    try:
        return message_in(json.loads(text))
    except (ValueError, RecursionError):
        return None if text.startswith("<") else text or None


def quotable(text: str | None, secrets: Iterable[str] = ()) -> str:
    """At most `QUOTE_LIMIT` characters of `text` on one line, without its full stop; empty for nothing.

    `secrets` are values known to this call: upstream may echo a key it was sent.
    """
    if not text:
        return ""
    for secret in sorted(secrets, key=len, reverse=True):  # one may begin with another
        if len(secret) >= _SECRET_MINIMUM:
            text = text.replace(secret, "[redacted]")
    line = " ".join("".join(char if char.isprintable() else " " for char in text[:READ]).split())
    return line[: QUOTE_LIMIT - 1] + "…" if len(line) > QUOTE_LIMIT else line.removesuffix(".")


def is_foreign_not_found(body: bytes) -> bool:
    """Whether a control plane's 404 is a web server's or a gateway's own, rather than about a deployment.

    Frameworks say so in shapes of their own (FastAPI, Spring, nginx, Kong); Alaya's are an envelope, and speak of a
    service. What is empty says nothing, so it is taken for the API's.
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
    """Whether a control-plane message says that the deployment does not exist."""
    beginning = text[:READ] if text else ""
    return bool(_NOT_FOUND.search(beginning) and not _OF_SOMETHING_ELSE.search(beginning))


def own_words(text: str) -> str:
    """A message's beginning without the caller's input, which vLLM's validation errors echo (recorded exchanges)."""
    return re.split(r"['\"]input['\"]", text[:READ], maxsplit=1)[0]


def _without_paths(text: str) -> str:
    """A name or an address with a slash in it is left out: what it is called says nothing of what was not found."""
    return " ".join(word for word in text.split() if "/" not in word)


def is_about_model(text: str | None, status: int | None) -> bool:
    """Whether a refusal is about the model's name.

    That is a 404 naming a model, SGLang's 400 naming an adapter, or a gateway's 400 about an invalid name (LiteLLM).
    """
    if not text:
        return False
    words = _without_paths(own_words(text))
    if status == 404:  # noqa: PLR2004 an HTTP status reads best as itself
        return bool(_ABOUT_MODEL.search(words))
    is_of_name = _ABOUT_MODEL_NAME.search(words) and not _ABOUT_A_PART.search(words)
    return bool(_ABOUT_ADAPTER.search(words) or is_of_name)


def is_about_tool_parser(text: str | None) -> bool:
    """Whether an engine says that it was started without a tool parser (recorded exchanges: tools_auto)."""
    return bool(text and _ABOUT_TOOL_PARSER.search(own_words(text)))


def is_about_images(text: str | None) -> bool:
    """Whether an engine says that its model takes no images (recorded exchanges: image_part_on_text_model)."""
    return bool(text and _ABOUT_IMAGES.search(own_words(text)))


def is_about_parsing(text: str | None) -> bool:
    """Whether an engine could not read a part of the request (llama.cpp says so under HTTP 500)."""
    return bool(text and _ABOUT_PARSING.search(own_words(text)))


def is_about_grammar(text: str | None) -> bool:
    """Whether an engine refuses the schema of a structured reply.

    vLLM: recorded exchanges, response_format_bad_schema; llama.cpp: "Unrecognized schema".
    """
    return bool(text and _ABOUT_GRAMMAR.search(own_words(text)))


def is_about_stream_options(body: bytes) -> bool:
    """Whether a refusal is about `stream_options`, which this server adds to what was asked.

    Its message says so, or the field that it names (`param`, as OpenAI has it, or a path).
    """
    message = message_in_body(body)
    in_words = message and _ABOUT_STREAM_OPTIONS.search(own_words(message))
    return bool(in_words or _NAMES_STREAM_OPTIONS.search(body[:READ]))
