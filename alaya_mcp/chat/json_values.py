"""Argument types that hold JSON: accepted as hosts send it, refused if it cannot be passed on."""

import json
from typing import Annotated, Any, TypeVar, cast

from pydantic import BeforeValidator, StringConstraints, WithJsonSchema

ValueT = TypeVar("ValueT")


def _parsed(value: Any, kind: type) -> Any:  # noqa: ANN401 any JSON value may come
    if isinstance(value, str):
        try:
            parsed = json.loads(value)
        except (ValueError, RecursionError):
            return value
        if parsed is None:  # null as JSON text counts as not given
            return kind()
        return parsed if isinstance(parsed, kind) else value
    return value


def json_list(value: Any) -> Any:  # noqa: ANN401 any JSON value may come
    """Return a list from its JSON text, as some hosts send it (docs/decisions/schemas.md)."""
    return _parsed(value, list)


def json_object(value: Any) -> Any:  # noqa: ANN401 any JSON value may come
    """Return an object from its JSON text, as some hosts send it (docs/decisions/schemas.md)."""
    return _parsed(value, dict)


def within(value: ValueT, limit: int) -> ValueT:
    """Return `value` unchanged.

    Raises:
        ValueError: it is not JSON that an engine accepts (NaN, half a surrogate pair, deep nesting), or over `limit`
            bytes.
    """
    try:
        size = len(json.dumps(value, ensure_ascii=False, allow_nan=False).encode())
    except UnicodeEncodeError:
        raise ValueError("has half of a surrogate pair, which is not text") from None
    except RecursionError:
        raise ValueError("is nested too deeply") from None
    except ValueError:
        raise ValueError("has NaN or an infinity, which are not JSON") from None
    if size > limit:
        raise ValueError(f"is {size} bytes as JSON; at most {limit} are accepted")
    return value


def is_deeper(value: Any, depth: int) -> bool:  # noqa: ANN401 any JSON value may come
    """Return whether a value is nested more than `depth` levels deep."""
    if isinstance(value, dict):
        inner = list(cast("dict[str, Any]", value).values())
    elif isinstance(value, list):
        inner = cast("list[Any]", value)
    else:
        return False
    return depth == 0 or any(is_deeper(item, depth - 1) for item in inner)


Text = Annotated[str, StringConstraints(min_length=0), WithJsonSchema({"type": "string"})]
"""Text without halves of surrogate pairs: pydantic refuses them in any string with a constraint."""
JsonObject = Annotated[dict[str, Any], BeforeValidator(json_object)]
