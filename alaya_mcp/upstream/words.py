"""Reading what upstream says in its error bodies, to be quoted: data, never an instruction. Pure."""

import json
import re
from collections.abc import Iterable
from typing import Any, Final, cast

QUOTE_LIMIT: Final = 300
"""Characters of upstream's own words in one error message."""

_READ: Final = 4_000
"""Characters of a message that are looked at: what they are about stands at the beginning, and a body may be large."""

_SECRET_MINIMUM: Final = 4
"""Shorter values would turn quotes into confetti and protect nothing."""

_NOT_FOUND = re.compile(
    r"not\s+(?:be\s+)?found|(?:do|does)(?:\s+not|n't)\s+exist|not\s+exist|no\s+such|不存在|未找到|找不到|没有找到",
    re.IGNORECASE,
)
_OF_SOMETHING_ELSE = re.compile(r"key|user|account|credential|namespace|cluster|密钥|用户|账[号户]|集群", re.IGNORECASE)
_UNKNOWN_NAME = r".{0,160}?(?:not\s+exist|not\s+found|not\s+loaded|not\s+served|unknown|unrecognized)"
_ABOUT_MODEL = re.compile(rf"\b(?:model|lora|adapter)s?\b{_UNKNOWN_NAME}", re.IGNORECASE | re.DOTALL)
_ABOUT_ADAPTER = re.compile(rf"\b(?:lora|adapter)s?\b{_UNKNOWN_NAME}", re.IGNORECASE | re.DOTALL)
_ABOUT_CONTEXT = re.compile(
    r"context[ _](?:length|size|window)\b|max_model_len|longer than the model|maximum (?:sequence|input) length"
    r"|max(?:_completion)?_tokens\W{1,3}.{0,60}?too large|input (?:is )?too long|prompt is too long",
    re.IGNORECASE | re.DOTALL,
)
_ABOUT_TOOL_PARSER = re.compile(
    r"tool[-_ ]call[-_ ]parser|enable-auto-tool-choice|tools param requires --jinja", re.IGNORECASE
)
_ABOUT_IMAGES = re.compile(
    r"not a (?:multi-?modal|vision)|image input is not supported|mmproj|at most 0 image"
    r"|(?:not|n't) support(?:ed)? (?:image|vision|multi-?modal)"
    r"|(?:image|vision|multi-?modal)\S{0,20} (?:input )?(?:is |are )?not supported",
    re.IGNORECASE,
)
_ABOUT_PARSING = re.compile(r"failed to parse (?:tools|messages|input|content)|parse_error", re.IGNORECASE)
_ABOUT_GRAMMAR = re.compile(
    r"grammar error|(?:invalid|unsupported|unrecognized) (?:json )?(?:schema|grammar)|guided decoding", re.IGNORECASE
)
_CONTEXT_LIMIT = re.compile(
    r"(?:maximum context length (?:is|of)|max_model_len\s*=|context (?:length|size|window)\s*\()\s*(\d+)",
    re.IGNORECASE,
)
_CONTEXT_ASKED = re.compile(
    r"max(?:_completion)?_tokens\s*=\s*(\d+)|too large: (\d+)|requested a total of (\d+)|input \(?(\d+) tokens"
    r"|prompt contains (?:at least )?(\d+)|request has (\d+)|request(?:ed)? \(?(\d+) tokens",
    re.IGNORECASE,
)


def message_in(value: Any) -> str | None:  # noqa: ANN401 any JSON value may come
    """The human sentence in an error body of vLLM, SGLang, llama.cpp, a gateway or Alaya's envelope."""
    if isinstance(value, str):
        return value or None
    if isinstance(value, list):
        return next((found for item in cast("list[Any]", value) if (found := message_in(item))), None)
    if isinstance(value, dict):
        fields = cast("dict[str, Any]", value)
        return next(
            (found for key in ("error", "message", "msg", "detail") if (found := message_in(fields.get(key)))),
            None,
        )
    return None


