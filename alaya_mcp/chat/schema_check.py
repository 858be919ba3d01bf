"""JSON Schema in a process of its own: loaded by the worker that `structured` starts, never by the server."""

import json
import re
from typing import Any, Final, cast

from jsonschema import Draft202012Validator, SchemaError, ValidationError
from jsonschema.exceptions import best_match  # type: ignore[reportUnknownVariableType] # its stub leaves a part open
from jsonschema.validators import validator_for
from referencing import Resource
from referencing.exceptions import Unresolvable
from referencing.jsonschema import DRAFT202012, EMPTY_REGISTRY

_WORDS: Final = 200
"""Characters of the validator's own explanation, which quotes what it looked at."""


def schema_problem(schema_text: str) -> str | None:
    """What is wrong with a schema, as a clause; None for one that can be used."""
    schema = json.loads(schema_text)
    validator = validator_for(schema, default=Draft202012Validator)
    if not set(schema) & set(validator.VALIDATORS):
        return "it has no keyword of JSON Schema at the top, such as type or properties, so it would take anything"
    try:
        validator.check_schema(schema)
        root = Resource[Any].from_contents(schema, default_specification=DRAFT202012)
        outside = _unresolvable(root, EMPTY_REGISTRY.with_resource("", root).resolver())
    except SchemaError as error:
        return _told(error)
    except RecursionError:
        return "it is nested too deeply"
    if outside:
        return f"$ref {outside} points outside it, and nothing is ever fetched: put what it means into $defs"
    return None


def value_problem(schema_text: str, value_text: str) -> str | None:
    """Why a value does not follow a schema, as a clause; None for one that does."""
    schema, value = json.loads(schema_text), json.loads(value_text)
    # A registry that holds nothing else and retrieves nothing.
    validator = validator_for(schema, default=Draft202012Validator)(schema, registry=EMPTY_REGISTRY)
    try:
        error = cast("ValidationError | None", best_match(validator.iter_errors(value)))
    except (RecursionError, re.error):
        return "the schema cannot be evaluated (a pattern that is no regular expression, or endless references)"
    return None if error is None else _told(error)


def _told(error: SchemaError | ValidationError) -> str:
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
