"""get_deployment and list_lora_models over the sandbox's real sockets, in both eras and both forms."""

import json

import pytest

from alaya_mcp.sandbox import Sandbox
from tests.calls import ERAS, Era, call, connected, content_of, over, text_of
from tests.upstream import Upstream

pytestmark = [pytest.mark.anyio, pytest.mark.quick]


@pytest.mark.parametrize("era", ERAS)
async def test_the_default_deployment_is_described_in_both_forms(era: Era) -> None:
    async with Sandbox() as sandbox:
        result = await call(over(sandbox), "get_deployment", era)

    content = content_of(result)
    assert content["service_id"] == "sandbox-qwen3"
    assert (content["kind"], content["status"], content["ready"]) == ("base", "running", True)
    assert content["models"] == ["qwen3-8b", "qwen3-8b-chat", "support-zh", "sql-writer"]
    assert content["lora_models"] == ["support-zh", "sql-writer"]
    assert content["engine"] == "vllm"
    assert content["total_gpus"] == 2
    text = text_of(result)
    assert text.startswith(content["summary"])
    assert all(word in text for word in [*content["models"], content["endpoint"], "sandbox-qwen3"])
    assert "null" not in json.dumps(content)


async def test_every_deployment_of_the_sandbox_can_be_read_by_both_tools() -> None:
    async with Sandbox() as sandbox, connected(over(sandbox)) as client:
        for service_id in sandbox.service_ids:
            read = content_of(await client.call_tool("get_deployment", {"service_id": service_id}))
            listed = content_of(await client.call_tool("list_lora_models", {"service_id": service_id}))

            assert read["service_id"] == listed["service_id"] == service_id
            assert read["status"] == listed["status"] != "unknown"
            assert [row["name"] for row in listed["lora_models"]] == read["lora_models"]


@pytest.mark.parametrize(
    ("service_id", "status", "ready"),
    [
        ("sandbox-qwen3", "running", True),
        ("sandbox-starting", "starting", False),
        ("sandbox-stopping", "stopping", False),
        ("sandbox-stopped", "stopped", False),
        ("sandbox-failed", "failed", False),
        ("sandbox-loading", "running", False),
        ("sandbox-lora-service", "running", True),
    ],
)
async def test_each_state_is_normalised_and_says_what_to_do(service_id: str, status: str, ready: bool) -> None:
    async with Sandbox() as sandbox:
        content = content_of(await call(over(sandbox), "get_deployment", service_id=service_id))

    assert (content["status"], content["ready"]) == (status, ready)
    assert ready or len(content["summary"].split(". ")) > 1


async def test_a_starting_deployment_becomes_ready() -> None:
    async with Sandbox(starting_seconds=0) as sandbox, connected(over(sandbox)) as client:
        states = [
            content_of(await client.call_tool("get_deployment", {"service_id": "sandbox-starting"}))["ready"]
            for _ in range(2)
        ]

    assert states == [False, True]


async def test_an_adapter_on_some_instances_is_told_so() -> None:
    async with Sandbox() as sandbox:
        result = await call(over(sandbox), "list_lora_models", service_id="sandbox-lora-partial")

    rows = {row["name"]: row for row in content_of(result)["lora_models"]}
    assert (rows["tone-formal"]["ready_on"], rows["tone-formal"]["instances"]) == (1, 2)
    assert rows["tone-formal"]["available"] == "some"
    assert rows["tone-casual"]["available"] == "all"
    assert "tone-formal: model=tone-formal, available: some, ready on 1 of 2 instances" in text_of(result)


async def test_sglang_adapters_carry_the_base_name() -> None:
    async with Sandbox() as sandbox:
        content = content_of(await call(over(sandbox), "list_lora_models", service_id="sandbox-sglang"))

    assert content["engine"] == "sglang"
    assert content["lora_models"][0]["model"] == "qwen2.5-7b:poet"


async def test_a_lora_service_tells_its_own_names_and_its_base() -> None:
    async with Sandbox() as sandbox:
        result = await call(over(sandbox), "list_lora_models", service_id="sandbox-lora-service")

    content = content_of(result)
    assert content["base_service_id"] == "sandbox-qwen3"
    assert content["lora_models"] == [{"name": "legal-zh", "model": "legal-zh", "available": "all"}]
    assert "base_service_id: sandbox-qwen3" in text_of(result)


async def test_an_empty_list_says_why() -> None:
    async with Upstream(deployment={"instance": [{"baseModelReady": True}]}) as upstream:
        content = content_of(await call(upstream.settings(), "list_lora_models"))

    assert content["lora_models"] == []
    assert "No LoRA adapter is loaded" in content["summary"]


async def test_an_expert_deployment_shows_how_it_was_launched_without_a_secret() -> None:
    async with Sandbox() as sandbox:
        result = await call(over(sandbox), "get_deployment", service_id="sandbox-expert")

    head = content_of(result)["expert"]["head"]
    assert head["program"] == "/bin/sh"
    assert "--tensor-parallel-size=8" in head["flags"]
    assert "--api-key" in head["flags"]
    assert head["private_registry"] is True
    assert head["env_names"]
    assert "--tensor-parallel-size=8" in text_of(result)


async def test_a_host_name_that_cannot_be_resolved_is_named() -> None:
    async with Upstream() as upstream:
        error = text_of(await call(upstream.settings(ALAYA_BASE_URL="https://api.invalid/v1"), "get_deployment"))

    assert "The host name of Alaya's control plane, api.invalid, could not be resolved." in error
    assert error.endswith("check the host name in ALAYA_BASE_URL, and this machine's DNS or proxy.")
