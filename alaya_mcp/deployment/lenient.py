"""Field types that accept every documented spelling and never fail: invalid values count as absent."""

import math
import re
from typing import Annotated, Any, cast

from pydantic import BaseModel, BeforeValidator, ConfigDict

from alaya_mcp.printable import TEXT_LIMIT, printable

Scalar = str | int | float

_INTEGER = re.compile(r"[+-]?[0-9]{1,18}")
_DECIMAL = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?")


class WireModel(BaseModel):
    """Base of upstream's objects: unknown fields are ignored, inputs never appear in errors."""

    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True, frozen=True)


def _text(value: Any) -> str | None:  # noqa: ANN401 any JSON value may come
    if isinstance(value, str):
        return printable(value) or None
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return None


def _texts(value: Any) -> list[str]:  # noqa: ANN401 any JSON value may come
    items = cast("list[Any]", value) if isinstance(value, list) else [value]
    return list(dict.fromkeys(text for item in items if (text := _text(item)) is not None))


def _words(value: Any) -> list[str]:  # noqa: ANN401 any JSON value may come
    """Return a command line's words unchanged; unlike in `_texts`, repeats and line breaks matter."""
    items = cast("list[Any]", value) if isinstance(value, list) else [value]
    return [str(item) for item in items if isinstance(item, str | int | float)]


def _flag(value: Any) -> bool | None:  # noqa: ANN401 any JSON value may come
    if isinstance(value, str):
        return {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}.get(
            value.strip().lower()
        )
    return bool(value) if isinstance(value, bool | int | float) else None


def _scalar(value: Any) -> Scalar | None:  # noqa: ANN401 any JSON value may come
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        return _number(value) if math.isfinite(value) else None
    text = _text(value)
    if text is None:
        return None
    if _INTEGER.fullmatch(text):
        return int(text)
    number = float(text) if _DECIMAL.fullmatch(text) else math.nan
    return _number(number) if math.isfinite(number) else text


def _number(number: float) -> int | float:
    return int(number) if number.is_integer() else number


def _mapping(value: Any) -> dict[str, Any] | None:  # noqa: ANN401 any JSON value may come
    return cast("dict[str, Any]", value) if isinstance(value, dict) else None


def _mappings(value: Any) -> list[Any]:  # noqa: ANN401 any JSON value may come
    return [item for item in cast("list[Any]", value) if isinstance(item, dict)] if isinstance(value, list) else []


def _names(value: Any) -> list[str]:  # noqa: ANN401 any JSON value may come
    """Return the keys of a mapping, or the `name`s of a Kubernetes-style list; never a value."""
    if isinstance(value, dict):
        return _texts(list(cast("dict[str, Any]", value)))
    return _texts([item.get("name") for item in _mappings(value)])


def _as_sent(value: Any) -> str | None:  # noqa: ANN401 any JSON value may come
    return value[:TEXT_LIMIT] if isinstance(value, str) else None


Text = Annotated[str | None, BeforeValidator(_text)]
AsSent = Annotated[str | None, BeforeValidator(_as_sent)]
Texts = Annotated[list[str], BeforeValidator(_texts)]
Words = Annotated[list[str], BeforeValidator(_words)]
Flag = Annotated[bool | None, BeforeValidator(_flag)]
Number = Annotated[Scalar | None, BeforeValidator(_scalar)]
Names = Annotated[list[str], BeforeValidator(_names)]

OrNone = BeforeValidator(_mapping)
"""For a nested object; null and other types count as absent."""
OrEmpty = BeforeValidator(_mappings)
"""For a list of objects; null and other types count as empty."""
