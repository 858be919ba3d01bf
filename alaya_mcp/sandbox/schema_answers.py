"""Values that follow a JSON Schema, made without a model."""

import math
import operator
import re
from dataclasses import dataclass
from typing import TypeAlias

from pydantic import JsonValue

from alaya_mcp.sandbox.tokens import CJK

Schema: TypeAlias = dict[str, JsonValue]

_TYPES = ("null", "boolean", "integer", "number", "string", "array", "object")
_WORD = re.compile(rf"[{CJK}]+|[^\W{CJK}]+")
_PUNCTUATION = re.compile(r"[\u3000-\u303f\uff00-\uff0f\uff1a-\uff20]+")
_NESTED = 5  # from here on only what is required is made
_DEEPEST = 20
_MOST_STEPS = 16  # of references that lead to references
_LONGEST = 1000  # characters or items
_MOST_VALUES = 10000  # in one answer, whatever a schema multiplies
_GREATEST = 2**53  # of the numbers that are looked at
_SMALLEST_STEP = 1e-9
_LOWER = {"minimum": operator.ge, "exclusiveMinimum": operator.gt}
_UPPER = {"maximum": operator.le, "exclusiveMaximum": operator.lt}
# What a schema without a type has to be, by its keywords.
_HINTS = {
    **dict.fromkeys(("properties", "additionalProperties"), "object"),
    **dict.fromkeys(("items", "prefixItems"), "array"),
    **dict.fromkeys((*_LOWER, *_UPPER, "multipleOf"), "number"),
}
_FORMATS = {
    "date": "2026-01-02",
    "time": "03:04:05Z",
    "date-time": "2026-01-02T03:04:05Z",
    "email": "someone@example.com",
    "uri": "https://example.com/",
    "hostname": "example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "uuid": "00000000-0000-4000-8000-000000000000",
}


def invalid_type(schema: JsonValue) -> str | None:
    """Find the first `type` that JSON Schema does not have."""
    waiting = [schema]
    while waiting:
        each = _dict(waiting.pop())
        named = each.get("type", [])
        for name in named if isinstance(named, list) else [named]:
            if name not in _TYPES:
                return str(name)
        for key in ("properties", "$defs", "definitions"):
            waiting += _dict(each.get(key)).values()
        for key in ("anyOf", "oneOf", "allOf", "prefixItems"):
            waiting += _list(each.get(key))
        waiting += [each[key] for key in ("items", "additionalProperties") if key in each]
    return None


def make_instance(schema: Schema, question: str) -> JsonValue:
    """Make a value that follows a schema; free text in it is a word of the question, the last one.

    Every property is there, and the first of several possibilities. `pattern`, `uniqueItems` and `not` are ignored.
    """
    words = _WORD.findall(_PUNCTUATION.sub(" ", question))
    return _Maker(schema, words[-1] if words else "sandbox").make(schema, 0)


