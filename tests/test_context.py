"""What hosts offer beside tools: resources, prompts and completions, in both eras."""

import json
from typing import Any

import anyio
import mcp_types as types
import pytest
from mcp.shared.exceptions import MCPError

from alaya_mcp.config.settings import Settings
from alaya_mcp.deployment.spelling import folded
from alaya_mcp.errors import NotConfigured
from alaya_mcp.serving.prompts import PROMPTS
from tests.calls import ERAS, Era, connected, content_of
from tests.registry import Registry, row, uuid
from tests.upstream import Upstream, says

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("era", ERAS)]

UNCONFIGURED = NotConfigured("certificates_unusable")
TEMPLATE = types.ResourceTemplateReference(uri="alaya://deployments/{service_id}")
COMPARE = types.PromptReference(name="compare_lora")


async def read(settings: Settings | NotConfigured, era: Era, uri: str) -> tuple[str, str | None]:
    async with connected(settings, era) as client:
        (contents,) = (await client.read_resource(uri)).contents
    assert isinstance(contents, types.TextResourceContents)
    return contents.text, contents.mime_type


async def refused(settings: Settings | NotConfigured, era: Era, uri: str) -> types.ErrorData:
    async with connected(settings, era) as client:
        with pytest.raises(MCPError) as raised:
            await client.read_resource(uri)
    return raised.value.error


async def test_the_resources_are_what_the_tools_tell(era: Era) -> None:
    async with Upstream() as upstream:
        Registry(upstream, *(row(number) for number in range(150)))
        settings = upstream.settings()
        async with connected(settings, era) as client:
            listed = await client.list_resources()
            templates = await client.list_resource_templates()
            one = content_of(await client.call_tool("get_deployment", {"service_id": uuid(1)}))
            many = content_of(await client.call_tool("list_deployments", {"limit": 100}))
        deployment, mime_type = await read(settings, era, f"alaya://deployments/{uuid(1)}")
        deployments, _ = await read(settings, era, "alaya://deployments")

    assert [str(each.uri) for each in listed.resources] == ["alaya://deployments"]
    assert TEMPLATE.uri in [each.uri_template for each in templates.resource_templates]
    assert mime_type == "application/json"
    assert json.loads(deployment) == one
    assert json.loads(deployments) == many
    assert "planted" not in deployment + deployments


@pytest.mark.parametrize("name", ["my qwen", "客服/一号", "name-3"])
async def test_a_deployment_is_read_by_its_name_too(era: Era, name: str) -> None:
    async with Upstream() as upstream:
        Registry(upstream, row(1, "my qwen"), row(2, "客服/一号"), row(3))
        quoted = "".join(f"%{byte:02X}" for byte in name.encode())
        text, _ = await read(upstream.settings(), era, f"alaya://deployments/{quoted}")

    assert json.loads(text)["name"] == name


async def test_what_is_not_there_is_an_error_with_the_uri_and_the_candidates(era: Era) -> None:
    async with Upstream() as upstream:
        Registry(upstream, row(1, "qwen3"))
        missing = await refused(upstream.settings(), era, "alaya://deployments/qwen")
        empty = await refused(upstream.settings(), era, "alaya://deployments/")
        other = await refused(upstream.settings(), era, "alaya://elsewhere")

    assert missing.code == empty.code == other.code == types.INVALID_PARAMS
    assert missing.data["uri"] == "alaya://deployments/qwen"
    assert missing.data["candidates"] == ["qwen3"]
    assert missing.message.endswith("Read one of these: alaya://deployments/qwen3.")
    assert "Unknown resource. " in other.message
    assert "alaya://deployments/{service_id}" in other.message


async def test_upstreams_failures_are_told_as_a_tool_tells_them(era: Era) -> None:
    async with Upstream(control=says(401, {})) as upstream:
        error = await refused(upstream.settings(), era, "alaya://deployments")

    assert (error.code, error.data["code"]) == (types.INTERNAL_ERROR, "credentials_rejected")
    assert "ALAYA_ACCESS_KEY and ALAYA_SECRET_KEY" in error.message


