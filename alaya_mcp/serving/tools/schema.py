"""JSON schemas that every host accepts: flat, without unions, references, titles or nulls.

Hosts that drop a tool over `$ref`, `$defs`, `anyOf` or `$schema` are listed in docs/decisions/schemas.md.
"""

from typing import Any, Final, Literal, cast

from pydantic import BaseModel

from alaya_mcp.results import ResultModel

JsonSchema = dict[str, Any]

_NOT_GIVEN: Final[tuple[object, ...]] = (None, "", [], {})
_KEPT: Final = ("type", "enum")


def portable_schema(model: type[BaseModel], mode: Literal["validation", "serialization"]) -> JsonSchema:
    """Return the schema of a model, nested models inlined, `X | None` as X, the root closed."""
    schema = model.model_json_schema(mode=mode)
    definitions: JsonSchema = schema.pop("$defs", {})
    flat = _flat(schema, definitions)
    flat.pop("description", None)
    return {**flat, "additionalProperties": False}


def result_schema(model: type[ResultModel]) -> JsonSchema:
    """Return the short schema of a result: some hosts show it to the model with every request.

    Fields in the model's `explained` have descriptions; the properties of these and of nested objects are left out.
    """
    schema = portable_schema(model, "serialization")
    properties: JsonSchema = {}
    for name, part in schema["properties"].items():
        is_explained = name in model.explained
        lean = _lean(part, spells_out=not is_explained)
        properties[name] = {**lean, "description": part["description"]} if is_explained else lean
    return {"type": "object", "properties": properties, "required": schema["required"], "additionalProperties": False}


def _lean(schema: JsonSchema, *, spells_out: bool) -> JsonSchema:
    lean = {key: value for key, value in schema.items() if key in _KEPT}
    if spells_out and "properties" in schema:
        lean["properties"] = {name: _lean(part, spells_out=False) for name, part in schema["properties"].items()}
    if "items" in schema and (spells_out or "properties" not in schema["items"]):
        lean["items"] = _lean(schema["items"], spells_out=spells_out)
    return lean


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
            key == "title"
            or (key == "default" and value in _NOT_GIVEN)  # an empty value means the same as none
            or (key == "additionalProperties" and value is True)
        ):
            flat[key] = value
    return flat
