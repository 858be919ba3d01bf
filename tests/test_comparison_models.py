"""Which models a comparison asks: those that are named, or the base model and every adapter that is available."""

from typing import Any

import pytest

from alaya_mcp.accounts import open_account
from alaya_mcp.comparison.models import compared_models
from alaya_mcp.deadline import Deadline
from alaya_mcp.errors import AlayaError, DeploymentNotReady, ModelNotServed
from alaya_mcp.serving.errors import error_text
from tests.upstream import SERVICE, Exchange, Handler, Request, Upstream, says

pytestmark = pytest.mark.anyio

BUDGET = 50.0
SGLANG = {"quickStart": {"backend": "sglang"}}
UNKNOWN_ENGINE = {"mode": "expert", "quickStart": None}
LORA_SERVICE = {"baseServiceId": "svc-0", "servedName": ["own-zh", "own-en"]}


def instance(*adapters: str, ready: bool = True) -> dict[str, Any]:
    """One instance that holds adapters."""
    return {"instanceId": "0", "loraModels": list(adapters), "baseModelReady": ready}


def lists(*base: str, adapters: tuple[str, ...] = (), owner: str = "vllm") -> Handler:
    """An engine that lists models, the adapters with their parent."""
    rows = [{"id": name, "owned_by": owner} for name in base]
    rows += [{"id": name, "owned_by": owner, "parent": base[0]} for name in adapters]
    return says(200, {"object": "list", "data": rows})


async def hangs(_: Request, exchange: Exchange) -> None:
    """Accept and say nothing."""
    await exchange.hang()


async def compared(upstream: Upstream, *asked: str) -> list[tuple[str, str]]:
    """The models with their kinds, as they are compared."""
    async with open_account(upstream.settings(), environ={}) as account:
        deadline = Deadline.after(BUDGET)
        service_id, deployment = await account.names.find(SERVICE, deadline, account.cache.fresh)
        models = await compared_models(account, service_id, deployment, asked, deadline)
    assert not upstream.chats
    return [(model.name, model.kind) for model in models]


async def refused(upstream: Upstream, *asked: str) -> AlayaError:
    """Why nothing is compared."""
    with pytest.raises(AlayaError) as raised:
        await compared(upstream, *asked)
    assert raised.value.is_compared
    return raised.value


async def test_by_default_the_base_model_and_every_adapter_that_can_answer_are_compared() -> None:
    held = [instance("all-zh", "some-zh"), instance("all-zh"), instance("unready-zh", ready=False)]
    async with Upstream(deployment={"instance": held}, models=lists("base")) as upstream:
        assert await compared(upstream) == [("base", "base"), ("all-zh", "lora"), ("some-zh", "lora")]


async def test_adapters_that_only_the_engine_lists_are_compared_too() -> None:
    held = [instance("lora1"), instance("late-zh", ready=False)]
    engine = lists("base", adapters=("hot", "late-zh", "lora1"))
    async with Upstream(deployment={"instance": held}, models=engine) as upstream:
        found = await compared(upstream)

    assert found == [("base", "base"), ("lora1", "lora"), ("late-zh", "lora"), ("hot", "lora")]


async def test_an_adapter_that_the_engine_dropped_is_not_compared_by_default() -> None:
    held = [instance("kept-zh", "gone-zh", "some-zh"), instance("kept-zh", "gone-zh")]
    async with Upstream(deployment={"instance": held}, models=lists("base", adapters=("kept-zh",))) as upstream:
        assert await compared(upstream) == [("base", "base"), ("kept-zh", "lora"), ("some-zh", "lora")]


@pytest.mark.quick
@pytest.mark.parametrize(
    "models", [None, says(500, {}), says(200, "<html>"), hangs], ids=["404", "500", "odd", "hangs"]
)
async def test_the_control_plane_is_enough_where_the_engine_lists_nothing(models: Handler | None) -> None:
    async with Upstream(models=models) as upstream:
        assert await compared(upstream) == [("base", "base"), ("lora1", "lora")]


async def test_named_models_come_in_the_order_in_which_they_were_named_and_once() -> None:
    async with Upstream(models=lists("base", adapters=("hot",))) as upstream:
        found = await compared(upstream, "hot", "lora1", "base-alias", "hot", "base")

    assert found == [("hot", "lora"), ("lora1", "lora"), ("base-alias", "base"), ("base", "base")]


async def test_base_is_the_base_model_whatever_its_name_is() -> None:
    async with Upstream(deployment={"servedName": ["qwen3-8b"]}) as upstream:
        assert await compared(upstream, "lora1", "base") == [("lora1", "lora"), ("qwen3-8b", "base")]
        assert await compared(upstream, "base", "qwen3-8b") == [("qwen3-8b", "base")]