async def test_without_settings_everything_is_listed_and_reading_says_what_is_missing(era: Era) -> None:
    error = await refused(UNCONFIGURED, era, "alaya://deployments")
    async with connected(UNCONFIGURED, era) as client:
        assert len((await client.list_resources()).resources) == 1
        assert len((await client.list_prompts()).prompts) == len(PROMPTS)
        completed = await client.complete(TEMPLATE, {"name": "service_id", "value": ""})

    assert "not_configured: The certificates" in error.message
    assert completed.completion.values == []


async def values(settings: Settings, era: Era, ref: Any, name: str, typed: str, **others: str) -> list[str]:  # noqa: ANN401 either kind of reference
    async with connected(settings, era) as client:
        completed = await client.complete(ref, {"name": name, "value": typed}, context_arguments=others or None)
    assert completed.completion.total == len(completed.completion.values) or completed.completion.has_more
    return completed.completion.values


@pytest.mark.parametrize("ref", [TEMPLATE, COMPARE])
async def test_deployments_are_completed_by_alias_name_and_id_the_running_first(era: Era, ref: Any) -> None:  # noqa: ANN401 either kind of reference
    async with Upstream() as upstream:
        Registry(upstream, row(1, "asleep qwen", status="stopped"), row(2, "my Qwen"), row(3, "llama"), row(4, "QWEN"))
        settings = upstream.settings().model_copy(update={"aliases": {folded("Favourite"): uuid(3)}})
        everything = await values(settings, era, ref, "service_id", "")
        some = await values(settings, era, ref, "service_id", "qwen")
        ids = await values(settings, era, ref, "service_id", uuid(3)[:-1])

    assert everything[:5] == ["favourite", "my Qwen", "llama", "QWEN", "asleep qwen"]
    assert some == ["QWEN", "my Qwen", "asleep qwen"]
    assert set(ids) == {uuid(number) for number in (1, 2, 3, 4)}


async def test_models_are_completed_for_the_deployment_that_is_named_one_after_the_other(era: Era) -> None:
    instance = [{"baseModelReady": True, "loraModels": ["support-zh", "sql-writer"]}]
    async with Upstream() as upstream:
        Registry(upstream, row(1, "qwen"), instance=instance, quickStart={"backend": "vllm"})
        settings = upstream.settings(ALAYA_SERVICE_ID="")
        first = await values(settings, era, COMPARE, "models", "s", service_id="qwen")
        second = await values(settings, era, COMPARE, "models", "support-zh, s", service_id="qwen")
        unnamed = await values(settings, era, COMPARE, "models", "s")

    assert first == ["support-zh", "sql-writer"]
    assert second == ["support-zh, sql-writer"]
    assert unnamed == []


async def test_what_cannot_be_had_completes_nothing(era: Era) -> None:
    async with Upstream(control=says(403, {})) as upstream:
        assert await values(upstream.settings(), era, TEMPLATE, "service_id", "q") == []
        assert await values(upstream.settings(), era, COMPARE, "models", "q") == []
        assert await values(upstream.settings(), era, COMPARE, "question", "q") == []


async def test_no_more_than_a_hundred_values_come(era: Era) -> None:
    async with Upstream() as upstream:
        Registry(upstream, *(row(number) for number in range(150)))
        async with connected(upstream.settings(), era) as client:
            completed = (await client.complete(TEMPLATE, {"name": "service_id", "value": "name"})).completion

    assert (len(completed.values), completed.total, completed.has_more) == (100, 150, True)


async def test_every_prompt_and_argument_is_described(era: Era) -> None:
    async with connected(UNCONFIGURED, era) as client:
        listed = (await client.list_prompts()).prompts

    assert [prompt.name for prompt in listed] == ["diagnose_deployment", "compare_lora"]
    for prompt in listed:
        assert prompt.title
        assert prompt.description
        assert all(argument.description for argument in prompt.arguments or [])


async def test_a_prompt_is_filled_in(era: Era) -> None:
    async with connected(UNCONFIGURED, era) as client:
        compared = await client.get_prompt("compare_lora", {"question": "Why?", "service_id": "qwen", "models": "a, b"})
        all_of_them = await client.get_prompt("compare_lora", {"question": "Why?", "service_id": "", "models": " "})
        diagnosed = await client.get_prompt("diagnose_deployment", {"problem": "it is slow"})
        bare = await client.get_prompt("diagnose_deployment")

    def words(result: types.GetPromptResult) -> str:
        (message,) = result.messages
        assert message.role == "user"
        assert isinstance(message.content, types.TextContent)
        return message.content.text

    asked = ("Why?", '"qwen"', "a, b", "compare_models", "these names as models", "pass that to chat_with_deployment")
    assert all(" ".join(part.split()) in " ".join(words(compared).split()) for part in asked)
    assert "models only if I named some" in words(all_of_them)
    assert "each LoRA adapter" in words(all_of_them)
    assert "default deployment" not in words(all_of_them)
    assert "it is slow" in words(diagnosed)
    assert "get_deployment" in words(bare)
    assert "What I see" not in words(bare)


