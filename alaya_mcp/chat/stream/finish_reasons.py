"""What an engine's finish_reason says of the reply. Pure.

Engines and gateways have their own words beside OpenAI's (public documentation of each, SGLang's source).
"""

from typing import Any, Final

from alaya_mcp.printable import printable
from alaya_mcp.results import TruncatedReason

_NONE: Final = frozenset({"", "null", "none", "undefined"})
"""Words for no reason yet: gateways put them into quotes."""

_CUT_BY: Final[dict[str, TruncatedReason]] = {
    "length": "max_tokens",
    "max_tokens": "max_tokens",
    "model_length": "max_tokens",  # Mistral: the end of the context
    "max_output_tokens": "max_tokens",  # OpenAI's Responses, through gateways
    "model_context_window_exceeded": "max_tokens",  # Anthropic
    "content_filter": "content_filter",
    "content_filtered": "content_filter",  # Bedrock
    "guardrail_intervened": "content_filter",  # Bedrock
    "refusal": "content_filter",  # Anthropic
    "content-filter": "content_filter",
    "sensitive": "content_filter",  # Zhipu
    "safety": "content_filter",  # Gemini, and the next three
    "recitation": "content_filter",
    "prohibited_content": "content_filter",
    "blocklist": "content_filter",
    "abort": "upstream_error",  # SGLang: a generation that was given up
    "error": "upstream_error",  # OpenRouter
    "network_error": "upstream_error",  # Zhipu
    "insufficient_system_resource": "upstream_error",  # DeepSeek
}


def finish_reason(value: Any) -> str | None:  # noqa: ANN401 any JSON value may come
    """The reason as sent, None where it is none."""
    word = printable(value) if isinstance(value, str) else ""
    return None if word.casefold() in _NONE else word


def cut_by(reason: str | None) -> TruncatedReason | None:
    """What cut a reply that ended for this reason; None for one that is whole."""
    return _CUT_BY.get(reason.casefold()) if reason else None
