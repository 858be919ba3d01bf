"""What agents see of a deployment: every field of the contract, and no secret."""

import copy
import json
from typing import Any

import pytest

from alaya_mcp.deployment.views import deployment_result, lora_list_result
from alaya_mcp.deployment.wire import Deployment, parse_deployment
from alaya_mcp.results import DeploymentResult, LoraListResult
from alaya_mcp.serving.tools.text import deployment_text, lora_list_text

NODE: dict[str, Any] = {
    "image": "registry.example/vllm-openai:v0.9.1",
    "imagePullSecret": {"registry": "registry.example", "username": "PLANTEDuser", "password": "PLANTEDpassword"},
    "labels": {"team": "PLANTEDlabel"},
    "env": {"HF_TOKEN": "PLANTEDenv", "MODE": "x"},
    "cmd": ["vllm", "serve", "/models/m"],
    "args": ["--port", "3000", "--api-key", "PLANTEDarg", "--hf-token=PLANTEDtoken", "--enable-lora"],
    "resource": {"cpu": "8", "mem": 64, "gpu": {"gpuType": "H800", "count": "2"}},
    "pvcMounts": [{"pvcName": "pvc", "subPath": "sub", "containerPath": "/models", "readOnly": "true"}],
}
DATA: dict[str, Any] = {
    "serviceId": "s",
    "serviceUrl": "https://u:PLANTEDurl@h.example/x/?k=PLANTEDquery#PLANTEDfragment",
    "apikey": "PLANTEDkey",
    "status": "Running",
    "instance": [
        {"instanceId": "0", "baseModelReady": True, "loraModels": ["lora1", "lora2"]},
        {"instanceId": "1", "baseModelReady": "true", "loraModels": ["lora2"]},
        {"instanceId": 2, "baseModelReady": False, "loraModels": ["lora3"]},
    ],
    "vksId": "vks",
    "namespace": "ns",
    "name": "my service",
    "servedName": ["base", "alias"],
    "modelId": "model-1",
    "mode": "expert",
    "expert": {
        "headConfig": NODE,
        "workerConfig": {**NODE, "workers": "3", "imagePullSecret": {"registry": "", "username": "", "password": ""}},
        "scale": {"min": "1", "max": 4, "rpsValue": "2.5", "idleTime": "10m"},
    },
    "quickStart": None,
}
QUICK: dict[str, Any] = {
    "serviceId": "s",
    "status": "running",
    "servedName": "base",
    "mode": "quickStart",
    "instance": [{"instanceId": "0", "baseModelReady": True, "loraModels": ["lora1"]}],
    "quickStart": {
        "backend": "SGLang",
        "backendVersion": "0.4.6",
        "backenArgs": ["--tp-size", "2", "--api-key", "PLANTEDarg", "--log-level=PLANTEDvalue"],
        "resource": {"workers": "2", "cpu": 4, "mem": "16Gi", "gpu": {"gpuType": "H800", "count": 4}},
    },
    "expert": None,
}
LORA = {"serviceId": "s", "status": "running", "servedName": "own", "baseServiceId": "b"}


def parsed(data: dict[str, Any], **changes: object) -> Deployment:
    return parse_deployment(json.dumps({"code": "0", "data": {**data, **changes}}).encode())


def shown(data: dict[str, Any], **changes: object) -> DeploymentResult:
    return deployment_result(parsed(data, **changes), "s")


def listed(data: dict[str, Any], **changes: object) -> LoraListResult:
    return lora_list_result(parsed(data, **changes), "s")


EXPERT_NODE: dict[str, Any] = {
    "image": "registry.example/vllm-openai:v0.9.1",
    "program": "vllm",
    "flags": ["--port=3000", "--api-key", "--hf-token", "--enable-lora"],
    "env_names": ["HF_TOKEN", "MODE"],
    "label_names": ["team"],
    "private_registry": True,
    "resources": {"cpu": 8, "memory": 64, "gpu_type": "H800", "gpu_count": 2},
    "volumes": [{"name": "pvc", "sub_path": "sub", "mount_path": "/models", "read_only": True}],
}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("service_id", "s"),
        ("name", "my service"),
        ("mode", "expert"),
        ("model_id", "model-1"),
        ("kind", "base"),
        ("status", "running"),
        ("status_raw", "Running"),
        ("ready", True),
        ("models", ["base", "alias", "lora1", "lora2", "lora3"]),
        ("lora_models", ["lora1", "lora2", "lora3"]),
        ("engine", "vllm"),
        ("endpoint", "https://h.example/x"),
        ("cluster", {"vks_id": "vks", "namespace": "ns"}),
        (
            "instances",
            [
                {"instance_id": "0", "base_model_ready": True, "lora_models": ["lora1", "lora2"]},
                {"instance_id": "1", "base_model_ready": True, "lora_models": ["lora2"]},
                {"instance_id": "2", "base_model_ready": False, "lora_models": ["lora3"]},
            ],
        ),
        ("expert", {"head": EXPERT_NODE, "worker": {**EXPERT_NODE, "private_registry": False, "replicas": 3}}),
        ("scale", {"min": 1, "max": 4, "rps_value": 2.5, "idle_time": "10m"}),
        ("total_gpus", 2 + 3 * 2),
        ("warnings", []),
    ],
)
def test_an_expert_deployment_shows_each_field_of_the_contract(field: str, value: object) -> None:
    assert shown(DATA).model_dump(exclude_none=True)[field] == value