async def test_an_adapter_that_is_called_base_is_no_base_model() -> None:
    called_base = {"servedName": ["qwen3-8b"], "instance": [instance("base", "lora1")]}
    async with Upstream(deployment=called_base) as upstream:
        assert await compared(upstream, "base") == [("base", "lora")]
        assert await compared(upstream) == [("qwen3-8b", "base"), ("base", "lora"), ("lora1", "lora")]
    async with Upstream(deployment={"servedName": ["qwen3-8b"]}, models=lists("qwen3-8b", adapters=("base",))) as other:
        assert await compared(other) == [("qwen3-8b", "base"), ("base", "lora")]


async def test_an_adapter_with_the_name_of_the_base_model_is_the_base_model() -> None:
    async with Upstream(deployment={"instance": [instance("base", "lora1")]}) as upstream:
        assert await compared(upstream) == [("base", "base"), ("lora1", "lora")]


async def test_adapters_of_sglang_come_in_its_form() -> None:
    async with Upstream(deployment=SGLANG) as upstream:
        assert await compared(upstream) == [("base", "base"), ("base:lora1", "lora")]
        assert await compared(upstream, "lora1", "base:lora1") == [("base:lora1", "lora")]


async def test_an_engine_that_the_control_plane_does_not_report_is_asked_for_the_form() -> None:
    engine = lists("base", "lora1", owner="sglang")
    async with Upstream(deployment=UNKNOWN_ENGINE, models=engine) as upstream:
        assert await compared(upstream, "lora1") == [("base:lora1", "lora")]
    async with Upstream(deployment=UNKNOWN_ENGINE) as upstream:
        assert await compared(upstream) == [("base", "base"), ("lora1", "lora")]


async def test_a_lora_service_is_compared_by_its_own_names_only() -> None:
    engine = lists("qwen3-8b", adapters=("own-zh", "own-en", "of-others"))
    async with Upstream(deployment=LORA_SERVICE, models=engine) as upstream:
        del upstream.deployment["instance"]
        assert await compared(upstream) == [("own-zh", "lora"), ("own-en", "lora")]
        assert await compared(upstream, "qwen3-8b", "own-en") == [("qwen3-8b", "base"), ("own-en", "lora")]
        error = await refused(upstream, "base")

    assert isinstance(error, ModelNotServed)
    assert "own-zh" in error.candidates


async def test_a_deployment_that_reports_no_names_is_asked_itself() -> None:
    async with Upstream(deployment={"servedName": [], "instance": [instance()]}, models=lists("own")) as upstream:
        assert await compared(upstream) == [("own", "base")]
    async with Upstream(deployment={"servedName": [], "instance": [instance()]}) as upstream:
        assert (await refused(upstream)).cause == "no_model_known"


async def test_an_unknown_name_is_refused_with_the_nearest() -> None:
    async with Upstream(models=lists("base", adapters=("lora1",))) as upstream:
        error = await refused(upstream, "base", "lora2")

    assert isinstance(error, ModelNotServed)
    assert error.near == "lora1"
    assert 'Did you mean "lora1"?' in error_text(error)
    assert error_text(error).endswith("or leave models out for the base model and every available adapter.")


@pytest.mark.quick
async def test_names_that_cannot_be_looked_up_are_sent_as_they_are_after_one_wait_for_the_engine() -> None:
    async with Upstream(models=hangs) as upstream, open_account(upstream.settings(), environ={}) as account:
        deadline = Deadline.after(BUDGET)
        service_id, deployment = await account.names.find(SERVICE, deadline, account.cache.fresh)
        names = (*(f"unknown{number}" for number in range(6)), "lora1", "base")
        models = await compared_models(account, service_id, deployment, names, deadline)
        left = deadline.remaining()

    assert [model.kind for model in models] == [*["lora"] * 7, "base"]
    assert left > BUDGET / 2


@pytest.mark.quick
async def test_the_name_of_an_adapter_of_sglang_without_its_base_is_still_an_adapters() -> None:
    async with Upstream(deployment={**SGLANG, "servedName": []}, models=says(500, {})) as upstream:
        assert await compared(upstream, "lora1") == [("lora1", "lora")]


@pytest.mark.parametrize(
    ("state", "retryable"),
    [({"status": "stopped"}, False), ({"instance": [instance(ready=False)]}, True)],
    ids=["stopped", "loading"],
)
async def test_a_deployment_that_is_not_ready_is_not_asked(state: dict[str, Any], retryable: bool) -> None:
    async with Upstream(deployment=state) as upstream:
        error = await refused(upstream, "lora1")

    assert isinstance(error, DeploymentNotReady)
    assert error.retryable is retryable
    assert not retryable or "get_deployment, which takes wait_seconds" in error_text(error)
    assert not upstream.asked("/v1/models")
