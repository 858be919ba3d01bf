"""The deployments a sandbox offers. Data only.

Their answers differ from one another on purpose: every spelling and shape that the API documentation shows
for a field appears in at least one of them.
"""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 - a dataclass field's type, wanted by type introspection
from dataclasses import dataclass
from typing import Literal

STARTING = "staring"  # as the API documentation misspells it
DEFAULT_SERVICE_ID = "sandbox-qwen3"
BACKEND_SERVICE_ID = "sandbox-backend"
VLLM_VERSION = "0.32.0"
SGLANG_VERSION = "0.5.23"


@dataclass(frozen=True, slots=True)
class Instance:
    """One replica of a deployment's engine. API documentation, deployment detail: `instance`."""

    instance_id: str
    lora_models: tuple[str, ...] = ()
    base_model_ready: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """One deployment: what its engine is, and in which of the documented shapes the control plane shows it.

    `model` is the engine's primary name and `aliases` its others; `served_name` is what the control plane
    says about them (None: the field is missing). `code` is the envelope's success code, or None for no envelope.
    `fields` are further fields of the detail, as they stand there.
    """

    service_id: str
    summary: str
    api_key: str
    name: str
    model: str
    model_id: str
    fields: Mapping[str, object]
    served_name: str | tuple[str, ...] | None = None
    aliases: tuple[str, ...] = ()
    instances: tuple[Instance, ...] = ()
    instance_shown: bool = True
    engine: Literal["vllm", "sglang", "proxy"] = "vllm"
    thinks: bool = False
    status: str = "running"
    source: Literal["quickstart", "expert", "lora"] = "quickstart"
    code: int | str | None = 0
    key_field: str = "apikey"
    url_end: str = ""
    vks_id: str = "vks-sandbox-1"
    namespace: str = "sandbox"


def _quick_start(args: tuple[str, ...], *, workers: object = 1) -> dict[str, object]:
    return {
        "mode": "quickStart",
        "expert": None,
        "quickStart": {
            "backend": "vllm",
            "backendVersion": VLLM_VERSION,
            "backendArgs": list(args),
            "resource": {"workers": workers, "cpu": 16, "mem": 128, "gpu": {"gpuType": "H800", "count": 1}},
        },
    }


def _expert_config(extra: dict[str, object]) -> dict[str, object]:
    # API documentation, deployment detail (expert): the shape of headConfig and workerConfig. Each planted
    # secret stands where users really put one; none of them may reach whoever asks about the deployment.
    return {
        "image": "registry.example.com/team/vllm-openai:v0.9.1",
        "imagePullSecret": {
            "registry": "registry.example.com",
            "username": "planted-registry-user",
            "password": "planted-registry-password",
        },
        "labels": {"team": "finance", "cost-centre": "planted-label-4711"},
        "env": {
            "HF_TOKEN": "hf_planted-hub-token",
            "DATABASE_URL": "postgres://app:planted-database-password@db.example.com/app",
            "VLLM_ALLOW_RUNTIME_LORA_UPDATING": "true",
        },
        "resource": {"cpu": "64", "mem": "512", "gpu": {"gpuType": "H800", "count": "8"}},
        "pvcMounts": [
            {"pvcName": "models", "subPath": "qwen", "containerPath": "/models", "readOnly": "true"},
        ],
        **extra,
    }


_EXPERT_FIELDS: Mapping[str, object] = {
    "mode": "expert",
    "expert": {
        "headConfig": _expert_config(
            {
                "cmd": ["/bin/sh", "-c"],
                "args": [
                    (
                        "exec vllm serve /models/qwen2.5-72b --served-model-name qwen2.5-72b"
                        " --tensor-parallel-size 8 --max-model-len 32768 --enable-lora"
                        " --api-key planted-engine-key"
                    ),
                ],
            }
        ),
        "workerConfig": _expert_config(
            {
                "workers": "1",
                "cmd": ["/bin/sh", "-c"],
                "args": ["exec ray start --block --address=$HEAD:6379 --redis-password planted-ray-password"],
            }
        ),
        "scale": {"max": "2", "min": "1", "rpsValue": "10", "idleTime": "300"},
    },
    "quickStart": None,
}

