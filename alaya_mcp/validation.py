"""Pydantic's reasons for refusing a value, as the end of a sentence about it. Pure."""

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

_MUST: Final = {
    "greater_than_equal": "must be at least {ge:g}",
    "greater_than": "must be more than {gt:g}",
    "less_than_equal": "must be at most {le:g}",
    "float_parsing": "must be a number",
    "float_type": "must be a number",
    "finite_number": "must be a finite number",
    "int_parsing": "must be a whole number",
    "int_parsing_size": "must be a shorter number",
    "int_from_float": "must be a whole number",
    "int_type": "must be a whole number",
    "string_type": "must be text",
    "string_unicode": "has half of a surrogate pair, which is not text",
    "bool_parsing": "must be true or false",
    "bool_type": "must be true or false",
    "list_type": "must be a list",
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "literal_error": "must be {expected}",
    "string_too_short": "must have at least {min_length} character(s)",
    "string_too_long": "must have at most {max_length} characters",
    "too_long": "must have at most {max_length} entries",
    "missing": "is required",
    "extra_forbidden": "is not known",
}


def why_refused(error: "ErrorDetails") -> str:
    """Return why a value is refused, without the value: it may be long, or secret."""
    context = error.get("ctx", {})
    if "error" in context:  # raised by a validator of ours
        return str(context["error"])
    return _MUST[error["type"]].format(**context) if error["type"] in _MUST else error["msg"]
