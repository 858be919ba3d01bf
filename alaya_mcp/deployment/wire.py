"""The control plane's data: the only module that knows its field names and misspellings.

Source of each field: API documentation, deployment detail (Expert, QuickStart, LoRA), list and deploy pages.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Self, TypeVar, TypeVarTuple, cast

from pydantic import AliasChoices, Field, PrivateAttr, SecretStr

from alaya_mcp.deployment.lenient import AsSent, Flag, Names, Number, OrEmpty, OrNone, Text, Texts, WireModel, Words
from alaya_mcp.error_causes import UnexpectedCause
from alaya_mcp.results import Kind, Status

_T = TypeVar("_T")
_Args = TypeVarTuple("_Args")

_STATUSES: dict[str, Status] = {
    "starting": "starting",
    "staring": "starting",
    "running": "running",
    "stopping": "stopping",
    "stoping": "stopping",
    "stopped": "stopped",
    "stoped": "stopped",
    "failed": "failed",
}


def normalised_status(raw: str | None) -> Status:
    """Return the status for a documented state or misspelling; anything else is unknown."""
    return _STATUSES.get((raw or "").strip().lower(), "unknown")


class Gpu(WireModel):
    """GPUs of one copy."""

    gpu_type: Text = Field(None, alias="gpuType")
    count: Number = None


class Resource(WireModel):
    """The resources of one copy; the API documents no units."""

    workers: Number = None
    cpu: Number = None
    mem: Number = None
    gpu: Annotated[Gpu | None, OrNone] = None


class PullSecret(WireModel):
    """Credentials of a registry; only their presence is shown."""

    registry: Text = None
    username: Text = Field(None, repr=False)
    password: Text = Field(None, repr=False)

    @property
    def is_set(self) -> bool:
        """Whether any field is set; the samples show empty ones."""
        return bool(self.registry or self.username or self.password)


class Mount(WireModel):
    """One volume."""

    pvc_name: Text = Field(None, alias="pvcName")
    sub_path: Text = Field(None, alias="subPath")
    container_path: Text = Field(None, alias="containerPath")
    read_only: Flag = Field(None, alias="readOnly")


class NodeConfig(WireModel):
    """headConfig or workerConfig. Values of env and labels are never read."""

    image: Text = Field(None, repr=False)
    pull_secret: Annotated[PullSecret | None, OrNone] = Field(None, alias="imagePullSecret")
    workers: Number = None
    label_names: Names = Field([], alias="labels")
    env_names: Names = Field([], alias="env")
    cmd: Words = Field([], repr=False)
    args: Words = Field([], repr=False)
    resource: Annotated[Resource | None, OrNone] = None
    mounts: Annotated[list[Mount], OrEmpty] = Field([], alias="pvcMounts")


class Scale(WireModel):
    """Autoscaling, from the deploy page; units are not documented."""

    min: Number = None
    max: Number = None
    rps_value: Number = Field(None, alias="rpsValue")
    idle_time: Number = Field(None, alias="idleTime")


class Expert(WireModel):
    """A deployment with a custom command line."""

    head: Annotated[NodeConfig | None, OrNone] = Field(None, alias="headConfig")
    worker: Annotated[NodeConfig | None, OrNone] = Field(None, alias="workerConfig")
    scale: Annotated[Scale | None, OrNone] = None


class QuickStart(WireModel):
    """A deployment from a form."""

    backend: Text = None
    backend_version: Text = Field(None, alias="backendVersion")
    backend_args: Words = Field([], validation_alias=AliasChoices("backendArgs", "backenArgs"), repr=False)
    resource: Annotated[Resource | None, OrNone] = None


class Instance(WireModel):
    """One running copy."""

    instance_id: Text = Field(None, alias="instanceId")
    lora_models: Texts = Field([], alias="loraModels")
    base_model_ready: Flag = Field(None, alias="baseModelReady")


class Deployment(WireModel):
    """One deployment as the control plane reports it, including secrets: never shown unfiltered."""

    service_id: Text = Field(None, alias="serviceId")
    service_url: Text = Field(None, alias="serviceUrl", repr=False)
    api_key: SecretStr | None = Field(None, validation_alias=AliasChoices("apikey", "apiKey"))
    status_raw: AsSent = Field(None, alias="status")
    instances: Annotated[list[Instance], OrEmpty] = Field([], alias="instance")
    reports_instances: bool = False
    vks_id: Text = Field(None, alias="vksId")
    namespace: Text = None
    name: Text = None
    served_names: Texts = Field([], alias="servedName")
    model_id: Text = Field(None, alias="modelId")
    mode: Text = None
    quick_start: Annotated[QuickStart | None, OrNone] = Field(None, alias="quickStart")
    expert: Annotated[Expert | None, OrNone] = None
    scale: Annotated[Scale | None, OrNone] = None
    base_service_id: Text = Field(None, alias="baseServiceId")
    service_type: Text = Field(None, alias="type")

    _computed: dict[tuple[Any, ...], Any] = PrivateAttr(default_factory=dict[tuple[Any, ...], Any])

    def once(self, compute: Callable[[Self, *_Args], _T], *args: *_Args) -> _T:
        """Return `compute(self, *args)`, computed at the first call: this object does not change."""
        if (key := (compute, *args)) not in (computed := self._computed):
            computed[key] = compute(self, *args)
        return computed[key]

    @property
    def kind(self) -> Kind:
        """The kind, by its base deployment (in a detail) or its type (in a list)."""
        return "lora" if self.base_service_id is not None or (self.service_type or "").lower() == "lora" else "base"

    @property
    def status(self) -> Status:
        """The state, normalised."""
        return normalised_status(self.status_raw)

    @property
    def is_lora_service(self) -> bool:
        """Whether this is an adapter deployed onto another service."""
        return self.kind == "lora"

    @property
    def autoscaling(self) -> Scale | None:
        """`scale`, inside `expert` or next to it."""
        return (self.expert.scale if self.expert else None) or self.scale


class EnvelopeFailure(Exception):
    """The control plane reported a failure with HTTP 200."""

    def __init__(self, message: str | None) -> None:
        super().__init__("the envelope's code is not 0")
        self.message = message


class WrongShape(Exception):
    """A body that is not this API's; the cause says what it is."""

    def __init__(self, cause: UnexpectedCause) -> None:
        super().__init__(cause)
        self.cause: UnexpectedCause = cause


