"""list_lora_models with verify: who reports each adapter, the control plane, the engine or both."""

from typing import Any

import pytest

from alaya_mcp.sandbox import Sandbox
from tests.calls import ERAS, Era, call, content_of, error_of, over, text_of
from tests.upstream import Exchange, Request, Upstream, in_turn, replies, says

pytestmark = [pytest.mark.anyio, pytest.mark.quick]

TOOL = "list_lora_models"


def models(*adapters: str, base: tuple[str, ...] = ("base", "base-alias"), owner: str = "vllm") -> dict[str, Any]:
    """The engine's own list."""
    rows = [{"id": name, "owned_by": owner, "parent": None} for name in base]
    return {"data": rows + [{"id": name, "owned_by": owner, "parent": "base"} for name in adapters]}


def reported(content: dict[str, Any]) -> dict[str, str]:
    return {row["name"]: row["reported_by"] for row in content["lora_models"]}


@pytest.mark.parametrize("era", ERAS)
async def test_both_sides_are_told_in_both_forms(era: Era) -> None:
    async with Upstream(models=says(200, models("lora1"))) as upstream:
        result = await call(upstream.settings(), TOOL, era, verify=True)

    content = content_of(result)
    assert reported(content) == {"lora1": "both"}
    assert "The control plane and the engine agree about the adapters." in content["summary"]
    assert "reported by the control plane and the engine" in text_of(result)
    assert content["summary"] in text_of(result)


async def test_without_verify_the_engine_is_not_asked() -> None:
    async with Upstream(models=says(200, models("lora1"))) as upstream:
        content = content_of(await call(upstream.settings(), TOOL))

        assert upstream.asked("/v1/models") == []
    assert "reported_by" not in content["lora_models"][0]


async def test_a_hot_loaded_adapter_is_found_and_one_that_is_gone_is_told() -> None:
    async with Upstream(models=says(200, models("fresh"))) as upstream:
        result = await call(upstream.settings(), TOOL, verify=True)

    content = content_of(result)
    assert reported(content) == {"lora1": "control_plane", "fresh": "engine"}
    assert content["lora_models"][1] == {"name": "fresh", "model": "fresh", "available": "all", "reported_by": "engine"}
    assert (
        "The engine disagrees: the engine also serves fresh, which the control plane does not list;"
        in content["summary"]
    )
    assert "it does not list lora1" in content["summary"]
    assert "reported by the engine only" in text_of(result)
    assert "reported by the control plane only" in text_of(result)


async def test_each_ready_instance_is_given_a_turn() -> None:
    instances = [{"baseModelReady": True, "loraModels": ["a"]}, {"baseModelReady": True, "loraModels": ["a", "b"]}]
    answers = in_turn(says(200, models("a")), says(200, models("a", "b", "c")))
    async with Upstream(models=answers, deployment={"instance": instances}) as upstream:
        content = content_of(await call(upstream.settings(), TOOL, verify=True))

        assert len(upstream.asked("/v1/models")) == 2
    assert reported(content) == {"a": "both", "b": "both", "c": "engine"}
    assert content["lora_models"][2]["available"] == "some"


async def test_of_very_many_instances_no_more_than_four_are_asked() -> None:
    instances = [{"baseModelReady": True, "loraModels": ["a"]}] * 9
    async with Upstream(models=says(200, models("b")), deployment={"instance": instances}) as upstream:
        content = content_of(await call(upstream.settings(), TOOL, verify=True))

        assert len(upstream.asked("/v1/models")) == 4
    assert "asked 4 times, perhaps not every instance" in content["summary"]


async def test_what_the_engine_tells_of_itself_makes_names_exact() -> None:
    deployment = {"quickStart": None, "servedName": None}
    async with Upstream(models=says(200, models("x", owner="sglang")), deployment=deployment) as upstream:
        content = content_of(await call(upstream.settings(), TOOL, verify=True))

    assert (content["engine"], content["base_models"]) == ("sglang", ["base", "base-alias"])
    assert [row["model"] for row in content["lora_models"]] == ["base:lora1", "base:x"]
    assert content["warnings"] == []


