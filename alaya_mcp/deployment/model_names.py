"""Which model name selects which model. Pure.

vLLM expects an adapter's bare name. SGLang expects `base:adapter` and silently answers a bare adapter name with the
base model (engines' sources and recorded exchanges), so the engine determines the exact form.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, Literal, cast

from alaya_mcp.deployment.launch import shown_flags, shown_image, words_of
from alaya_mcp.deployment.spelling import most_like
from alaya_mcp.deployment.wire import Deployment, WrongShape, json_value
from alaya_mcp.errors import ModelNotServed
from alaya_mcp.printable import printable
from alaya_mcp.results import Engine

_MOST_NAMES: Final = 20
_ENGINE_WORD: Final = re.compile(r"(?:^|[^a-z0-9])(vllm|sglang|sgl)(?:$|[^a-z0-9])")


@dataclass(frozen=True, slots=True)
class Names:
    """The names that a deployment serves, by one source.

    Attributes:
        engine: Determines the exact form of an adapter's name.
        base: Names of the base model, the primary one first.
        adapters: Adapters' bare names.
        is_lora_service: Whether the adapters are the deployment's own names, used unchanged.
        is_whole: Whether the source could be read completely, so that a missing name is not served.
    """

    engine: Engine
    base: tuple[str, ...]
    adapters: tuple[str, ...]
    is_lora_service: bool = False
    is_whole: bool = True

    def exact(self, adapter: str) -> str:
        """Return the model name that selects the adapter."""
        return f"{self.base[0]}:{adapter}" if self.engine == "sglang" and self.base else adapter

    @property
    def models(self) -> tuple[str, ...]:
        """Every value that chat's `model` accepts, each once."""
        return tuple(dict.fromkeys([*self.base, *(self.exact(adapter) for adapter in self.adapters)]))

    @property
    def is_empty(self) -> bool:
        """Whether this source reports no names."""
        return not self.base and not self.adapters

    @property
    def lacks_base(self) -> bool:
        """Whether this source lacks the name of the base model."""
        return not self.base and not self.is_lora_service

    def find(self, wanted: str) -> "Model | None":
        """Return the model with this exact name or bare adapter name, else None.

        None also for an adapter whose exact form is unknown: SGLang takes a bare name for the base model.
        """
        if wanted in self.base:
            return Model(wanted, wanted)
        if self.engine == "sglang" and self.lacks_base:
            return None
        for adapter in self.adapters:
            exact = self.exact(adapter)
            if wanted in {adapter, exact}:
                return Model(wanted, exact, adapter)
        return None

    def default(self) -> "Model | None":
        """Return the model of the first base name, or of a LoRA service's own name; never another adapter."""
        first = next(iter(self.adapters if self.is_lora_service else self.base), None)
        return self.find(first) if first is not None else None


@dataclass(frozen=True, slots=True)
class Model:
    """A resolved model name.

    Attributes:
        asked: The caller's name, or the default.
        sent: The name that the engine expects.
        adapter: The adapter's bare name; None for the base model or if unknown.
    """

    asked: str
    sent: str
    adapter: str | None = None


def engine_in(text: str | None) -> Engine:
    """Return the engine named in an image, program, module or owner."""
    match = _ENGINE_WORD.search((text or "").lower())
    if match is None:
        return "unknown"
    return "vllm" if match.group(1) == "vllm" else "sglang"


def engine_of(image: str | None, *commands: Iterable[str]) -> Engine:
    """Return the engine by the image, else by the program or module at the start of the command."""
    by_image = engine_in(shown_image(image))
    if by_image != "unknown":
        return by_image
    for command in commands:
        for word in words_of(command):
            if word.startswith("--"):
                break
            if (engine := engine_in(word)) != "unknown":
                return engine
    return "unknown"


def deployment_engine(deployment: Deployment) -> Engine:
    """Return the engine by QuickStart's backend, else by the image's or program's name."""
    by_form: Engine = engine_in(deployment.quick_start.backend) if deployment.quick_start else "unknown"
    if by_form != "unknown" or not deployment.expert:
        return by_form
    nodes = [node for node in (deployment.expert.head, deployment.expert.worker) if node]
    for node in nodes:
        if (engine := engine_of(node.image, node.cmd, node.args)) != "unknown":
            return engine
    return "unknown"


def _launch_flags(deployment: Deployment) -> list[str]:
    commands = [deployment.quick_start.backend_args] if deployment.quick_start else []
    if deployment.expert:
        nodes = [node for node in (deployment.expert.head, deployment.expert.worker) if node]
        commands += [command for node in nodes for command in (node.cmd, node.args)]
    return shown_flags(*commands)


def parses_reasoning(deployment: Deployment) -> bool:
    """Return whether its engine is started with a reasoning parser."""
    return any(flag.startswith("--reasoning-parser") for flag in _launch_flags(deployment))


