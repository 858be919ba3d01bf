"""What hosts and agents may rely on, kept as snapshot files: a change of the contract is a change to review.

`pytest --snapshot-update` writes them anew.
"""

import json
from typing import Any

import pytest
from mcp import Client
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.json import JSONSnapshotExtension

from alaya_mcp.comparison.result import ComparedAnswer, CompareResult
from alaya_mcp.config.settings import load_settings
from alaya_mcp.results import ChatResult
from alaya_mcp.sandbox import CATALOGUE
from alaya_mcp.serving.server import TOOLS, create_server, instructions
from tests.calls import ERAS

SETTINGS = load_settings({"ALAYA_ACCESS_KEY": "ak", "ALAYA_SECRET_KEY": "sk"})
FORBIDDEN = {"anyOf", "oneOf", "allOf", "$ref", "$defs", "$schema", "title", "const"}
LIST_BYTES = 8_000
"""Of names, descriptions and input schemas: 1,900 tokens (o200k), a quarter of a token for each byte at most."""
OUTPUT_BYTES = 5_000
INSTRUCTIONS_LIMIT = 2_000
DESCRIPTION_LIMIT = 2_048
NAME_LIMIT = 40


def keywords(schema: dict[str, Any]) -> set[str]:
    """Every schema keyword in use, names of properties left aside."""
    parts = [*schema.get("properties", {}).values(), *([schema["items"]] if "items" in schema else [])]
    return set(schema).union(*(keywords(part) for part in parts))


def described(schema: dict[str, Any]) -> bool:
    """Whether every property, nested ones too, has a description."""
    parts = [*schema.get("properties", {}).values(), *([schema["items"]] if "items" in schema else [])]
    return all("description" in part for part in schema.get("properties", {}).values()) and all(map(described, parts))


@pytest.mark.anyio
async def test_the_tools_are_the_published_ones_in_both_eras(snapshot: SnapshotAssertion) -> None:
    kept = snapshot.use_extension(JSONSnapshotExtension)
    for era in ERAS:
        async with Client(create_server(SETTINGS), mode=era) as client:
            listed = await client.list_tools()
        for tool in listed.tools:
            assert tool.model_dump(mode="json", by_alias=True, exclude_none=True) == kept(name=tool.name), era


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.name)
def test_schemas_are_what_every_host_takes(tool: Any) -> None:  # noqa: ANN401 generic in its types
    listed = tool.listed()

    assert not keywords(listed.input_schema) & FORBIDDEN
    assert not keywords(listed.output_schema) & FORBIDDEN
    assert listed.input_schema["additionalProperties"] is False
    assert listed.output_schema["additionalProperties"] is False
    assert described(listed.input_schema)
    assert "null" not in json.dumps([listed.input_schema, listed.output_schema])


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.name)
def test_a_tool_has_a_title_annotations_and_a_name_that_fits(tool: Any) -> None:  # noqa: ANN401 generic in its types
    listed = tool.listed()
    hints = listed.annotations

    assert listed.title
    assert len(listed.name) <= NAME_LIMIT
    assert len(listed.description) <= DESCRIPTION_LIMIT
    assert (hints.read_only_hint, hints.destructive_hint, hints.open_world_hint) == (True, False, True)
    assert hints.idempotent_hint is (listed.name not in {"chat_with_deployment", "compare_models"})


def test_the_tool_list_costs_an_agent_under_2_500_tokens() -> None:
    """Some hosts show output schemas to the model too."""
    listed = [tool.listed() for tool in TOOLS]
    shown = [{"name": tool.name, "description": tool.description, "inputSchema": tool.input_schema} for tool in listed]
    outputs = [tool.output_schema for tool in listed]

    assert len(json.dumps(shown, separators=(",", ":"))) <= LIST_BYTES
    assert len(json.dumps(outputs, separators=(",", ":"))) <= OUTPUT_BYTES


def limits(schema: dict[str, Any]) -> list[tuple[str, str, float]]:
    """(property, description, limit) of every limit of a number or a list that a schema has."""
    keywords = ("minimum", "maximum", "maxItems")
    parts = schema.get("properties", {}).items()
    own = [(name, part.get("description", ""), part[each]) for name, part in parts for each in keywords if each in part]
    inner = [found for _, part in parts for found in limits(part.get("items", part))]
    return own + inner


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.name)
def test_limits_stand_in_the_descriptions_too(tool: Any) -> None:  # noqa: ANN401 generic in its types
    """Codex drops them from schemas."""
    for name, description, limit in limits(tool.listed().input_schema):
        assert f"{limit:g}" in description or limit == 0, f"{name}: {description}"


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.name)
def test_what_agents_are_told_of_results_is_there(tool: Any) -> None:  # noqa: ANN401 generic in its types
    properties = tool.listed().output_schema["properties"]

    assert list(properties) == list(tool.result.model_fields)
    assert {name for name, part in properties.items() if "description" in part} == tool.result.explained


def test_what_asks_models_names_the_adapters_in_what_a_search_of_tools_shows_of_it() -> None:
    """Qwen Code shows about 160 characters of a description before a tool is chosen."""
    asking = [tool for tool in TOOLS if not tool.idempotent]

    assert len(asking) == 2
    assert all("LoRA adapters" in tool.description[:160] for tool in asking)
    assert "LoRA adapters" in instructions(SETTINGS).split(".")[0] + instructions(SETTINGS)[:200]


def test_what_a_preview_must_show_stands_before_the_reply() -> None:
    for result in (ChatResult, ComparedAnswer):
        order = list(result.model_fields)

        assert all(
            order.index(name) < order.index("content")
            for name in ("truncated", "truncated_reason", "read_on", "warnings")
        )
    assert list(CompareResult.model_fields)[:3] == ["service_id", "summary", "warnings"]


def test_instructions_fit_and_say_first_what_the_server_is_for() -> None:
    sandbox = SETTINGS.model_copy(
        update={"sandbox_ids": tuple(service_id for service_id, _ in CATALOGUE), "service_id": CATALOGUE[0][0]}
    )

    assert len(instructions(sandbox)) < INSTRUCTIONS_LIMIT
    assert "Alaya NeW" in instructions(SETTINGS).split("\n", 1)[0]
    assert all(service_id in instructions(sandbox) for service_id, _ in CATALOGUE)


@pytest.mark.anyio
async def test_both_eras_give_the_same_instructions() -> None:
    said: set[str | None] = set()
    for era in ERAS:
        async with Client(create_server(SETTINGS), mode=era) as client:
            said.add(client.instructions)

    assert said == {instructions(SETTINGS)}