def message_in_body(body: bytes) -> str | None:
    """As `message_in`, from the start of a body that may be anything; None for a page of HTML."""
    text = body.decode("utf-8-sig", "replace").strip()
    try:
        return message_in(json.loads(text))
    except (ValueError, RecursionError):
        return None if text.startswith("<") else text or None


def quoted(text: str | None, secrets: Iterable[str] = ()) -> str:
    """`text` as a marked quotation of at most `QUOTE_LIMIT` characters on one line; empty for nothing.

    `secrets` are values known to this call: upstream may echo a key it was sent.
    """
    if not text:
        return ""
    for secret in sorted(secrets, key=len, reverse=True):  # one may begin with another
        if len(secret) >= _SECRET_MINIMUM:
            text = text.replace(secret, "[redacted]")
    line = " ".join("".join(char if char.isprintable() else " " for char in text[:_READ]).split())
    cut = line if len(line) <= QUOTE_LIMIT else line[: QUOTE_LIMIT - 1] + "…"
    return f' Upstream said: "{cut}".' if cut else ""


def says_not_found(text: str | None) -> bool:
    """Whether a control-plane message says that the deployment does not exist."""
    beginning = text[:_READ] if text else ""
    return bool(_NOT_FOUND.search(beginning) and not _OF_SOMETHING_ELSE.search(beginning))


def _own_words(text: str) -> str:
    """A message's beginning without the caller's input, which vLLM's validation errors echo (recorded exchanges)."""
    return re.split(r"['\"]input['\"]", text[:_READ], maxsplit=1)[0]


def _without_paths(text: str) -> str:
    """A name or an address with a slash in it is left out: what it is called says nothing of what was not found."""
    return " ".join(word for word in text.split() if "/" not in word)


def is_about_model(text: str | None, status: int) -> bool:
    """Whether a refusal is about the model's name: a 404 naming a model, or SGLang's 400 naming an adapter."""
    pattern = _ABOUT_MODEL if status == 404 else _ABOUT_ADAPTER  # noqa: PLR2004 an HTTP status reads best as itself
    return bool(text and pattern.search(_without_paths(_own_words(text))))


def is_about_context(text: str | None) -> bool:
    """Whether a refusal is about the length of the context or of the answer asked for."""
    return bool(text and _ABOUT_CONTEXT.search(_own_words(text)))


def is_about_tool_parser(text: str | None) -> bool:
    """Whether an engine says that it was started without a tool parser (recorded exchanges: tools_auto)."""
    return bool(text and _ABOUT_TOOL_PARSER.search(_own_words(text)))


def is_about_images(text: str | None) -> bool:
    """Whether an engine says that its model takes no images (recorded exchanges: image_part_on_text_model)."""
    return bool(text and _ABOUT_IMAGES.search(_own_words(text)))


def is_about_parsing(text: str | None) -> bool:
    """Whether an engine could not read a part of the request (llama.cpp says so under HTTP 500)."""
    return bool(text and _ABOUT_PARSING.search(_own_words(text)))


def is_about_grammar(text: str | None) -> bool:
    """Whether an engine refuses the schema of a structured reply.

    vLLM: recorded exchanges, response_format_bad_schema; llama.cpp: "Unrecognized schema".
    """
    return bool(text and _ABOUT_GRAMMAR.search(_own_words(text)))


def context_numbers(text: str) -> tuple[str | None, str | None]:
    """(asked for, limit) with their units, as far as the message names them."""
    text = text[:_READ]
    asked = _CONTEXT_ASKED.search(text)
    limit = _CONTEXT_LIMIT.search(text)
    number = next(group for group in asked.groups() if group) if asked else None
    # vLLM counts a prompt that is far too long in characters, to spare itself the tokenizer (recorded exchanges).
    unit = "characters" if asked and text[asked.end() :].startswith(" characters") else "tokens"
    return f"{number} {unit}" if number else None, f"{limit.group(1)} tokens" if limit else None