def adapters_of(deployment: Deployment) -> tuple[str, ...]:
    """Return the adapter names of all instances, in first-seen order, or a LoRA service's own names."""
    if deployment.is_lora_service and deployment.served_names:
        return tuple(deployment.served_names)
    return tuple(dict.fromkeys(name for instance in deployment.instances for name in instance.lora_models))


def deployment_names(deployment: Deployment) -> Names:
    """Return the names that the control plane reports."""
    return deployment.once(_names)


def _names(deployment: Deployment) -> Names:
    base = () if deployment.is_lora_service else tuple(deployment.served_names)
    adapters = tuple(name for name in adapters_of(deployment) if name not in base)
    return Names(deployment_engine(deployment), base, adapters, deployment.is_lora_service)


def names_in(body: bytes) -> Names:
    """Return the names in an engine's `/v1/models`: OpenAI's shape, a bare list, or Ollama's.

    Raises:
        WrongShape: it has no readable name.
    """
    answer = json_value(body)
    fields = cast("dict[str, Any]", answer) if isinstance(answer, dict) else {"models": answer}
    key = "data" if "data" in fields else "models"
    if not isinstance(fields.get(key), list):
        raise WrongShape("json_of_wrong_shape")
    rows = cast("list[Any]", fields[key])
    base: list[str] = []
    adapters: list[str] = []
    owner = ""
    for row in rows:
        model = cast("dict[str, Any]", row) if isinstance(row, dict) else {}
        name = model.get("id", model.get("name"))
        if isinstance(name, str) and printable(name):
            (adapters if model.get("parent") else base).append(printable(name))
            owner = owner or str(model.get("owned_by") or "")
    if not base and not adapters:
        raise WrongShape("model_names_unreadable")
    is_whole = key == "data" and not fields.get("has_more") and len(base) + len(adapters) == len(rows)
    engine = engine_in(owner)
    if engine == "sglang" and not adapters:  # one served name; the others without a parent are its adapters
        base, adapters = base[:1], base[1:]
    return Names(engine, tuple(dict.fromkeys(base)), tuple(dict.fromkeys(adapters)), is_whole=is_whole)


def together(reported: Names, served: Names) -> Names:
    """Return the names reported by the control plane combined with those that the engine lists."""
    base = tuple(dict.fromkeys([*reported.base, *(name for name in served.base if name not in reported.adapters)]))
    adapters = tuple(name for name in dict.fromkeys([*reported.adapters, *served.adapters]) if name not in base)
    engine = reported.engine if reported.engine != "unknown" else served.engine
    return Names(engine, base, adapters, reported.is_lora_service)


Surprise = Literal["adapter_not_used", "answered_by_stranger"]
"""Which other model answered: not the requested adapter, or none of the served names."""


def served_by_surprise(model: Model, served_by: str | None, names: Names) -> Surprise | None:
    """Return the surprise if another model than the requested one answered, else None.

    An engine reports its primary name for an alias, so a base model's other names are no surprise.
    """
    if served_by is None or served_by in {model.sent, model.asked, model.adapter}:
        return None
    if model.adapter is not None:
        return "adapter_not_used"
    if names.is_empty or served_by in names.models or served_by in names.adapters:
        return None
    return "answered_by_stranger"


def launch_name(deployment: Deployment) -> str | None:
    """Return the launch flag that names the served model, as a clause; None if there is none.

    A flag may be overridden elsewhere, so it is a hint (vLLM serves `--model` under its full value).
    """
    flags = [flag.partition("=") for flag in _launch_flags(deployment)]
    values = {name.replace("_", "-"): value for name, _, value in flags if value}
    named = next((name for name in ("--served-model-name", "--model", "--model-path") if name in values), None)
    return f"{named} says {values[named]}" if named else None


def suggestion(wanted: str, served: Iterable[str]) -> tuple[str, tuple[str, ...], int]:
    """Return the probably intended name, the served names with the nearest first, and how many there are."""
    known = tuple(dict.fromkeys(served))
    head, _, tail = wanted.rpartition(":")  # base:adapter is about the adapter
    called = {name: (name, name.rpartition(":")[2]) for name in known}
    near = most_like(tail, called, _MOST_NAMES)
    if head and not near:
        near = most_like(wanted, {name: [name] for name in known if name != head}, _MOST_NAMES)
    candidates = tuple(dict.fromkeys([*near, *known]))[:_MOST_NAMES]
    return next(iter(near), ""), candidates, len(known)


def not_served(wanted: str, served: Iterable[str], title: str) -> ModelNotServed:
    """Return the error for a name that neither side reports.

    Args:
        wanted: The name.
        served: All served names.
        title: The deployment's name.
    """
    near, candidates, count = suggestion(wanted, served)
    return ModelNotServed(
        "model_unknown",
        name=title,
        model=printable(wanted),
        near=near,
        candidates=candidates,
        count=count,
    )
