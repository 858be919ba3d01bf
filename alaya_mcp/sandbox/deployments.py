"""The deployments that a sandbox offers, and how the control plane reports their configuration. Data only.

Their answers differ from one another on purpose: every spelling and shape that the API documentation shows
for a field appears in at least one of them.
"""

import json
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field, replace
from pathlib import Path
from typing import Literal, TypeAlias

Engine: TypeAlias = Literal["vllm", "sglang", "proxy"]

SHAPES: dict[str, dict[str, object]] = json.loads(Path(__file__).with_name("recorded_shapes.json").read_bytes())
"""API documentation, deployment detail: headConfig and workerConfig (expert), with a planted secret where users really
put one, none of which may reach a caller that asks about the deployment; and SGLang's quick start, with the misspelt
key, and strings where other deployments have numbers. Recorded: the permission of a model (vLLM)."""
VLLM_VERSION = "0.32.0"
STARTING = "staring"  # as the API documentation misspells it


def configured(mode: Literal["quickStart", "expert"], configuration: object) -> dict[str, object]:
    """Return the fields of a deployment about its configuration."""
    return {"mode": mode, "expert": None, "quickStart": None} | {mode: configuration}


def quick_start(*args: str, workers: object = 1) -> dict[str, object]:
    """Return the fields of a deployment in quick-start mode with vLLM."""
    resource = {"workers": workers, "cpu": 16, "mem": 128, "gpu": {"gpuType": "H800", "count": 1}}
    backend = {"backend": "vllm", "backendVersion": VLLM_VERSION, "backendArgs": list(args), "resource": resource}
    return configured("quickStart", backend)


@dataclass(frozen=True, slots=True)
class Instance:
    """One replica of a deployment's engine. API documentation, deployment detail: `instance`."""

    lora_models: tuple[str, ...] = ()
    instance_id: str = "0"
    base_model_ready: bool = True
    # By the control plane, after adapters changed at the engine itself (VLLM_ALLOW_RUNTIME_LORA_UPDATING); assumed.
    reported_lora_models: tuple[str, ...] | None = None

    @property
    def reported(self) -> dict[str, object]:
        """Return the instance as the control plane reports it."""
        names = self.lora_models if self.reported_lora_models is None else self.reported_lora_models
        return {"instanceId": self.instance_id, "loraModels": names, "baseModelReady": self.base_model_ready}


@dataclass(frozen=True, slots=True)
class Deployment:
    """One deployment: what its engine is, and in which of the documented shapes the control plane shows it.

    `thinking` is where the thoughts go: into a field of their own, between tags in the content, or there with the
    opening tag in the prompt already. `key_name` is what the key ends with, where that is not the end of the id.
    """

    service_id: str
    summary: str
    _: KW_ONLY
    name: str
    model: str
    model_id: str
    aliases: tuple[str, ...] = ()  # what else the engine serves the model as
    served_name: str | tuple[()] | None = ()  # reported in place of all names; None: the field is missing
    instances: tuple[Instance, ...] = (Instance(),)
    instance_shown: bool = True
    engine: Engine = "vllm"
    thinking: Literal["parsed", "tags", "prefilled"] | None = None
    tool_parser: bool = False  # it calls tools
    multimodal: bool = False  # it takes images
    status: str = "running"
    source: Literal["quickstart", "expert", "lora"] = "quickstart"
    code: int | str | None = 0  # of success in the envelope; None: no envelope
    key_field: str = "apikey"
    key_name: str = ""
    url_end: str = ""
    vks_id: str = "vks-sandbox-1"
    namespace: str = "sandbox"
    aidc_id: str = "aidc-sandbox"
    fields: Mapping[str, object] = field(default_factory=quick_start)  # further ones of the detail, as reported
    extensions: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def names(self) -> tuple[str, ...]:
        """Return every name that its engine serves, but for adapters."""
        return (self.model, *self.aliases)

    @property
    def reported_name(self) -> str | tuple[str, ...] | None:
        """Return what the control plane reports as its served name."""
        return self.names if self.served_name == () else self.served_name

    @property
    def api_key(self) -> str:
        """Return the key that its engine takes at first."""
        return f"sandbox-key-{self.key_name or self.service_id.partition('-')[2]}"


def lora_service(adapter: str, base_id: str, deployment: Deployment) -> Deployment:
    """Return a deployment as the service of one adapter on another one, as the LoRA detail of the API documentation."""
    fields = {"baseServiceId": base_id}
    shown = replace(deployment, instance_shown=False, code=None, key_field="apiKey", fields=fields)
    return replace(shown, served_name=adapter, model_id=f"sandbox/{adapter}", source="lora")


_EXPERT = {f"{role}Config": SHAPES["container"] | SHAPES[role] for role in ("head", "worker")}
_TOOL_FLAGS = ("--enable-auto-tool-choice", "--tool-call-parser=hermes")