DEPLOYMENTS: tuple[Deployment, ...] = (
    Deployment(
        service_id=DEFAULT_SERVICE_ID,
        summary="vLLM, two instances, adapters support-zh and sql-writer on both",
        api_key="sandbox-key-qwen3",
        name="qwen3-support",
        model="qwen3-8b",
        aliases=("qwen3-8b-chat",),
        served_name=("qwen3-8b", "qwen3-8b-chat"),
        model_id="Qwen/Qwen3-8B",
        instances=(Instance("0", ("support-zh", "sql-writer")), Instance("1", ("support-zh", "sql-writer"))),
        fields=_quick_start(("--enable-lora", "--max-model-len=32768"), workers=2),
    ),
    Deployment(
        service_id="sandbox-lora-partial",
        summary="vLLM, two instances; adapter tone-formal on the second one only, tone-casual on both",
        api_key="sandbox-key-lora-partial",
        name="tone-of-voice",
        model="qwen3-4b",
        served_name=("qwen3-4b",),
        model_id="Qwen/Qwen3-4B",
        instances=(Instance("0", ("tone-casual",)), Instance("1", ("tone-casual", "tone-formal"))),
        fields=_quick_start(("--enable-lora",), workers="2"),
        code="0",
        key_field="apiKey",
        url_end="/",
    ),
    Deployment(
        service_id="sandbox-starting",
        summary='status "staring"; running some seconds after its detail is first asked for',
        api_key="sandbox-key-starting",
        name="waking-up",
        model="qwen3-1.7b",
        served_name="qwen3-1.7b",
        model_id="Qwen/Qwen3-1.7B",
        instances=(Instance("0"),),
        fields=_quick_start(()),
        status=STARTING,
    ),
    Deployment(
        service_id="sandbox-stopping",
        summary='status "stoping"; its engine does not answer',
        api_key="sandbox-key-stopping",
        name="going-away",
        model="qwen3-1.7b",
        served_name=("qwen3-1.7b",),
        model_id="Qwen/Qwen3-1.7B",
        fields=_quick_start(()),
        status="stoping",
        code="0",
    ),
    Deployment(
        service_id="sandbox-stopped",
        summary='status "stoped"; its engine does not answer',
        api_key="sandbox-key-stopped",
        name="switched-off",
        model="qwen3-1.7b",
        served_name=("qwen3-1.7b",),
        model_id="Qwen/Qwen3-1.7B",
        fields=_quick_start(()),
        status="stoped",
        key_field="apiKey",
    ),
    Deployment(
        service_id="sandbox-failed",
        summary='status "failed"; its engine does not answer',
        api_key="sandbox-key-failed",
        name="out-of-memory",
        model="qwen3-32b",
        served_name=("qwen3-32b",),
        model_id="Qwen/Qwen3-32B",
        fields=_quick_start(("--max-model-len=131072",)),
        status="failed",
        code="0",
        url_end="/",
    ),
    Deployment(
        service_id="sandbox-loading",
        summary="running, but no instance has its base model ready",
        api_key="sandbox-key-loading",
        name="still-loading",
        model="qwen3-14b",
        served_name=("qwen3-14b",),
        model_id="Qwen/Qwen3-14B",
        instances=(Instance("0", base_model_ready=False), Instance("1", base_model_ready=False)),
        fields=_quick_start((), workers=2),
    ),
    Deployment(
        service_id="sandbox-lora-service",
        summary="a LoRA service on sandbox-qwen3 (adapter legal-zh), answered without an envelope",
        api_key="sandbox-key-lora-service",
        name="legal-assistant",
        model="qwen3-8b",
        aliases=("qwen3-8b-chat",),
        served_name="legal-zh",
        model_id="sandbox/legal-zh",
        # API documentation, LoRA detail: no instance field there, yet an engine answers.
        instances=(Instance("0", ("legal-zh",)),),
        instance_shown=False,
        fields={"baseServiceId": DEFAULT_SERVICE_ID},
        source="lora",
        code=None,
        key_field="apiKey",
    ),
    Deployment(
        service_id="sandbox-expert",
        summary="expert mode, head and worker, secrets planted in it, no servedName",
        api_key="sandbox-key-expert",
        name="finance-72b",
        model="qwen2.5-72b",
        model_id="Qwen/Qwen2.5-72B-Instruct",
        instances=(Instance("0"),),
        fields=_EXPERT_FIELDS,
        source="expert",
        code="0",
        namespace="finance",
        vks_id="vks-sandbox-2",
    ),
    Deployment(
        service_id="sandbox-sglang",
        summary="SGLang; its adapter poet is asked for as qwen2.5-7b:poet",
        api_key="sandbox-key-sglang",
        name="poems",
        model="qwen2.5-7b",
        served_name="qwen2.5-7b",
        model_id="Qwen/Qwen2.5-7B-Instruct",
        instances=(Instance("0", ("poet",)),),
        engine="sglang",
        fields={
            "mode": "quickStart",
            "expert": None,
            "quickStart": {
                "backend": "sglang",
                "backendVersion": SGLANG_VERSION,
                "backenArgs": ["--lora-paths", "poet=/models/poet"],
                "resource": {
                    "workers": "1",
                    "cpu": "16",
                    "mem": "128",
                    "gpu": {"gpuType": "H800", "count": "1"},
                },
            },
        },
        url_end="/",
    ),
    Deployment(
        service_id="sandbox-thinking",
        summary="vLLM with a reasoning parser: it thinks before it answers",
        api_key="sandbox-key-thinking",
        name="thinker",
        model="qwen3-30b-thinking",
        served_name=("qwen3-30b-thinking",),
        model_id="Qwen/Qwen3-30B-A3B-Thinking-2507",
        instances=(Instance("0"),),
        thinks=True,
        fields=_quick_start(("--reasoning-parser", "qwen3")),
        key_field="apiKey",
    ),
)

BACKEND = Deployment(
    service_id=BACKEND_SERVICE_ID,
    summary="your own OpenAI-compatible engine behind the sandbox",
    api_key="sandbox-key-backend",
    name="own-engine",
    model="",
    model_id="",
    instances=(Instance("0"),),
    engine="proxy",
    # API documentation, deployment detail: both configurations can be null.
    fields={"mode": "expert", "expert": {"headConfig": None, "workerConfig": None}, "quickStart": None},
    source="expert",
)

CATALOGUE: tuple[tuple[str, str], ...] = tuple((each.service_id, each.summary) for each in DEPLOYMENTS)
