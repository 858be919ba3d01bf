"""Map an engine's 400, 404 and 500 to errors: the model's name, the length, or an unsupported feature. Pure."""

from collections.abc import Callable
from typing import Final

from alaya_mcp.error_causes import RequestCause
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
from alaya_mcp.upstream.subject import Subject

_BAD_REQUEST, _NOT_FOUND, _TOO_LARGE, _UNPROCESSABLE, _SERVER_ERROR = 400, 404, 413, 422, 500

_CANNOT: Final[tuple[tuple[Callable[[str | None], bool], RequestCause], ...]] = (
    (is_about_tool_parser, "tool_parser_missing"),
    (is_about_images, "images_unsupported"),
    (is_about_grammar, "schema_unsupported"),
    (is_about_parsing, "request_unreadable"),
)
"""Requests that an engine rejects because it lacks a feature."""


def engine_refusal(
    status: int | None, message: str | None, subject: Subject, meaning: Meaning | None = None
) -> AlayaError | None:
    """Return the error that the engine's message identifies, None if it identifies none.

    Args:
        status: HTTP status, or the code inside an error event; None if it has none.
        message: What the engine said.
        subject: What the call is about.
        meaning: Of its error code.
    """
    if meaning not in {None, "request", "model", "context"}:
        return None
    service_id, words = subject.service_id, subject.words(message)
    is_refused = status in {_BAD_REQUEST, _UNPROCESSABLE, None}
    if meaning == "model" or ((is_refused or status == _NOT_FOUND) and is_about_model(message, status)):
        return ModelNotServed("model_refused", plane="data", http_status=status, service_id=service_id, words=words)
    may_be_length = is_refused or status in {_TOO_LARGE, _SERVER_ERROR}
    if meaning == "context" or (may_be_length and is_about_context(message)):
        asked, limit = context_numbers(message or "")
        return ContextTooLong(
            "context_too_long",
            plane="data",
            http_status=status,
            service_id=service_id,
            words=words,
            asked=asked or "",
            limit=limit or "",
        )
    if not is_refused and status != _SERVER_ERROR:  # llama.cpp answers these with 500 (seen on b10434)
        return None
    for is_about, cause in _CANNOT:
        if is_about(message):
            return RequestRejected(cause, plane="data", http_status=status, service_id=service_id, words=words)
    return None