def test_absent_fields_are_left_out() -> None:
    fields = shown(DATA).model_dump(exclude_none=True)
    assert not {"base_service_id", "quick_start"} & set(fields)
    bare = shown({"serviceId": "s"}).model_dump(exclude_none=True)
    always = {"service_id", "kind", "status", "ready", "summary", "models", "lora_models", "engine", "warnings"}
    assert set(bare) == always


def test_a_quick_start_deployment_shows_its_form() -> None:
    result = shown(QUICK)
    assert result.quick_start is not None
    assert result.quick_start.model_dump(exclude_none=True) == {
        "backend": "SGLang",
        "backend_version": "0.4.6",
        "flags": ["--tp-size=2", "--api-key", "--log-level"],
        "workers": 2,
        "resources": {"cpu": 4, "memory": "16Gi", "gpu_type": "H800", "gpu_count": 4},
    }
    assert (result.engine, result.total_gpus, result.expert) == ("sglang", 8, None)
    assert (result.models, result.lora_models) == (["base", "base:lora1"], ["lora1"])


def test_a_lora_service_shows_its_own_names() -> None:
    result = shown(LORA)
    assert (result.kind, result.base_service_id, result.ready, result.instances) == ("lora", "b", True, None)
    assert (result.models, result.lora_models) == (["own"], ["own"])
    assert any("instances" in warning for warning in result.warnings)


def test_a_service_that_is_lora_by_its_type_is_one_in_a_list_and_in_detail() -> None:
    by_type = {**{name: value for name, value in LORA.items() if name != "baseServiceId"}, "type": "LoRA"}
    result = shown(by_type)

    assert (result.kind, result.base_service_id, result.models) == ("lora", None, ["own"])
    assert "None" not in result.summary


def with_gpus(head: object, worker: object, workers: object) -> dict[str, Any]:
    def config(count: object) -> object:
        return None if count is None else {"resource": {"gpu": {"count": count}}, "workers": workers}

    return {"serviceId": "s", "expert": {"headConfig": config(head), "workerConfig": config(worker)}}


@pytest.mark.parametrize(
    ("data", "total"),
    [
        pytest.param(with_gpus(8, None, None), 8, id="head alone"),
        pytest.param(with_gpus(8, 4, "3"), 20, id="head and workers"),
        pytest.param(with_gpus("8", "4", 0), 8, id="no worker runs"),
        pytest.param(with_gpus(8, 4, None), 12, id="workers not told: one"),
        pytest.param(with_gpus(None, 4, 2), 8, id="workers alone"),
        pytest.param(with_gpus("required, int", 4, 2), None, id="a count that is no number"),
        pytest.param(with_gpus(None, None, None), None, id="nothing told"),
        pytest.param({"serviceId": "s", "quickStart": {"resource": {"gpu": {"count": 4}}}}, 4, id="form, one worker"),
        pytest.param({"serviceId": "s"}, None, id="no configuration"),
    ],
)
def test_the_gpus_of_one_running_copy_are_added_up(data: dict[str, Any], total: int | None) -> None:
    assert shown(data).total_gpus == total


READY = [{"instanceId": "0", "baseModelReady": True}]
UNREADY = [{"instanceId": "0", "baseModelReady": False}, {"instanceId": "1"}]


@pytest.mark.parametrize(
    ("changes", "ready"),
    [
        pytest.param({"status": "running", "instance": READY}, True, id="one instance ready"),
        pytest.param({"status": "running", "instance": UNREADY + READY}, True, id="one of several"),
        pytest.param({"status": "running", "instance": UNREADY}, False, id="no instance ready"),
        pytest.param({"status": "running", "instance": []}, False, id="no instance"),
        pytest.param({"status": "running", "instance": None}, False, id="null instances"),
        pytest.param({"status": "running"}, True, id="instances not told"),
        *(
            pytest.param({"status": status, "instance": READY}, False, id=status)
            for status in ("staring", "stoping", "stoped", "failed", "paused", "")
        ),
    ],
)
def test_ready_is_running_with_a_ready_instance(changes: dict[str, object], *, ready: bool) -> None:
    result = shown({"serviceId": "s", "serviceUrl": "https://h.example", "servedName": "base"}, **changes)
    assert result.ready == ready
    assert bool(result.warnings) == (ready and "instance" not in changes)
    assert result.summary
    if not ready:
        assert any(word in result.summary for word in ("Start", "starts", "Look", "helps once it is loaded"))


def rows(result: LoraListResult) -> list[dict[str, Any]]:
    return [row.model_dump(exclude_none=True) for row in result.lora_models]