@dataclass
class _Maker:
    """What the parts of one answer share: the whole schema, the word of the question, how much may still be made."""

    root: Schema
    word: str
    budget: int = _MOST_VALUES

    def make(self, schema: JsonValue, depth: int) -> JsonValue:
        flat = self._flatten(schema, shallow=depth >= _NESTED)
        if "const" in flat:
            return flat["const"]
        if options := _list(flat.get("enum")):
            return options[0]
        if depth > _DEEPEST or not self._spend():
            return None
        match _type(flat):
            case "object":
                return self._object(flat, depth)
            case "array":
                return self._array(flat, depth)
            case "integer" | "number" as named:
                return _number(flat, whole=named == "integer")
            case "string":
                return self._string(flat)
            case named:
                return True if named == "boolean" else None

    def _spend(self) -> bool:
        self.budget -= 1
        return self.budget >= 0

    def _flatten(self, schema: JsonValue, *, shallow: bool, steps: int = 0) -> Schema:
        """Replace a reference, `allOf` and the first of `anyOf` and `oneOf` by what they mean."""
        flat = _dict(schema)
        others = [self._look_up(flat["$ref"])] if "$ref" in flat else []
        others += _list(flat.get("allOf"))
        for key in ("anyOf", "oneOf"):
            arms = _list(flat.get(key))
            ends = [arm for arm in arms if _dict(arm).get("type") == "null"] if shallow else []
            others += (ends or arms)[:1]
        merged: Schema = {key: value for key, value in flat.items() if key not in ("$ref", "allOf", "anyOf", "oneOf")}
        for other in others if steps < _MOST_STEPS and self._spend() else []:
            more = self._flatten(other, shallow=shallow, steps=steps + 1)
            properties = _dict(merged.get("properties")) | _dict(more.get("properties"))
            required = [*_list(merged.get("required")), *_list(more.get("required"))]
            merged = {**more, **merged, "properties": properties, "required": required}
            if not properties:
                del merged["properties"]
        return merged

    def _look_up(self, reference: JsonValue) -> JsonValue:
        """Follow a JSON pointer into the same schema; one that leads nowhere allows anything."""
        found: JsonValue = self.root
        for part in str(reference).removeprefix("#").split("/")[1:]:
            found = _dict(found).get(part.replace("~1", "/").replace("~0", "~"))
        return found

    def _object(self, flat: Schema, depth: int) -> JsonValue:
        properties, required = _dict(flat.get("properties")), _list(flat.get("required"))
        wanted = [name for name in properties if depth < _NESTED or name in required]
        wanted += [name for name in required if isinstance(name, str) and name not in properties]
        other = _dict(flat.get("additionalProperties"))
        return {name: self.make(properties.get(name, other), depth + 1) for name in wanted}

    def _array(self, flat: Schema, depth: int) -> JsonValue:
        first = _list(flat.get("prefixItems"))
        least, most = _limit(flat, "minItems") or 0, _limit(flat, "maxItems")
        count = max(int(least), len(first), int(depth < _NESTED and flat.get("items") is not False))
        count = min(count, _LONGEST if most is None else int(most), _LONGEST)
        schemas = [*first[:count], *[flat.get("items")] * (count - len(first))]
        return [self.make(each, depth + 1) for each in schemas]

    def _string(self, flat: Schema) -> str:
        if (known := _FORMATS.get(str(flat.get("format")))) is not None:
            return known
        least, most = min(int(_limit(flat, "minLength") or 0), _LONGEST), _limit(flat, "maxLength")
        text = self.word if len(self.word) >= least else (self.word * least)[:least]
        return text if most is None else text[: int(most)]


def _type(flat: Schema) -> JsonValue:
    named = flat.get("type")
    if isinstance(named, list):
        return named[0] if named else "string"
    return next((_HINTS[key] for key in flat if key in _HINTS), "string") if named is None else named


def _number(flat: Schema, *, whole: bool) -> JsonValue:
    """Try the likely numbers: one, those at the bounds, and the middle between them."""
    holds = [(fits, bound) for key, fits in (_LOWER | _UPPER).items() if (bound := _limit(flat, key)) is not None]
    floor = max((bound for fits, bound in holds if fits in _LOWER.values()), default=None)
    ceiling = min((bound for fits, bound in holds if fits in _UPPER.values()), default=None)
    step = _limit(flat, "multipleOf") or 0
    step = step if step >= _SMALLEST_STEP else 0
    tried: list[float] = [1]
    if floor is not None:
        tried += [math.ceil(floor), floor, math.floor(floor) + 1]
        tried += [step * math.ceil(floor / step), step * (math.floor(floor / step) + 1)] if step else []
    if ceiling is not None:
        tried += [math.floor(ceiling), ceiling, math.ceil(ceiling) - 1]
    if floor is not None and ceiling is not None:
        tried.append((floor + ceiling) / 2)
    tried += [step, 0]
    tried = [value for value in tried if not (step and value % step) and not (whole and value % 1)]
    chosen = next((value for value in tried if all(fits(value, bound) for fits, bound in holds)), 1)
    return int(chosen) if chosen % 1 == 0 else chosen


def _limit(flat: Schema, key: str) -> float | None:
    value = flat.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if abs(value) <= _GREATEST else None


def _dict(value: JsonValue) -> Schema:
    return value if isinstance(value, dict) else {}


def _list(value: JsonValue) -> list[JsonValue]:
    return value if isinstance(value, list) else []
