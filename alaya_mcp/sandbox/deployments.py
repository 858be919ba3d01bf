"""The deployments a sandbox offers. Data only.

Their answers differ from one another on purpose: every spelling and shape that the API documentation shows
for a field appears in at least one of them.
"""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 - a dataclass field's type, wanted by type introspection
from dataclasses import dataclass, field
from typing import Literal

from alaya_mcp.sandbox.configurations import EXPERT_FIELDS, SGLANG_VERSION, quick_start

STARTING = "staring"  # as the API documentation misspells it
DEFAULT_SERVICE_ID = "sandbox-qwen3"
BACKEND_SERVICE_ID = "sandbox-backend"


@dataclass(frozen=True, slots=True)
class Instance:
    """One replica of a deployment's engine. API documentation, deployment detail: `instance`.

    `told_lora_models` is what the control plane says about its adapters, where that is not what it has: assumed, after
    an adapter was loaded or dropped at the engine itself (VLLM_ALLOW_RUNTIME_LORA_UPDATING).
    """

    instance_id: str
    lora_models: tuple[str, ...] = ()
    base_model_ready: bool = True
    told_lora_models: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """One deployment: what its engine is, and in which of the documented shapes the control plane shows it.

    `model` is the engine's primary name and `aliases` its others; `served_name` is what the control plane
    says about them (None: the field is missing). `code` is the envelope's success code, or None for no envelope.
    `fields` are further fields of the detail, as they stand there. `thinking` is where the thoughts go: into a
    field of their own, between tags in the content, or there with the opening tag in the prompt already. A
    deployment with a `tool_parser` calls tools, and one that `sees` takes images.
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
    thinking: Literal["parsed", "tags", "prefilled"] | None = None
    tool_parser: bool = False
    sees: bool = False
    status: str = "running"
    source: Literal["quickstart", "expert", "lora"] = "quickstart"
    code: int | str | None = 0
    key_field: str = "apikey"
    url_end: str = ""
    vks_id: str = "vks-sandbox-1"
    namespace: str = "sandbox"
    aidc_id: str = "aidc-sandbox"
    extensions: Mapping[str, str] = field(default_factory=dict[str, str])


_TOOL_FLAGS = ("--enable-auto-tool-choice", "--tool-call-parser=hermes")

DEPLOYMENTS: tuple[Deployment, ...] = (
    Deployment(
        service_id=DEFAULT_SERVICE_ID,
        summary="vLLM, two instances, adapters support-zh and sql-writer on both; it calls tools",
        api_key="sandbox-key-qwen3",
        name="qwen3-support",
        model="qwen3-8b",
        aliases=("qwen3-8b-chat",),
        served_name=("qwen3-8b", "qwen3-8b-chat"),
        model_id="Qwen/Qwen3-8B",
        instances=(Instance("0", ("support-zh", "sql-writer")), Instance("1", ("support-zh", "sql-writer"))),
        fields=quick_start(("--enable-lora", "--max-model-len=32768", *_TOOL_FLAGS), workers=2),
        tool_parser=True,
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
        fields=quick_start(("--enable-lora",), workers="2"),
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
        fields=quick_start(()),
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
        fields=quick_start(()),
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
        fields=quick_start(()),
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
        fields=quick_start(("--max-model-len=131072",)),
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
        fields=quick_start((), workers=2),
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
        fields=EXPERT_FIELDS,
        source="expert",
        code="0",
        namespace="finance",
        vks_id="vks-sandbox-2",
    ),
    Deployment(
        service_id="sandbox-sglang",
        summary="SGLang; its adapter poet is asked for as qwen2.5-7b:poet; it calls tools",
        api_key="sandbox-key-sglang",
        name="poems",
        model="qwen2.5-7b",
        served_name="qwen2.5-7b",
        model_id="Qwen/Qwen2.5-7B-Instruct",
        instances=(Instance("0", ("poet",)),),
        engine="sglang",
        tool_parser=True,
        fields={
            "mode": "quickStart",
            "expert": None,
            "quickStart": {
                "backend": "sglang",
                "backendVersion": SGLANG_VERSION,
                "backenArgs": ["--lora-paths", "poet=/models/poet", "--tool-call-parser", "qwen25"],
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
        thinking="parsed",
        fields=quick_start(("--reasoning-parser", "qwen3")),
        key_field="apiKey",
    ),
    Deployment(
        service_id="sandbox-thinking-tags",
        summary="vLLM without a reasoning parser: its answers begin with <think> and thoughts",
        api_key="sandbox-key-thinking-tags",
        name="tagged-thoughts",
        model="qwen3-32b-hybrid",
        served_name=("qwen3-32b-hybrid",),
        model_id="Qwen/Qwen3-32B",
        instances=(Instance("0"),),
        thinking="tags",
        fields=quick_start(()),
    ),
    Deployment(
        service_id="sandbox-thinking-prefilled",
        summary="the same, but <think> stands in the prompt: only </think> arrives",
        api_key="sandbox-key-thinking-prefilled",
        name="prefilled-thoughts",
        model="deepseek-r1-distill-qwen-7b",
        served_name=("deepseek-r1-distill-qwen-7b",),
        model_id="deepseek-ai/DeepSeek-R1-Distill-Qwen-7B",
        instances=(Instance("0"),),
        thinking="prefilled",
        fields=quick_start(()),
        code="0",
    ),
    Deployment(
        service_id="sandbox-vision",
        summary="vLLM with a model that takes images, and counts them",
        api_key="sandbox-key-vision",
        name="looking-at-things",
        model="qwen2.5-vl-7b",
        served_name=("qwen2.5-vl-7b",),
        model_id="Qwen/Qwen2.5-VL-7B-Instruct",
        instances=(Instance("0"),),
        sees=True,
        fields=quick_start(("--limit-mm-per-prompt", '{"image": 8}')),
    ),
    Deployment(
        service_id="sandbox-hot-load",
        summary="vLLM; adapters were loaded and dropped at the engine, and the control plane does not know",
        api_key="sandbox-key-hot-load",
        name="hot-load",
        model="qwen3-8b",
        served_name=("qwen3-8b",),
        model_id="Qwen/Qwen3-8B",
        instances=(Instance("0", ("kept-zh", "fresh-zh"), told_lora_models=("kept-zh", "gone-zh")),),
        fields=quick_start(("--enable-lora",)),
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
