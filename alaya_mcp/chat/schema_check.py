"""JSON Schema checks in a worker process: loaded by the worker of `structured`, never by the server."""

import json
import re
from typing import Any, Final, cast

from jsonschema import Draft202012Validator, SchemaError, ValidationError
from jsonschema.exceptions import best_match  # type: ignore[reportUnknownVariableType] # its stub leaves a part open
from jsonschema.validators import validator_for
from referencing import Resource
from referencing.exceptions import Unresolvable
from referencing.jsonschema import DRAFT202012, EMPTY_REGISTRY

from alaya_mcp.chat.schema_verdict import Verdict

_NAMED_GROUP: Final = re.compile(r"\(\?<(?![=!])")
_NAMED_REFERENCE: Final = re.compile(r"\\k<(\w+)>")
_WRONG_EVERYWHERE: Final = ("missing ), ", "unbalanced parenthesis", "nothing to repeat")
"""Python's errors for expressions that are invalid in ECMA-262 too."""
_WORDS: Final = 200
"""Characters of the validator's explanation, which quotes the value."""


def schema_problem(schema_text: str) -> Verdict:
    """Return what is wrong with a schema; an empty verdict for a usable one."""
    schema, unchecked = _checkable(json.loads(schema_text))
    validator = validator_for(schema, default=Draft202012Validator)
    if not set(schema) & set(validator.VALIDATORS) and not unchecked:
        return Verdict(
            "it has no JSON Schema keyword at the top level, such as type or properties, so it would accept anything"
        )
    try:
        validator.check_schema(schema)
        root = Resource[Any].from_contents(schema, default_specification=DRAFT202012)
        missing = _unresolvable(root, EMPTY_REGISTRY.with_resource("", root).resolver())
    except SchemaError as error:
        return Verdict(_message(error))
    except RecursionError:
        return Verdict("it is nested too deeply")
    if missing is None:
        return Verdict(unchecked=unchecked)
    if missing.startswith("#"):
        return Verdict(f"$ref {missing} points to nothing in it")
    return Verdict(f"$ref {missing} points outside it, and nothing is fetched: put its target into $defs")


def value_problem(schema_text: str, value_text: str) -> Verdict:
    """Return why a value does not follow a schema; an empty verdict if it does."""
    schema, unchecked = _checkable(json.loads(schema_text))
    value = json.loads(value_text)
    # An empty registry that retrieves nothing.
    validator = validator_for(schema, default=Draft202012Validator)(schema, registry=EMPTY_REGISTRY)
    try:
        error = cast("ValidationError | None", best_match(validator.iter_errors(value)))
    except (RecursionError, re.error):
        return Verdict("the schema cannot be evaluated (an invalid regular expression, or circular references)")
    return Verdict(None if error is None else _message(error), unchecked)


def _checkable(schema: Any) -> tuple[Any, tuple[str, ...]]:  # noqa: ANN401 any JSON value may come
    """Return a schema without the patterns that Python does not support, and those patterns.

    JSON Schema's patterns are ECMA-262's (draft 2020-12, 6.4). Python supports most: named groups have another
    syntax, and Unicode property classes are missing.
    """
    unchecked: list[str] = []

    def without(value: Any) -> Any:  # noqa: ANN401 any JSON value may come
        if isinstance(value, list):
            return [without(item) for item in cast("list[Any]", value)]
        if not isinstance(value, dict):
            return value
        fields = cast("dict[str, Any]", value)
        kept: dict[str, Any] = {
            key: item if key == "enum" and isinstance(item, list) else without(item)  # values are not schemas
            for key, item in fields.items()
            if key not in {"pattern", "patternProperties"}
        }
        pattern, by_pattern = fields.get("pattern"), fields.get("patternProperties")
        if isinstance(pattern, str):
            kept |= {"pattern": known} if (known := _known(pattern, unchecked)) is not None else {}
        elif "pattern" in fields:  # a property of that name, or a mistake
            kept["pattern"] = without(pattern)
        if isinstance(by_pattern, dict):
            named = {_known(key, unchecked): without(item) for key, item in cast("dict[str, Any]", by_pattern).items()}
            if None in named:  # which other properties are allowed is unknown too
                for keyword in ("additionalProperties", "unevaluatedProperties"):
                    kept.pop(keyword, None)
            kept["patternProperties"] = {key: item for key, item in named.items() if key is not None}
        elif "patternProperties" in fields:
            kept["patternProperties"] = by_pattern
        return kept

    return without(schema), tuple(dict.fromkeys(unchecked))


def _known(pattern: str, unchecked: list[str]) -> str | None:
    """Return the pattern in Python's syntax, None if Python does not support it."""
    python = _NAMED_REFERENCE.sub(r"(?P=\1)", _NAMED_GROUP.sub("(?P<", pattern))
    try:
        re.compile(python)
    except (re.error, RecursionError, OverflowError) as error:
        if str(error).startswith(_WRONG_EVERYWHERE):
            return pattern
        unchecked.append(pattern[:_WORDS])
        return None
    return python


def _message(error: SchemaError | ValidationError) -> str:
    where = "/".join(str(part) for part in error.absolute_path)
    return f"{f'at {where}: ' if where else ''}{error.message[:_WORDS]}"


def _unresolvable(resource: Resource[Any], resolver: Any) -> str | None:  # noqa: ANN401 the library's is private
    contents: Any = resource.contents
    keywords = cast("dict[str, Any]", contents) if isinstance(contents, dict) else {}
    for keyword in ("$ref", "$dynamicRef"):
        ref = keywords.get(keyword)
        if isinstance(ref, str):
            try:
                resolver.lookup(ref)
            except Unresolvable:
                return ref[:_WORDS]
    for inner in resource.subresources():
        if outside := _unresolvable(inner, resolver.in_subresource(inner)):
            return outside
    return None
