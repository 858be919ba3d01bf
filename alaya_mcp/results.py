"""The published contract of results. Adding a field is compatible, renaming one is a breaking change.

An absent field is left out, never null: dump with `exclude_none=True`.
"""

from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

Status = Literal["starting", "running", "stopping", "stopped", "failed", "unknown"]
Kind = Literal["base", "lora"]
Engine = Literal["vllm", "sglang", "unknown"]

Scalar = Any
"""A number, or text if upstream's is not a number; `Any` keeps unions out of the schema."""

TruncatedReason = Literal[
    "max_tokens",
    "deadline",
    "idle",
    "stream_cut",
    "upstream_error",
    "size_cap",
    "still_generating",
    "abandoned",
    "cancelled",
    "server_lost",
    "content_filter",
]
Availability = Literal["all", "some", "none"]
ReportedBy = Literal["both", "control_plane", "engine"]


class ResultModel(BaseModel):
    """Base of everything in a structured result."""

    model_config = ConfigDict(extra="forbid")

    explained: ClassVar[frozenset[str]] = frozenset()
    """Fields whose descriptions agents need: only these are in the published schema, which some hosts show."""


class Cluster(ResultModel):
    """The cluster that a deployment runs in."""

    vks_id: str | None = Field(default=None, description="Kubernetes (VKS) cluster")
    namespace: str | None = Field(default=None, description="Namespace in it")


class InstanceState(ResultModel):
    """One running copy."""

    instance_id: str | None = Field(default=None, description="Instance id")
    base_model_ready: bool = Field(description="Whether its base model answers")
    lora_models: list[str] = Field(description="Adapters loaded on it")


class Resources(ResultModel):
    """Resources of one copy; units are not documented, so values are as sent."""

    cpu: Scalar = Field(default=None, description="CPUs, as sent")
    memory: Scalar = Field(default=None, description="Memory, as sent (no unit documented)")
    gpu_type: str | None = Field(default=None, description="GPU type")
    gpu_count: Scalar = Field(default=None, description="GPUs")


class Volume(ResultModel):
    """A mounted volume."""

    name: str | None = Field(default=None, description="Volume claim")
    sub_path: str | None = Field(default=None, description="Path in the volume")
    mount_path: str | None = Field(default=None, description="Path in the container")
    read_only: bool | None = Field(default=None, description="Mounted read-only")


class ExpertNode(ResultModel):
    """The launch configuration of one kind of node; only values of known harmless flags are shown."""

    image: str | None = Field(default=None, description="Container image")
    program: str | None = Field(default=None, description="First word of the command, without arguments")
    flags: list[str] = Field(description="Command-line flags, most without their values")
    env_names: list[str] = Field(description="Names of environment variables; values are never shown")
    label_names: list[str] = Field(description="Names of labels")
    private_registry: bool = Field(description="Whether the image is pulled with a secret")
    resources: Resources | None = Field(default=None, description="Resources of one copy")
    volumes: list[Volume] = Field(description="Mounted volumes")


class ExpertWorker(ExpertNode):
    """A worker node."""

    replicas: Scalar = Field(default=None, description="How many workers")


class ExpertConfig(ResultModel):
    """The launch configuration of a deployment with a custom command line."""

    head: ExpertNode | None = Field(default=None, description="Head node")
    worker: ExpertWorker | None = Field(default=None, description="Worker nodes")


class QuickStartConfig(ResultModel):
    """The launch configuration of a deployment from the console's form."""

    backend: str | None = Field(default=None, description="Engine as sent")
    backend_version: str | None = Field(default=None, description="Engine version")
    flags: list[str] = Field(description="Engine flags, most without their values")
    workers: Scalar = Field(default=None, description="Workers of one copy")
    resources: Resources | None = Field(default=None, description="Resources of one copy")


class ScaleConfig(ResultModel):
    """Autoscaling, as sent; units are not documented."""

    min: Scalar = Field(default=None, description="Fewest copies")
    max: Scalar = Field(default=None, description="Most copies")
    rps_value: Scalar = Field(default=None, description="Requests per second that add a copy, as sent")
    idle_time: Scalar = Field(default=None, description="Idle time before scaling down, as sent")


class DeploymentResult(ResultModel):
    """One deployment: its state, served names and launch configuration."""

    explained = frozenset({"models", "expert", "quick_start"})

    service_id: str = Field(description="Deployment id")
    name: str | None = Field(default=None, description="Display name")
    mode: str | None = Field(default=None, description="expert or quickStart, as sent")
    model_id: str | None = Field(default=None, description="Model id in Alaya")
    base_service_id: str | None = Field(default=None, description="The base deployment of a LoRA service")
    kind: Kind = Field(description="lora for an adapter deployed onto a base deployment")
    status: Status = Field(description="Normalised state")
    status_raw: str | None = Field(default=None, description="State exactly as sent")
    ready: bool = Field(description="Whether a chat can be answered now")
    summary: str = Field(description="What it is, its state, and what to do next if it is not ready")
    models: list[str] = Field(description="Every string that chat's model takes")
    lora_models: list[str] = Field(description="LoRA adapters, by the control plane's names")
    engine: Engine = Field(description="Inference engine")
    endpoint: str | None = Field(default=None, description="Base URL of the engine")
    cluster: Cluster | None = Field(default=None, description="Where it runs")
    instances: list[InstanceState] | None = Field(default=None, description="Running copies, if reported")
    expert: ExpertConfig | None = Field(
        default=None,
        description="Launch: head and worker, each with image, program, flags, env_names, resources, volumes",
    )
    quick_start: QuickStartConfig | None = Field(
        default=None, description="Launch: backend, backend_version, flags, workers, resources"
    )
    scale: ScaleConfig | None = Field(default=None, description="Autoscaling")
    total_gpus: int | None = Field(default=None, description="GPUs of one running copy, workers included")
    warnings: list[str] = Field(description="What to be careful about")