# A paragraph each: what it is for, its names, and what is special about it.
# fmt: off
DEPLOYMENTS: tuple[Deployment, ...] = (
    Deployment("sandbox-qwen3", "vLLM, two instances, adapters support-zh and sql-writer on both; it calls tools",
        name="qwen3-support", model="qwen3-8b", aliases=("qwen3-8b-chat",), model_id="Qwen/Qwen3-8B",
        instances=(Instance(("support-zh", "sql-writer")), Instance(("support-zh", "sql-writer"), "1")),
        fields=quick_start("--enable-lora", "--max-model-len=32768", *_TOOL_FLAGS, workers=2), tool_parser=True),
    Deployment("sandbox-lora-partial",
        "vLLM, two instances; adapter tone-formal on the second one only, tone-casual on both",
        name="tone-of-voice", model="qwen3-4b", model_id="Qwen/Qwen3-4B",
        instances=(Instance(("tone-casual",)), Instance(("tone-casual", "tone-formal"), "1")),
        fields=quick_start("--enable-lora", workers="2"), code="0", key_field="apiKey", url_end="/"),
    Deployment("sandbox-starting", 'status "staring"; running some seconds after its detail is first asked for',
        name="waking-up", model="qwen3-1.7b", served_name="qwen3-1.7b", model_id="Qwen/Qwen3-1.7B", status=STARTING),
    Deployment("sandbox-stopping", 'status "stoping"; its engine does not answer',
        name="going-away", model="qwen3-1.7b", model_id="Qwen/Qwen3-1.7B", instances=(), status="stoping", code="0"),
    Deployment("sandbox-stopped", 'status "stoped"; its engine does not answer',
        name="switched-off", model="qwen3-1.7b", model_id="Qwen/Qwen3-1.7B",
        instances=(), status="stoped", key_field="apiKey"),
    Deployment("sandbox-failed", 'status "failed"; its engine does not answer',
        name="out-of-memory", model="qwen3-32b", model_id="Qwen/Qwen3-32B",
        instances=(), fields=quick_start("--max-model-len=131072"), status="failed", code="0", url_end="/"),
    Deployment("sandbox-loading", "running, but no instance has its base model ready",
        name="still-loading", model="qwen3-14b", model_id="Qwen/Qwen3-14B",
        instances=(Instance(base_model_ready=False), Instance(instance_id="1", base_model_ready=False)),
        fields=quick_start(workers=2)),
    lora_service("legal-zh", "sandbox-qwen3", Deployment("sandbox-lora-service",
        "a LoRA service on sandbox-qwen3 (adapter legal-zh), answered without an envelope",
        name="legal-assistant", model="qwen3-8b", aliases=("qwen3-8b-chat",), model_id="Qwen/Qwen3-8B",
        instances=(Instance(("legal-zh",)),))),
    Deployment("sandbox-expert", "expert mode, head and worker, secrets planted in it, no servedName",
        name="finance-72b", model="qwen2.5-72b", served_name=None, model_id="Qwen/Qwen2.5-72B-Instruct",
        fields=configured("expert", _EXPERT | {"scale": SHAPES["scale"]}), source="expert", code="0",
        namespace="finance", vks_id="vks-sandbox-2"),
    Deployment("sandbox-sglang", "SGLang; its adapter poet is asked for as qwen2.5-7b:poet; it calls tools",
        name="poems", model="qwen2.5-7b", served_name="qwen2.5-7b", model_id="Qwen/Qwen2.5-7B-Instruct",
        instances=(Instance(("poet",)),), engine="sglang", tool_parser=True, url_end="/",
        fields=configured("quickStart", SHAPES["sglang"])),
    Deployment("sandbox-thinking", "vLLM with a reasoning parser: it thinks before it answers",
        name="thinker", model="qwen3-30b-thinking", model_id="Qwen/Qwen3-30B-A3B-Thinking-2507",
        thinking="parsed", fields=quick_start("--reasoning-parser", "qwen3"), key_field="apiKey"),
    Deployment("sandbox-thinking-tags", "vLLM without a reasoning parser: its answers begin with <think> and thoughts",
        name="tagged-thoughts", model="qwen3-32b-hybrid", model_id="Qwen/Qwen3-32B", thinking="tags"),
    Deployment("sandbox-thinking-prefilled", "the same, but <think> is in the prompt: only </think> arrives",
        name="prefilled-thoughts", model="deepseek-r1-distill-qwen-7b", thinking="prefilled", code="0",
        model_id="deepseek-ai/DeepSeek-R1-Distill-Qwen-7B"),
    Deployment("sandbox-vision", "vLLM with a model that takes images, and counts them",
        name="looking-at-things", model="qwen2.5-vl-7b", model_id="Qwen/Qwen2.5-VL-7B-Instruct",
        multimodal=True, fields=quick_start("--limit-mm-per-prompt", '{"image": 8}')),
    Deployment("sandbox-hot-load",
        "vLLM; adapters were loaded and dropped at the engine, and the control plane does not know",
        name="hot-load", model="qwen3-8b", model_id="Qwen/Qwen3-8B",
        instances=(Instance(("kept-zh", "fresh-zh"), reported_lora_models=("kept-zh", "gone-zh")),),
        fields=quick_start("--enable-lora")),
)

BACKEND = Deployment("sandbox-backend", "your own OpenAI-compatible engine behind the sandbox",
    name="own-engine", model="", served_name=None, model_id="", engine="proxy", source="expert",
    # API documentation, deployment detail: both configurations can be null.
    fields=configured("expert", {"headConfig": None, "workerConfig": None}))
# fmt: on


CATALOGUE: tuple[tuple[str, str], ...] = tuple((each.service_id, each.summary) for each in DEPLOYMENTS)
