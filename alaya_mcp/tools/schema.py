"""JSON schemas as every host takes them: flat, without unions, references, titles or nulls.

Hosts that drop a tool over `$ref`, `$defs`, `anyOf` or `$schema` are listed in docs/decisions/schemas.md.
"""

from typing import Any, Literal, cast

from pydantic import BaseModel

JsonSchema = dict[str, Any]


def portable_schema(model: type[BaseModel], mode: Literal["validation", "serialization"]) -> JsonSchema:
    """The schema of a model, nested models inlined, `X | None` as X, the root closed."""
    schema = model.model_json_schema(mode=mode)
    definitions: JsonSchema = schema.pop("$defs", {})
    flat = _flat(schema, definitions)
    flat.pop("description", None)
    return {**flat, "additionalProperties": False}


def _flat(schema: JsonSchema, definitions: JsonSchema) -> JsonSchema:
    if "$ref" in schema:
        target = definitions[schema["$ref"].rpartition("/")[2]]
        named: JsonSchema = {key: value for key, value in target.items() if key != "description"}
        return _flat({**named, **{key: value for key, value in schema.items() if key != "$ref"}}, definitions)
    if "anyOf" in schema:
        (only,) = (arm for arm in schema["anyOf"] if arm != {"type": "null"})
        rest = {key: value for key, value in schema.items() if key != "anyOf" and (key, value) != ("default", None)}
        return _flat({**only, **rest}, definitions)
    flat: JsonSchema = {}
    for key, value in schema.items():
        if key == "properties":
            flat[key] = {name: _flat(part, definitions) for name, part in value.items()}
        elif isinstance(value, dict) and key == "items":
            flat[key] = _flat(cast("JsonSchema", value), definitions)
        elif key == "const":
            flat["enum"] = [value]
        elif not (
            key == "title" or (key == "default" and value is None) or (key == "additionalProperties" and value is True)
        ):
            flat[key] = value
    return flat