async def test_sglang_may_list_an_adapter_without_its_parent() -> None:
    listed = models(base=("base", "lora1"), owner="sglang")
    deployment = {"quickStart": {"backend": "sglang"}}
    async with Upstream(models=says(200, listed), deployment=deployment) as upstream:
        content = content_of(await call(upstream.settings(), TOOL, verify=True))

    assert reported(content) == {"lora1": "both"}


async def test_an_engine_without_adapters_agrees_with_none() -> None:
    deployment = {"instance": [{"baseModelReady": True}]}
    async with Upstream(models=says(200, models()), deployment=deployment) as upstream:
        content = content_of(await call(upstream.settings(), TOOL, verify=True))

    assert content["lora_models"] == []
    assert "The control plane and the engine agree about the adapters." in content["summary"]


async def test_a_lora_service_is_compared_by_its_own_names_alone() -> None:
    deployment = {"baseServiceId": "b", "servedName": "legal", "instance": None}
    async with Upstream(models=says(200, models("legal", "somebody-elses")), deployment=deployment) as upstream:
        upstream.deployment.pop("instance")
        content = content_of(await call(upstream.settings(), TOOL, verify=True))

    assert reported(content) == {"legal": "both"}


@pytest.mark.parametrize(
    ("models_answer", "words"),
    [
        (says(401, {}), "apikey"),
        (says(404, {}), "404"),
        (says(200, {"data": "base"}), "wrong shape"),
        (says(500, {"error": {"message": "planted"}}), "500"),
    ],
)
async def test_an_engine_that_cannot_be_asked_is_a_warning(models_answer: Any, words: str) -> None:  # noqa: ANN401 a handler
    async with Upstream(models=models_answer) as upstream:
        result = await call(upstream.settings(), TOOL, verify=True)

    content = content_of(result)
    assert content["lora_models"][0]["name"] == "lora1"
    assert "reported_by" not in content["lora_models"][0]
    assert content["warnings"][0].startswith("The engine's own list could not be read.")
    assert words in content["warnings"][0]
    assert content["warnings"][0] in text_of(result)


@pytest.mark.parametrize(
    "listed",
    [
        {"data": ["lora1", "base"]},
        {"data": [{"id": 7}, {"id": None}, {"name": ["base"]}, {}]},
        {"data": [[{"id": "base"}]]},
        {"data": [None, 3, True]},
        {"data": [{"id": "  "}, {"id": "\u200b"}]},
        {"data": []},
        {"data": None},
        {"data": {"id": "base"}},
        {"models": ["base"]},
        {"object": "list"},
        ["base"],
        [],
        "base",
        None,
    ],
    ids=lambda listed: repr(listed)[:40],
)
async def test_a_list_in_which_no_name_can_be_read_proves_nothing(listed: object) -> None:
    async with Upstream(models=says(200, listed)) as upstream:
        content = content_of(await call(upstream.settings(), TOOL, verify=True))

    assert [row["name"] for row in content["lora_models"]] == ["lora1"]
    assert "disagree" not in content["summary"]
    assert [warning for warning in content["warnings"] if "could not be read" in warning] == content["warnings"]


@pytest.mark.parametrize(
    "listed",
    [
        {"data": [{"id": "base"}, "lora1"]},
        {"data": [{"id": "base"}, {"id": 1}]},
        {"models": [{"name": "base", "model": "base"}]},
        {"models": [{"id": "base"}]},
        {"data": [{"id": "base"}], "has_more": True},
        [{"id": "base"}],
    ],
    ids=lambda listed: repr(listed)[:40],
)
async def test_a_list_that_can_be_read_in_part_proves_no_absence(listed: object) -> None:
    deployment = {"servedName": None}
    async with Upstream(models=says(200, listed), deployment=deployment) as upstream:
        content = content_of(await call(upstream.settings(), TOOL, verify=True))

    assert content["base_models"] == ["base"], "what can be read counts"
    assert reported(content) == {"lora1": "control_plane"}
    assert "does not list" not in content["summary"]
    assert "it may still serve lora1" in content["summary"]


