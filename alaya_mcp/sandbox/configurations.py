"""How deployments were configured, as their details tell it. Data only."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

VLLM_VERSION = "0.32.0"
SGLANG_VERSION = "0.5.23"


def quick_start(args: tuple[str, ...], *, workers: object = 1) -> dict[str, object]:
    """Give the fields of a deployment in quick-start mode with vLLM."""
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


EXPERT_FIELDS: Mapping[str, object] = {
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
