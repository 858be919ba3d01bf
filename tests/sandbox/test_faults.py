"""The catalogue of faults, and the deployments that show them."""

import re
from collections import Counter
from pathlib import Path

import pytest

from alaya_mcp.sandbox import CATALOGUE, FAULTS, Sandbox
from alaya_mcp.sandbox.faults.fault import Fault
from alaya_mcp.sandbox.faults.registry import KINDS, REGISTRY
from tests.sandbox import test_faults_answers, test_faults_connections, test_faults_control, test_faults_gateways
from tests.sandbox.caller import Caller, body_of

pytestmark = pytest.mark.anyio

PAGE = (Path(__file__).parents[2] / "docs" / "faults.md").read_text(encoding="utf-8")
NAMES = [name for name, _ in FAULTS]


def test_every_fault_is_held_to_a_claim_and_nothing_else_is() -> None:
    modules = test_faults_answers, test_faults_connections, test_faults_control, test_faults_gateways
    claimed = set[str]().union(*(module.COVERED for module in modules))
    assert claimed == set(NAMES)


def test_every_fault_has_a_name_of_its_own_and_a_line_about_it() -> None:
    declared = [fault.name for kind in KINDS for fault in kind]
    assert [name for name, times in Counter(declared).items() if times > 1] == []
    assert declared == NAMES
    assert all(summary and "\n" not in summary and len(summary) < 100 for _, summary in FAULTS)


@pytest.mark.parametrize("fault", REGISTRY.values(), ids=NAMES)
def test_every_fault_shows_somewhere(fault: Fault) -> None:
    handlers = ("chat", "control", "report", "page", "models", "accepts")
    plain = Fault("plain", "shows nowhere")
    assert [name for name in handlers if getattr(fault, name) is not getattr(plain, name)]


def test_a_new_fault_is_one_entry_in_the_registry_and_one_row_on_the_page() -> None:
    rows = [line.split("|")[1] for line in PAGE.splitlines() if line.startswith("| `")]
    told = {name for row in rows for name in re.findall(r"`([^`]+)`", row)}
    assert set(NAMES) - told == set(), "in the registry; a row in docs/faults.md is missing"
    assert told - set(NAMES) == set(), "in docs/faults.md; an entry in alaya_mcp/sandbox/faults is missing"


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
