"""Which string reaches which model."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alaya_mcp.deployment.model_names import Model, Names, deployment_names, not_served, served_by_surprise
from alaya_mcp.deployment.wire import Deployment, parse_deployment
from alaya_mcp.results import Engine
from alaya_mcp.serving.errors import told

VLLM = Names("vllm", ("base", "alias"), ("lora1", "lora2"))
SGLANG = Names("sglang", ("base", "alias"), ("lora1", "lora2"))
UNKNOWN = Names("unknown", ("base", "alias"), ("lora1", "lora2"))


def deployment(**fields: object) -> Deployment:
    return parse_deployment(json.dumps({"code": 0, "data": {"serviceId": "s", **fields}}).encode())


def instances(*adapters: list[str]) -> list[object]:
    return [{"instanceId": str(at), "baseModelReady": True, "loraModels": names} for at, names in enumerate(adapters)]


@pytest.mark.parametrize(
    ("names", "models"),
    [
        pytest.param(VLLM, ("base", "alias", "lora1", "lora2"), id="vLLM takes bare names"),
        pytest.param(SGLANG, ("base", "alias", "base:lora1", "base:lora2"), id="SGLang takes base:adapter"),
        pytest.param(UNKNOWN, ("base", "alias", "lora1", "lora2"), id="unknown engine: bare names"),
        pytest.param(Names("sglang", (), ("lora1",)), ("lora1",), id="SGLang without a base name"),
        pytest.param(Names("vllm", ("base", "base"), ("base",)), ("base",), id="each once"),
        pytest.param(Names("vllm", (), ()), (), id="none"),
    ],
)
def test_models_are_base_names_then_adapters_in_their_exact_form(names: Names, models: tuple[str, ...]) -> None:
    assert names.models == models


@pytest.mark.parametrize(
    ("names", "wanted", "found"),
    [
        pytest.param(VLLM, "base", Model("base", "base"), id="base"),
        pytest.param(VLLM, "alias", Model("alias", "alias"), id="alias"),
        pytest.param(VLLM, "lora2", Model("lora2", "lora2", "lora2"), id="vLLM adapter"),
        pytest.param(VLLM, "base:lora1", None, id="vLLM knows no base:adapter"),
        pytest.param(SGLANG, "lora1", Model("lora1", "base:lora1", "lora1"), id="SGLang, bare adapter translated"),
        pytest.param(SGLANG, "base:lora1", Model("base:lora1", "base:lora1", "lora1"), id="SGLang, exact adapter"),
        pytest.param(SGLANG, "base:lora9", None, id="SGLang, unknown adapter"),
        pytest.param(SGLANG, "alias", Model("alias", "alias"), id="SGLang alias"),
        pytest.param(UNKNOWN, "lora1", Model("lora1", "lora1", "lora1"), id="unknown engine"),
        pytest.param(VLLM, "LORA1", None, id="case matters"),
        pytest.param(VLLM, "", None, id="empty"),
        pytest.param(Names("vllm", (), ()), "base", None, id="no names"),
    ],
)
def test_a_name_is_found_exactly_or_as_a_bare_adapter(names: Names, wanted: str, found: Model | None) -> None:
    assert names.find(wanted) == found


@pytest.mark.parametrize("engine", ["vllm", "sglang", "unknown"])
def test_every_listed_model_is_found_and_sent_as_listed(engine: Engine) -> None:
    names = Names(engine, ("base", "alias"), ("lora1", "lora2"))
    sent = [model.sent for listed in names.models if (model := names.find(listed))]
    assert tuple(sent) == names.models


@pytest.mark.parametrize(
    ("names", "default"),
    [
        pytest.param(SGLANG, Model("base", "base"), id="first base name"),
        pytest.param(
            Names("vllm", (), ("own",), is_lora_service=True),
            Model("own", "own", "own"),
            id="LoRA service: its own name",
        ),
        pytest.param(Names("vllm", (), ("own",)), None, id="an adapter alone is no default"),
        pytest.param(Names("vllm", (), ()), None, id="no names"),
    ],
)
def test_the_default_is_the_first_base_name(names: Names, default: Model | None) -> None:
    assert names.default() == default


@pytest.mark.parametrize(
    ("fields", "names"),
    [
        pytest.param(
            {
                "servedName": ["base", "alias"],
                "instance": instances(["b", "a"], ["a", "c"]),
                "quickStart": {"backend": "vLLM"},
            },
            Names("vllm", ("base", "alias"), ("b", "a", "c")),
            id="adapters over all instances, first seen first",
        ),
        pytest.param(
            {"servedName": "base", "quickStart": {"backend": "sglang"}}, Names("sglang", ("base",), ()), id="text"
        ),
        pytest.param(
            {"servedName": ["base"], "instance": instances(["base", "a"])},
            Names("unknown", ("base",), ("a",)),
            id="a base name among the adapters is no adapter",
        ),
        pytest.param(
            {"servedName": "own", "baseServiceId": "b", "instance": instances(["other"])},
            Names("unknown", (), ("own",), is_lora_service=True),
            id="a LoRA service's names are its adapters",
        ),
        pytest.param(
            {"baseServiceId": "b", "instance": instances(["x"])},
            Names("unknown", (), ("x",), is_lora_service=True),
            id="nameless LoRA",
        ),
        pytest.param({"status": "running"}, Names("unknown", (), ()), id="nothing told"),
    ],
)
def test_the_control_plane_tells_names(fields: dict[str, object], names: Names) -> None:
    assert deployment_names(deployment(**fields)) == names


ASKED_BASE = Model("base", "base")
ASKED_ALIAS = Model("alias", "alias")
ASKED_VLLM = Model("lora1", "lora1", "lora1")
ASKED_SGLANG = Model("lora1", "base:lora1", "lora1")
NO_NAMES = Names("unknown", (), ())


@pytest.mark.parametrize(
    ("model", "served_by", "names", "warns"),
    [
        pytest.param(ASKED_BASE, "base", VLLM, False, id="base by base"),
        pytest.param(ASKED_ALIAS, "base", VLLM, False, id="alias by the primary name"),
        pytest.param(ASKED_BASE, "alias", VLLM, False, id="base by an alias"),
        pytest.param(ASKED_BASE, None, VLLM, False, id="engine says nothing"),
        pytest.param(ASKED_BASE, "stranger", VLLM, True, id="base by a name that is none of its"),
        pytest.param(ASKED_ALIAS, "stranger", SGLANG, True, id="alias by a name that is none of its"),
        pytest.param(ASKED_VLLM, "lora1", VLLM, False, id="LoRA by itself"),
        pytest.param(ASKED_VLLM, "base", VLLM, True, id="LoRA by the base"),
        pytest.param(ASKED_VLLM, "alias", VLLM, True, id="LoRA by an alias of the base"),
        pytest.param(ASKED_VLLM, "lora2", VLLM, True, id="LoRA by another LoRA"),
        pytest.param(ASKED_VLLM, None, VLLM, False, id="LoRA, engine says nothing"),
        pytest.param(ASKED_SGLANG, "base:lora1", SGLANG, False, id="SGLang LoRA by its exact name"),
        pytest.param(ASKED_SGLANG, "lora1", SGLANG, False, id="SGLang LoRA by its bare name"),
        pytest.param(ASKED_SGLANG, "base", SGLANG, True, id="SGLang LoRA by the base"),
        pytest.param(Model("x", "x"), "y", NO_NAMES, False, id="no names known"),
    ],
)
def test_another_name_that_answers_is_a_surprise_or_not(
    model: Model, served_by: str | None, names: Names, *, warns: bool
) -> None:
    warning = served_by_surprise(model, served_by, names)
    assert (warning is not None) == warns


@pytest.mark.parametrize(
    ("wanted", "served", "first"),
    [
        pytest.param("lora-1", ["base", "alias", "lora1"], "lora1", id="misspelt"),
        pytest.param("LORA1", ["base", "alias", "lora1"], "lora1", id="wrong case"),
        pytest.param("base:lora1", ["base", "alias", "lora1"], "lora1", id="SGLang's form asked of vLLM"),
        pytest.param("7b", ["alias", "Qwen2.5-7b-Instruct"], "Qwen2.5-7b-Instruct", id="a part of a name"),
        pytest.param("zzz", ["base", "alias"], "base", id="nothing alike: as told"),
    ],
)
def test_the_candidates_for_a_name_that_is_not_served_come_nearest_first(
    wanted: str, served: list[str], first: str
) -> None:
    error = not_served(wanted, served, "qwen")
    assert error.candidates[0] == first
    assert sorted(error.candidates) == sorted(served)
    assert error.code == "model_not_served"
    assert not error.retryable
    assert first in told(error)


def test_a_deployment_without_names_says_so() -> None:
    error = not_served("x", [], "qwen")
    assert error.candidates == ()
    assert "no names" in told(error)


@given(st.text(max_size=8), st.lists(st.text(min_size=1, max_size=8), max_size=30))
@settings(max_examples=150, deadline=None)
def test_candidates_are_served_names_each_once(wanted: str, served: list[str]) -> None:
    candidates = not_served(wanted, served, "qwen").candidates
    assert set(candidates) <= set(served)
    assert len(candidates) == min(20, len(set(served)))