async def test_a_deployment_that_is_not_ready_is_not_asked() -> None:
    async with Upstream(deployment={"status": "stopped"}) as upstream:
        content = content_of(await call(upstream.settings(), TOOL, verify=True))

        assert upstream.asked("/v1/models") == []
    assert "is stopped" in content["warnings"][0]


async def test_a_deployment_that_is_not_there_is_an_error() -> None:
    async def missing(_: Request, exchange: Exchange) -> None:
        await exchange.answer_json(404, {})

    async with Upstream(control=missing) as upstream:
        result = await call(upstream.settings(), TOOL, verify=True)

    assert error_of(result)["code"] == "deployment_not_found"


@pytest.mark.parametrize("fault", ["models-junk", "models-empty", "models-part", "models-bare", "models-ollama"])
async def test_an_odd_list_of_the_sandbox_calls_no_adapter_missing(fault: str) -> None:
    async with Sandbox(token_delay=0) as sandbox:
        content = content_of(await call(over(sandbox), TOOL, service_id=f"fault-{fault}", verify=True))

    assert [row["name"] for row in content["lora_models"]] == ["support-zh"]
    assert "does not list" not in content["summary"]


async def test_the_sandbox_has_one_after_a_hot_load() -> None:
    async with Sandbox(token_delay=0) as sandbox:
        content = content_of(await call(over(sandbox), TOOL, service_id="hot-load", verify=True))
        fresh = await call(over(sandbox), "chat_with_deployment", service_id="hot-load", model="fresh-zh", prompt="x")

    assert reported(content) == {"kept-zh": "both", "gone-zh": "control_plane", "fresh-zh": "engine"}
    assert content_of(fresh)["served_by"] == "fresh-zh"


async def test_what_sglang_lists_without_a_parent_beside_its_one_name_is_an_adapter() -> None:
    listed = models(base=("base", "lora1", "hot"), owner="sglang")
    deployment = {"quickStart": {"backend": "sglang"}, "servedName": "base"}
    chat = replies("hello", model="base:hot")
    async with Upstream(chat=chat, models=says(200, listed), deployment=deployment) as upstream:
        content = content_of(await call(upstream.settings(), TOOL, verify=True))
        await call(upstream.settings(), "chat_with_deployment", prompt="x", model="hot")

        assert upstream.chats[0].json["model"] == "base:hot"
    assert reported(content) == {"lora1": "both", "hot": "engine"}
    assert content["base_models"] == ["base"]


async def test_what_came_before_a_failure_counts() -> None:
    instances = [{"baseModelReady": True, "loraModels": ["a"]}] * 2
    answers = in_turn(says(200, models("a", "b")), says(500, {}))
    async with Upstream(models=answers, deployment={"instance": instances}) as upstream:
        content = content_of(await call(upstream.settings(), TOOL, verify=True))

    assert reported(content) == {"a": "both", "b": "engine"}


async def test_a_known_adapter_that_is_listed_without_its_parent_is_no_base_model() -> None:
    async with Upstream(models=says(200, models(base=("base", "lora1")))) as upstream:
        content = content_of(await call(upstream.settings(), TOOL, verify=True))

    assert content["base_models"] == ["base", "base-alias"]
    assert reported(content) == {"lora1": "both"}


async def test_a_base_model_under_another_name_at_the_engine_is_told() -> None:
    async with Upstream(models=says(200, models("lora1", base=("renamed",)))) as upstream:
        summary = content_of(await call(upstream.settings(), TOOL, verify=True))["summary"]

    assert "the engine lists renamed where the control plane reports base" in summary
