"""The catalogue of faults, and the deployments that show them."""

import pytest

from alaya_mcp.sandbox import CATALOGUE, FAULTS, Sandbox
from tests.sandbox import test_faults_answers, test_faults_connections, test_faults_control, test_faults_gateways
from tests.sandbox.caller import Caller, body_of

pytestmark = pytest.mark.anyio

NAMES = [name for name, _ in FAULTS]


def test_every_fault_is_held_to_a_claim_and_nothing_else_is() -> None:
    modules = test_faults_answers, test_faults_connections, test_faults_control, test_faults_gateways
    claimed = set[str]().union(*(module.COVERED for module in modules))
    assert claimed == set(NAMES)


def test_every_fault_has_a_name_of_its_own_and_a_line_about_it() -> None:
    assert len(set(NAMES)) == len(NAMES)
    assert all(summary and "\n" not in summary and len(summary) < 100 for _, summary in FAULTS)


async def test_every_fault_that_shows_a_detail_is_a_running_deployment_with_models(caller: Caller) -> None:
    for name in NAMES:
        if not name.startswith("control-"):
            detail = await caller.detail(f"fault-{name}")
            assert (detail["status"], detail["instance"][0]["baseModelReady"]) == ("running", True)
            models = body_of(await caller.engine("v1/models", f"fault-{name}"))
            engine = "sglang" if "sglang" in name or name == "abort" else "vllm"
            if name not in test_faults_control.MODELS:
                assert {each["owned_by"] for each in models["data"]} == {engine}


async def test_the_deployments_that_show_faults_are_not_listed(caller: Caller) -> None:
    rows = body_of(await caller.control("deployment/list?size=100"))["data"]["rows"]
    assert {row["serviceId"] for row in rows} == set(caller.sandbox.service_ids) == {each for each, _ in CATALOGUE}
    assert (await caller.control("deployment/fault-nonsense")).status_code == 404


def test_an_unknown_fault_is_refused_with_near_names() -> None:
    with pytest.raises(ValueError, match=r"no fault 'rate-limit'.*rate-limited"):
        Sandbox(fault="rate-limit")
    with pytest.raises(ValueError, match="--faults` lists them all"):
        Sandbox(fault="?")
