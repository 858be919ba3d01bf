"""How deployments were configured, as their details report it. Data only."""

VLLM_VERSION = "0.32.0"
SGLANG_VERSION = "0.5.23"


def quick_start(*args: str, workers: object = 1) -> dict[str, object]:
    """Return the fields of a deployment in quick-start mode with vLLM."""
    resource = {"workers": workers, "cpu": 16, "mem": 128, "gpu": {"gpuType": "H800", "count": 1}}
    backend = {"backend": "vllm", "backendVersion": VLLM_VERSION, "backendArgs": list(args), "resource": resource}
    return {"mode": "quickStart", "expert": None, "quickStart": backend}


# API documentation: the misspelt key, and strings where other deployments have numbers.
SGLANG_FIELDS: dict[str, object] = {
    "mode": "quickStart",
    "expert": None,
    "quickStart": {
        "backend": "sglang",
        "backendVersion": SGLANG_VERSION,
        "backenArgs": ["--lora-paths", "poet=/models/poet", "--tool-call-parser", "qwen25"],
        "resource": {"workers": "1", "cpu": "16", "mem": "128", "gpu": {"gpuType": "H800", "count": "1"}},
    },
}


def _expert_config(**more: object) -> dict[str, object]:
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
        "pvcMounts": [{"pvcName": "models", "subPath": "qwen", "containerPath": "/models", "readOnly": "true"}],
        **more,
    }


_HEAD_COMMAND = (
    "exec vllm serve /models/qwen2.5-72b --served-model-name qwen2.5-72b"
    " --tensor-parallel-size 8 --max-model-len 32768 --enable-lora --api-key planted-engine-key"
)
_WORKER_COMMAND = "exec ray start --block --address=$HEAD:6379 --redis-password planted-ray-password"

EXPERT_FIELDS: dict[str, object] = {
    "mode": "expert",
    "expert": {
        "headConfig": _expert_config(cmd=["/bin/sh", "-c"], args=[_HEAD_COMMAND]),
        "workerConfig": _expert_config(workers="1", cmd=["/bin/sh", "-c"], args=[_WORKER_COMMAND]),
        "scale": {"max": "2", "min": "1", "rpsValue": "10", "idleTime": "300"},
    },
    "quickStart": None,
}
