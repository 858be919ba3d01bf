"""What the worker says of schemas and of values; the process around it is claimed in test_structured."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alaya_mcp.chat.schema_check import schema_problem, value_problem

CITY: dict[str, Any] = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
DRAFT_4 = "http://json-schema.org/draft-04/schema#"


@pytest.mark.parametrize(
    "schema",
    [
        CITY,
        {"$schema": DRAFT_4, "type": "number", "minimum": 3, "exclusiveMinimum": True},
        {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": CITY}},
        {"$id": "urn:city", "$ref": "#/$defs/a", "$defs": {"a": {"$anchor": "here"}}, "items": {"$ref": "#here"}},
        {"$defs": {"tree": {"properties": {"left": {"$ref": "#/$defs/tree"}}}}, "$ref": "#/$defs/tree"},
        {"enum": [{"$ref": "http://schemas.invalid/"}]},
        {"properties": {"$ref": {"type": "string"}}},
        {"pattern": r"\p{Script=Han}"},
        {"properties": {"a": {"pattern": "(?<year>[0-9]{4})"}}},
        {"type": "object", "patternProperties": {r"^\p{L}+$": {"type": "string"}}, "additionalProperties": False},
    ],
    ids=lambda schema: json.dumps(schema)[:30],
)
def test_a_schema_of_any_draft_that_stands_alone_can_be_used(schema: dict[str, Any]) -> None:
    assert schema_problem(json.dumps(schema)).problem is None


@pytest.mark.parametrize(
    ("schema", "why"),
    [
        ({}, "it has no JSON Schema keyword"),
        ({"name": "city", "schema": CITY}, "it has no JSON Schema keyword"),
        ({"city": "string"}, "it has no JSON Schema keyword"),
        ({"type": "nonsense"}, "at type: "),
        ({"properties": {"a": {"minimum": "x"}}}, "at properties/a/minimum: "),
        ({"pattern": "("}, "at pattern: "),
        ({"$ref": "http://schemas.invalid/a"}, "$ref http://schemas.invalid/a points outside it"),
        ({"anyOf": [{"items": {"$ref": "other.json"}}]}, "$ref other.json points outside it"),
        ({"$dynamicRef": "#nowhere"}, "$ref #nowhere points to nothing in it"),
    ],
)
def test_a_schema_that_cannot_be_used_is_told_why(schema: dict[str, Any], why: str) -> None:
    assert (schema_problem(json.dumps(schema)).problem or "").startswith(why)


def test_a_schema_nested_without_end_is_refused() -> None:
    assert schema_problem('{"not":' * 400 + "{}" + "}" * 400).problem == "it is nested too deeply"


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ({"city": "Rome"}, None),
        ({"town": "Rome"}, "'city' is a required property"),
        ({"city": [1]}, "at city: [1] is not of type 'string'"),
        ("Rome", "'Rome' is not of type 'object'"),
    ],
)
def test_a_value_follows_its_schema_or_is_told_why(value: object, why: str | None) -> None:
    assert value_problem(json.dumps(CITY), json.dumps(value)).problem == why


def test_a_long_value_is_not_quoted_whole() -> None:
    assert len(value_problem('{"type": "integer"}', json.dumps("x" * 9_000)).problem or "") < 300


@pytest.mark.parametrize("schema", [{"pattern": "("}, {"$ref": "#"}])
def test_a_schema_that_cannot_be_evaluated_is_a_problem_and_no_failure(schema: dict[str, Any]) -> None:
    assert "cannot be evaluated" in (value_problem(json.dumps(schema), '"x"').problem or "")


def test_properties_by_a_pattern_that_python_does_not_know_are_not_refused() -> None:
    schema = {"patternProperties": {r"^\p{L}+$": {}, "^[0-9]+$": {"type": "integer"}}, "additionalProperties": False}

    assert value_problem(json.dumps(schema), '{"é": 1, "7": 8}').problem is None
    assert value_problem(json.dumps(schema), '{"é": 1, "7": 8}').unchecked == (r"^\p{L}+$",)
    assert value_problem(json.dumps(schema), '{"7": "8"}').problem is not None


def test_a_value_that_looks_like_a_pattern_is_compared_as_it_is() -> None:
    schema = {"enum": [{"pattern": r"\p{L}"}]}

    assert value_problem(json.dumps(schema), json.dumps({"pattern": r"\p{L}"})).problem is None


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


@given(json_values)
@settings(max_examples=100, deadline=None)
def test_every_value_follows_the_schema_that_lists_it(value: object) -> None:
    assert value_problem(json.dumps({"enum": [value]}), json.dumps(value)).problem is None
    assert value_problem(json.dumps({"not": {"enum": [value]}}), json.dumps(value)).problem is not None
