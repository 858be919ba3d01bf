"""Recognise engines' errors about a prompt or reply that does not fit the model's context. Pure."""

import re
from typing import Final

from alaya_mcp.upstream.error_text import READ, own_words

_ABOUT: Final = re.compile(
    r"context[ _](?:length|size|window)\b|max_model_len|longer than the model|maximum (?:sequence|input|allowed) length"
    r"|max(?:_completion)?_tokens\W{1,3}.{0,60}?too large|input (?:is )?too long|prompt is too long"
    r"|range of input length|max_new_tokens` must be <=|maximum number of (?:input )?tokens"
    r"|max(?:imum)? input (?:length|tokens)|context limit\b|model token limit|maximum prompt length"
    r"|must have less than \d+ tokens"
    r"|上下文(?:长度|窗口)|输入(?:长度|token).{0,40}?超",
    re.IGNORECASE | re.DOTALL,
)
_LIMIT: Final = r"context length (?:is|of) (?P<limit>\d+) tokens.{0,200}?"
_THOUSANDS: Final = re.compile(r"(?<=\d)[,\u00a0\u202f](?=\d{3}(?!\d))")
_TOO_LONG: Final = re.compile(r"\d{13,}")
"""More digits than any token count has."""
_NUMBERS: Final = tuple(
    re.compile(pattern, re.IGNORECASE | re.DOTALL)
    for pattern in (
        # vLLM, where max_tokens alone is too large: prompt and reply are added up (recorded exchanges)
        rf"too large: (?P<asked>\d+)\..{{0,80}}?{_LIMIT}has (?P<more>\d+) input tokens",
        r"max(?:_completion)?_tokens\s*=\s*(?P<asked>\d+) cannot be greater than max_model_len\s*=\s*(?P<limit>\d+)",
        rf"{_LIMIT}total of at least (?P<asked>\d+)",
        rf"{_LIMIT}prompt contains (?:at least )?(?P<asked>\d+) (?P<unit>characters|input)",
        # OpenAI, vLLM and SGLang
        rf"{_LIMIT}(?:requested|resulted in) (?:a total of )?(?P<asked>\d+)",
        rf"{_LIMIT}(?:request|prompt) has (?P<asked>\d+) input tokens",
        # TGI
        r"must be <= (?P<limit>\d+)\. Given: (?P<asked>\d+) .{0,40}?tokens and (?P<more>\d+) ",
        # SGLang, llama.cpp, Gemini, Anthropic, TensorRT-LLM, and any sentence in which one number exceeds another
        r"(?P<asked>\d+)\s*(?:tokens)?[)\uff09]?\s*(?:is longer than|exceeds|>|超过了?|大于)[^\d]{0,80}(?P<limit>\d+)",
        r"model token limit:? (?P<limit>\d+) \(requested:? (?P<asked>\d+)\)",
        r"must have less than (?P<limit>\d+) tokens\. Given:? (?P<asked>\d+)",
        r"maximum prompt length is (?P<limit>\d+) but the request contains (?P<asked>\d+)",
        r"context limit:? (?P<asked>\d+) \+ (?P<more>\d+) > (?P<limit>\d+)",
        # a limit alone: DashScope, Mistral
        r"range of input length should be \[\d+,\s*(?P<limit>\d+)\]",
        r"(?:maximum context length (?:is|of)|max_model_len\s*=|context (?:length|size|window)\s*\()\s*(?P<limit>\d+)",
    )
)
"""Patterns for the numbers in each engine's sentence, the most complete first."""


def is_about_context(text: str | None) -> bool:
    """Return whether an error message is about the length of the context or of the requested reply."""
    return bool(text and _ABOUT.search(own_words(text)))


def context_numbers(text: str) -> tuple[str | None, str | None]:
    """Return (requested, limit) with units; None for a number that the message does not clearly give."""
    read = _TOO_LONG.sub("…", _THOUSANDS.sub("", text[:READ]))
    for pattern in _NUMBERS:
        if found := pattern.search(read):
            numbers = found.groupdict()
            asked, limit = sum(int(numbers.get(name) or 0) for name in ("asked", "more")), int(numbers["limit"])
            # vLLM counts a prompt that is far too long in characters, to skip the tokenizer (recorded exchanges).
            unit = "characters" if numbers.get("unit") == "characters" else "tokens"
            if not asked or asked > limit:
                return f"{asked} {unit}" if asked else None, f"{limit} tokens"
    return None, None