def test_each_adapter_is_listed_with_its_spread() -> None:
    result = listed(DATA)
    assert (result.service_id, result.status, result.engine) == ("s", "running", "vllm")
    assert (result.base_models, result.warnings) == (["base", "alias"], [])
    assert rows(result) == [
        {"name": "lora1", "model": "lora1", "ready_on": 1, "instances": 3, "available": "some"},
        {"name": "lora2", "model": "lora2", "ready_on": 2, "instances": 3, "available": "all"},
        {"name": "lora3", "model": "lora3", "ready_on": 0, "instances": 3, "available": "none"},
    ]
    assert all(name in result.summary for name in ("lora1", "lora2", "lora3"))


def test_adapters_are_listed_as_the_engine_takes_them_and_an_unknown_engine_is_warned_of() -> None:
    assert rows(listed(QUICK, servedName=["base", "alias"]))[0]["model"] == "base:lora1"
    result = listed(QUICK, quickStart=None)
    assert (result.engine, result.lora_models[0].model) == ("unknown", "lora1")
    assert any("engine" in warning for warning in result.warnings)


def test_no_adapter_is_available_while_the_service_does_not_run() -> None:
    result = listed(DATA, status="stoped")
    assert {row.available for row in result.lora_models} == {"none"}
    assert "stopped" in result.summary


@pytest.mark.parametrize(("status", "available"), [("running", "all"), ("stopped", "none"), ("staring", "none")])
def test_a_lora_service_lists_itself_without_a_spread(status: str, available: str) -> None:
    assert rows(listed(LORA, status=status)) == [{"name": "own", "model": "own", "available": available}]


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"instance": READY}, "console"),
        ({"instance": []}, "without an instance"),
        ({}, "chat_with_deployment"),
        ({"status": "stopped"}, "stopped"),
        ({"status": "staring"}, "starting"),
        ({"baseServiceId": "base-7", "servedName": None}, "base-7"),
    ],
    ids=["none loaded", "scaled down", "instances not told", "stopped", "starting", "nameless LoRA service"],
)
def test_an_empty_list_says_why_and_what_to_do(changes: dict[str, object], word: str) -> None:
    result = listed({"serviceId": "s", "status": "running", "servedName": "base"}, **changes)
    assert result.lora_models == []
    assert word in result.summary


def test_an_images_user_is_neither_shown_nor_in_a_repr() -> None:
    deployment = parsed(DATA, expert={"headConfig": {"image": "user:PLANTED@registry.example/vllm:1"}})
    result = deployment_result(deployment, "s")
    assert "PLANTED" not in f"{result.model_dump_json()} {deployment!r}"
    assert "registry.example/vllm:1" in result.model_dump_json()


def test_an_answer_about_another_deployment_is_warned_of() -> None:
    assert any("other" in warning for warning in shown(DATA, serviceId="other").warnings)


@pytest.mark.parametrize("url", ["ftp://PLANTED.example", "https://PLANTED example", "PLANTED"])
def test_an_unusable_service_url_is_warned_of_but_not_shown(url: str) -> None:
    result = shown(DATA, serviceUrl=url)
    assert result.endpoint is None
    assert any("serviceUrl" in warning for warning in result.warnings)
    assert "PLANTED" not in result.model_dump_json()


def planted() -> list[Any]:
    listed_env = copy.deepcopy(DATA)
    listed_env["expert"]["headConfig"]["env"] = [{"name": "HF_TOKEN", "value": "PLANTEDvalue"}, "A=PLANTEDitem"]
    listed_env["expert"]["headConfig"]["labels"] = ["PLANTEDlabel"]
    listed_env["apiKey"] = "PLANTEDother"
    unknown = {**DATA, "extensions": {"token": "PLANTEDextension"}, "api_key": "PLANTEDthird", "token": "PLANTEDtop"}
    shell = copy.deepcopy(DATA)
    shell["expert"]["headConfig"] |= {"cmd": ["bash", "-c", "T=PLANTEDt vllm serve m --api-key PLANTEDk"], "args": []}
    return [
        pytest.param(DATA, id="expert"),
        pytest.param(QUICK, id="form"),
        pytest.param({**LORA, "apiKey": "PLANTEDkey"}, id="LoRA service"),
        pytest.param(listed_env, id="lists for objects"),
        pytest.param(unknown, id="unknown fields"),
        pytest.param(shell, id="a shell line"),
    ]


@pytest.mark.parametrize("data", planted())
def test_no_planted_secret_is_shown_or_in_a_repr(data: dict[str, Any]) -> None:
    deployment = parsed(data)
    results = deployment_result(deployment, "s"), lora_list_result(deployment, "s")
    texts = [deployment_text(results[0]), lora_list_text(results[1]), *(one.model_dump_json() for one in results)]
    assert "PLANTED" in json.dumps(data)
    assert not any("PLANTED" in text for text in [*texts, repr(deployment), str(deployment)])