_IDENTIFYING = ("serviceId", "serviceUrl", "status", "servedName")


def json_value(body: bytes) -> object:
    """Return the value in a JSON body.

    Raises:
        WrongShape: not JSON.
    """
    try:
        return json.loads(body.decode("utf-8-sig", "replace"))
    except (ValueError, RecursionError):
        raise not_json(body) from None


def json_object(body: bytes) -> dict[str, Any]:
    """Return the object in a JSON body.

    Raises:
        WrongShape: not JSON, or not an object.
    """
    value = json_value(body)
    if not isinstance(value, dict):
        raise WrongShape("json_of_wrong_shape")
    return cast("dict[str, Any]", value)


def not_json(body: bytes) -> WrongShape:
    """Return the error for a body that is not JSON."""
    is_page = body[:256].removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"<")
    return WrongShape("html_page" if is_page else "not_json")


def failure_message(answer: dict[str, Any]) -> str | None:
    """Return the envelope's `msg`, if it is a string."""
    message = answer.get("msg", answer.get("message"))
    return message if isinstance(message, str) else None


def is_failure(answer: dict[str, Any]) -> bool:
    """Return whether an envelope's code is a failure; success is 0, documented as a number and as a string."""
    code = answer.get("code")
    return code not in (None, 0, 200) and str(code).strip() not in {"0", "200"}


@dataclass(frozen=True, slots=True)
class Page:
    """One page of the list.

    Attributes:
        rows: Deployments, without their keys.
        size: Rows that upstream sent, including invalid ones.
        total: How many rows all pages have, if reported.
    """

    rows: tuple[Deployment, ...]
    size: int
    total: int | None


def parse_page(body: bytes) -> Page:
    """Return one page of the list without apikeys; `count` may be a string, a number or empty.

    Raises:
        EnvelopeFailure: code is not 0.
        WrongShape: it contains no list.
    """
    answer = json_object(body)
    if is_failure(answer):
        raise EnvelopeFailure(failure_message(answer))
    data = (answer["data"] or {"rows": None}) if "data" in answer else answer
    fields = cast("dict[str, Any]", data) if isinstance(data, dict) else {"rows": data}
    rows: object = fields.get("rows", None if "count" in fields else "missing")
    if rows is not None and not isinstance(rows, list):
        raise WrongShape("list_of_wrong_shape")
    sent = cast("list[Any]", rows or [])
    listed = [_deployment(cast("dict[str, Any]", row), None) for row in sent if isinstance(row, dict)]
    total = _Counted.model_validate(fields).count
    return Page(
        tuple(row for row in listed if row.service_id),
        len(sent),
        total if isinstance(total, int) and total >= 0 else None,
    )


class _Counted(WireModel):
    count: Number = None


def _deployment(fields: dict[str, Any], key: SecretStr | None) -> Deployment:
    return Deployment.model_validate({**fields, "apikey": key, "reports_instances": "instance" in fields})


def parse_deployment(body: bytes) -> Deployment:
    """Return one deployment, from the documented envelope or, as the LoRA sample shows, without one.

    Raises:
        EnvelopeFailure: code is not 0.
        WrongShape: it contains no deployment.
    """
    answer = json_object(body)
    bare = "data" not in answer and any(key in answer for key in _IDENTIFYING)
    if is_failure(answer):
        raise EnvelopeFailure(failure_message(answer))
    data = answer if bare else answer.get("data")
    if not isinstance(data, dict):
        raise WrongShape("deployment_absent")
    fields = cast("dict[str, Any]", data)
    if not any(key in fields for key in _IDENTIFYING):
        raise WrongShape("deployment_of_wrong_shape")
    keys = (key.strip() for key in (fields.get("apikey"), fields.get("apiKey")) if isinstance(key, str))
    return _deployment(fields, next((SecretStr(key) for key in keys if key), None))