async def test_a_prompt_names_the_default_deployment_only_where_there_is_one(era: Era) -> None:
    async with Upstream() as upstream:
        said: list[str] = []
        for service_id in ("svc-1", ""):
            async with connected(upstream.settings(ALAYA_SERVICE_ID=service_id), era) as client:
                filled = [await client.get_prompt(prompt.name) for prompt in PROMPTS]
                said += [str(each.messages[0].content) for each in filled]

    assert ["default deployment (svc-1)" in words for words in said] == [True, True, False, False]
    assert ["default" in words for words in said] == [True, True, False, False]
    assert all("list_deployments" in words for words in said[2:])


async def test_words_that_a_host_split_at_spaces_count_as_a_whole(era: Era) -> None:
    """Claude Code fills `/compare_lora why is the sky blue` in as why, is, the, and drops the rest."""
    async with connected(UNCONFIGURED, era) as client:
        listed = (await client.list_prompts()).prompts
        for prompt in listed:
            names = [argument.name for argument in prompt.arguments or []]
            for typed in (["why"], ["why", "is"], ["why", "is", "the"]):
                filled = await client.get_prompt(prompt.name, dict(zip(names, typed, strict=False)))
                assert "<command-args>" in str(filled.messages[0].content)

    assert [(prompt.arguments or [])[-1].name for prompt in listed] == ["problem", "question"]


@pytest.mark.parametrize(
    ("ref", "name", "words"),
    [
        (types.PromptReference(name="nope"), "service_id", "The prompts are: diagnose_deployment, compare_lora."),
        (types.ResourceTemplateReference(uri="alaya://nope/{service_id}"), "service_id", "{service_id}"),
        (types.ResourceTemplateReference(uri="file:///{service_id}"), "service_id", "The resource templates are: "),
        (COMPARE, "deployment", "service_id, models, question"),
        (TEMPLATE, "models", "The arguments of alaya://deployments/{service_id} are: service_id."),
        (types.PromptReference(name="diagnose_deployment"), "models", "service_id, problem"),
    ],
)
async def test_what_cannot_be_completed_is_invalid_params_and_nothing_is_looked_up(
    era: Era,
    ref: Any,  # noqa: ANN401 either kind of reference
    name: str,
    words: str,
) -> None:
    async with Upstream() as upstream:
        registry = Registry(upstream, row(1))
        async with connected(upstream.settings(), era) as client:
            with pytest.raises(MCPError) as raised:
                await client.complete(ref, {"name": name, "value": ""})

    assert raised.value.error.code == types.INVALID_PARAMS
    assert words in raised.value.error.message
    assert registry.pages == []


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("nope", {}, "diagnose_deployment, compare_lora"),
        ("compare_loras", {}, "Did you mean compare_lora?"),
        ("compare_lora", {"question": "x", "deployment": "y"}, "service_id, models, question"),
        ("compare_lora", {"question": "x" * 20_001}, "at most 20000"),
    ],
)
async def test_a_prompt_that_cannot_be_filled_in_is_an_error_that_says_why(
    era: Era, name: str, arguments: dict[str, str], words: str
) -> None:
    async with connected(UNCONFIGURED, era) as client:
        with pytest.raises(MCPError) as raised:
            await client.get_prompt(name, arguments)

    assert raised.value.error.code == types.INVALID_PARAMS
    assert words in raised.value.error.message


async def test_completions_at_once_share_one_walk(era: Era) -> None:
    async with Upstream() as upstream:
        registry = Registry(upstream, *(row(number) for number in range(250)))
        async with connected(upstream.settings(), era) as client, anyio.create_task_group() as tasks:
            for _ in range(10):
                tasks.start_soon(client.complete, TEMPLATE, {"name": "service_id", "value": "n"})

    assert len(registry.pages) == 3
