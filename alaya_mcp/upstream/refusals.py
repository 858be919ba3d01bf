"""What an engine's 400, 404 and 500 say about the request: the name, the length, or what the engine cannot do. Pure."""

from typing import Final

from alaya_mcp.errors import AlayaError, ContextTooLong, ModelNotServed, RequestRejected
from alaya_mcp.upstream.context_length import context_numbers, is_about_context
from alaya_mcp.upstream.error_codes import Meaning
from alaya_mcp.upstream.error_text import (
    is_about_grammar,
    is_about_images,
    is_about_model,
    is_about_parsing,
    is_about_tool_parser,
)

_BAD_REQUEST, _NOT_FOUND, _TOO_LARGE, _UNPROCESSABLE, _SERVER_ERROR = 400, 404, 413, 422, 500

_CANNOT: Final = (
    (
        is_about_tool_parser,
        "was started without a tool parser, so its model cannot call tools",
        (
            "Leave tools out, or have the deployment started with a tool parser: --enable-auto-tool-choice "
            "--tool-call-parser NAME on vLLM, --tool-call-parser NAME on SGLang (hermes or qwen25 for Qwen, "
            "llama3_json or llama3 for Llama)."
        ),
    ),
    (
        is_about_images,
        "takes no images: its model reads text only",
        "Leave images out, or ask a deployment of a vision model (Qwen-VL and the like).",
    ),
    (
        is_about_grammar,
        "cannot hold its reply to this response_schema",
        "Simplify the schema: type, properties, required, items and enum are understood by every engine.",
    ),
    (
        is_about_parsing,
        "could not read a part of the request",
        "Correct the tools, messages or extra_body by what upstream said.",
    ),
)
"""What an engine refuses for what it is, and what to do about it."""


def engine_refusal(
    status: int | None, message: str | None, words: str, meaning: Meaning | None = None
) -> AlayaError | None:
    """The error where the engine's own words tell what is wrong, None for anything else.

    Args:
        status: HTTP status, or the code inside an error event; None where an event has none.
        message: What the engine said.
        words: The same as a marked quotation.
        meaning: What its word for the kind of error means.
    """
    if meaning not in {None, "request", "model", "context"}:
        return None
    at = f" (HTTP {status})" if status else ""
    is_refused = status in {_BAD_REQUEST, _UNPROCESSABLE, None}
    if meaning == "model" or ((is_refused or status == _NOT_FOUND) and is_about_model(message, status)):
        return ModelNotServed(
            f"The engine does not serve that model name{at}.{words}",
            next_step="Call list_lora_models for the exact names, and pass one as model.",
            plane="data",
            http_status=status,
        )
    may_be_length = is_refused or status in {_TOO_LARGE, _SERVER_ERROR}
    if meaning == "context" or (may_be_length and is_about_context(message)):
        return _context_too_long(status, message or "", words)
    if not is_refused and status != _SERVER_ERROR:  # llama.cpp says 500 to such mistakes (seen on b10434)
        return None
    for is_about, what, next_step in _CANNOT:
        if is_about(message):
            return RequestRejected(
                f"The deployment's engine {what}{at}.{words}",
                next_step=next_step,
                plane="data",
                http_status=status,
            )
    return None


def _context_too_long(status: int | None, message: str, words: str) -> ContextTooLong:
    asked, limit = context_numbers(message)
    numbers = ", ".join(filter(None, (asked and f"asked for {asked}", limit and f"limit {limit}")))
    shown = f": {numbers}" if numbers else ""
    return ContextTooLong(
        f"The prompt, the history and max_tokens do not fit the model's context{shown}.{words}",
        next_step="Shorten the prompt or the history, or pass a smaller max_tokens.",
        plane="data",
        http_status=status,
    )