class DeploymentRow(ResultModel):
    """One deployment in a list."""

    service_id: str = Field(description="Deployment id")
    name: str | None = Field(default=None, description="Display name")
    kind: Kind = Field(description="lora for an adapter deployed onto a base deployment")
    status: Status = Field(description="Normalised state")
    ready: bool | None = Field(default=None, description="Whether a chat can be answered now; absent if unknown")
    models: list[str] = Field(description="Served names, as far as the list has them")
    model_id: str | None = Field(default=None, description="Model id in Alaya")
    cluster: Cluster | None = Field(default=None, description="Where it runs")


class DeploymentListResult(ResultModel):
    """The account's deployments, up to the requested number."""

    explained = frozenset({"next_cursor"})

    deployments: list[DeploymentRow] = Field(description="In the API's order")
    total: int | None = Field(
        default=None, description="All deployments, including those that do not match; absent if unknown"
    )
    next_cursor: str | None = Field(default=None, description="Pass as cursor for more; absent at the end")
    summary: str = Field(description="What there is, or why there may be nothing and what to do")
    warnings: list[str] = Field(description="What to be careful about")


class LoraModel(ResultModel):
    """One adapter."""

    name: str = Field(description="Name in the control plane")
    model: str = Field(description="Exact string for chat's model")
    ready_on: int | None = Field(default=None, description="Base-ready instances that hold it")
    instances: int | None = Field(default=None, description="All instances")
    available: Availability = Field(description="On all, some or none of the base-ready instances")
    reported_by: ReportedBy | None = Field(default=None, description="With verify: who reports it")


class LoraListResult(ResultModel):
    """The LoRA adapters of a deployment, each with its exact string for chat's model."""

    explained = frozenset({"lora_models"})

    service_id: str = Field(description="Deployment id")
    base_service_id: str | None = Field(default=None, description="The base deployment of a LoRA service")
    status: Status = Field(description="Normalised state")
    engine: Engine = Field(description="Inference engine")
    base_models: list[str] = Field(description="Names of the base model")
    lora_models: list[LoraModel] = Field(
        description="Each: name, model (the exact string for chat), ready_on, instances, available, reported_by"
    )
    summary: str = Field(description="What there is, or why there may be nothing and what to do")
    warnings: list[str] = Field(description="What to be careful about")


class Usage(ResultModel):
    """Tokens, as the engine counted them."""

    prompt_tokens: int | None = Field(default=None, description="Tokens in")
    completion_tokens: int | None = Field(default=None, description="Tokens out, thinking included")
    total_tokens: int | None = Field(default=None, description="Both")
    cached_tokens: int | None = Field(default=None, description="Of those in, read from a cache")
    reasoning_tokens: int | None = Field(default=None, description="Of those out, thinking")


class Timing(ResultModel):
    """Seconds from sending the request; a thinking token counts as a token."""

    first_token_seconds: float | None = Field(default=None, description="Until the first token")
    total_seconds: float = Field(description="Until the end")
    tokens_per_second: float | None = Field(default=None, description="completion_tokens / total_seconds")


class FunctionCall(ResultModel):
    """A function and its arguments."""

    name: str = Field(description="Function")
    arguments: str = Field(description="JSON text")


class ToolCall(ResultModel):
    """A tool call of the model, in the shape that messages take."""

    id: str = Field(description="Pass as tool_call_id with the tool's result")
    type: Literal["function"] = Field(default="function", description="Always function")
    function: FunctionCall = Field(description="The function to call")


class ConversationMessage(ResultModel):
    """One turn."""

    role: Literal["system", "user", "assistant", "tool"] = Field(description="Who spoke")
    content: str = Field(description="Text")
    images: list[str] | None = Field(default=None, description="Image URLs")
    tool_calls: list[ToolCall] | None = Field(default=None, description="Tools that the assistant asked for")
    tool_call_id: str | None = Field(default=None, description="The call that a tool's message answers")


class ChatResult(ResultModel):
    """The model's reply and facts about it. Fields that a preview of the result must show come before `content`."""

    explained = frozenset({"truncated_reason", "read_on", "parsed", "tool_calls", "messages"})

    service_id: str = Field(description="Deployment id")
    model: str = Field(description="Model asked for or chosen")
    served_by: str | None = Field(default=None, description="Model that answered, as the engine reports")
    truncated: bool = Field(description="Whether the reply is incomplete")
    truncated_reason: TruncatedReason | None = Field(
        default=None, description="still_generating, size_cap: there is more, see read_on"
    )
    read_on: str | None = Field(default=None, description="Call again with this alone, as read_on, for the next part")
    warnings: list[str] = Field(description="What to be careful about")
    finish_reason: str | None = Field(default=None, description="Why the engine stopped; absent when it was cut off")
    stop_reason: str | None = Field(default=None, description="The stop string, or token, that ended it")
    usage: Usage | None = Field(default=None, description="Tokens; absent if the engine reports none")
    timing: Timing = Field(description="How long it took")
    system_fingerprint: str | None = Field(default=None, description="Fingerprint of the engine's version and set-up")
    content: str = Field(description="The reply")
    parsed: Any = Field(default=None, description="The reply as data; only where it follows response_schema")
    tool_calls: list[ToolCall] | None = Field(
        default=None, description="Tools to run; put them and their results into messages"
    )
    reasoning: str | None = Field(default=None, description="The model's thinking, without the reply")
    messages: list[ConversationMessage] | None = Field(
        default=None, description="Pass as messages next time: with your next message, or with continue_reply"
    )
