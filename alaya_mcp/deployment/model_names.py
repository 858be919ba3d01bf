"""Which string reaches which model. Pure.

vLLM takes an adapter by its bare name; SGLang takes `base:adapter` and silently answers a bare adapter name
with the base model (engines' sources and recorded exchanges), so the engine decides the exact form.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

from alaya_mcp.deployment.launch import engine_in, engine_of, shown_flags
from alaya_mcp.deployment.reference import most_like
from alaya_mcp.deployment.wire import Deployment
from alaya_mcp.errors import ModelNotServed
from alaya_mcp.printable import printable
from alaya_mcp.results import Engine

_MOST_NAMES: Final = 20


@dataclass(frozen=True, slots=True)
class Names:
    """What a deployment answers to, by one source.

    Attributes:
        engine: Decides the exact form of an adapter's name.
        base: Names of the base model, the primary one first.
        adapters: Adapters' bare names.
        is_lora_service: Whether the adapters are the deployment's own names, taken as they are.
        is_whole: Whether all of the source could be read, so that a name that is not here is not there.
    """

    engine: Engine
    base: tuple[str, ...]
    adapters: tuple[str, ...]
    is_lora_service: bool = False
    is_whole: bool = True

    def exact(self, adapter: str) -> str:
        """The string that makes the engine use the adapter."""
        return f"{self.base[0]}:{adapter}" if self.engine == "sglang" and self.base else adapter

    @property
    def models(self) -> tuple[str, ...]:
        """Every string that chat's model takes, each once."""
        return tuple(dict.fromkeys([*self.base, *(self.exact(adapter) for adapter in self.adapters)]))

    @property
    def is_empty(self) -> bool:
        """Whether this source tells no name at all."""
        return not self.base and not self.adapters

    @property
    def lacks_base(self) -> bool:
        """Whether there must be a base name that this source does not tell."""
        return not self.base and not self.is_lora_service

    def find(self, wanted: str) -> "Model | None":
        """The model that a name stands for: exact, or an adapter's bare name.

        None too for an adapter whose exact form cannot be made: SGLang takes a bare name for the base model.
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
        """The first base served name, of a LoRA service its own; never an adapter that nobody asked for."""
        first = next(iter(self.adapters if self.is_lora_service else self.base), None)
        return self.find(first) if first is not None else None


@dataclass(frozen=True, slots=True)
class Model:
    """A name resolved.

    Attributes:
        asked: As the caller said it, or the name chosen.
        sent: As the engine takes it.
        adapter: The adapter's bare name, or None for the base model or where that is not known.
    """

    asked: str
    sent: str
    adapter: str | None = None


def deployment_engine(deployment: Deployment) -> Engine:
    """QuickStart's backend, else the image's or program's name."""
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
    """Return whether its engine is started with a parser that parts the thinking from the reply."""
    return any(flag.startswith("--reasoning-parser") for flag in _launch_flags(deployment))


def adapters_of(deployment: Deployment) -> tuple[str, ...]:
    """Adapter names over all instances, in first-seen order; a LoRA service's own names."""
    if deployment.is_lora_service and deployment.served_names:
        return tuple(deployment.served_names)
    return tuple(dict.fromkeys(name for instance in deployment.instances for name in instance.lora_models))


def deployment_names(deployment: Deployment) -> Names:
    """The names that the control plane tells."""
    base = () if deployment.is_lora_service else tuple(deployment.served_names)
    adapters = tuple(name for name in adapters_of(deployment) if name not in base)
    return Names(deployment_engine(deployment), base, adapters, deployment.is_lora_service)


def together(told: Names, served: Names) -> Names:
    """What the control plane and the engine's own list tell between them."""
    base = tuple(dict.fromkeys([*told.base, *(name for name in served.base if name not in told.adapters)]))
    adapters = tuple(name for name in dict.fromkeys([*told.adapters, *served.adapters]) if name not in base)
    engine = told.engine if told.engine != "unknown" else served.engine
    return Names(engine, base, adapters, told.is_lora_service)


Surprise = Literal["adapter_not_used", "answered_by_stranger"]
"""Who answered in place of the model that was asked: another one than the adapter, or none of the served names."""


def served_by_surprise(model: Model, served_by: str | None, names: Names) -> Surprise | None:
    """Return what is wrong where the answer came from another model than was asked, else None.

    An engine answers to an alias with its primary name, so a base model's other names are no surprise.
    """
    if served_by is None or served_by in {model.sent, model.asked, model.adapter}:
        return None
    if model.adapter is not None:
        return "adapter_not_used"
    if names.is_empty or served_by in names.models or served_by in names.adapters:
        return None
    return "answered_by_stranger"


def launch_name(deployment: Deployment) -> str | None:
    """Return what the launch flags say the served name is, in words; None where they name none.

    A flag may be overridden where the launch is not seen, so it is a hint (vLLM serves `--model` as it stands there).
    """
    flags = [flag.partition("=") for flag in _launch_flags(deployment)]
    values = {name.replace("_", "-"): value for name, _, value in flags if value}
    named = next((name for name in ("--served-model-name", "--model", "--model-path") if name in values), None)
    return f"{named} says {values[named]}" if named else None


def suggestion(wanted: str, served: Iterable[str]) -> tuple[str, tuple[str, ...], int]:
    """Return the name that was probably meant, those there are, the nearest first, and how many there are in all."""
    known = tuple(dict.fromkeys(served))
    head, _, tail = wanted.rpartition(":")  # base:adapter is about the adapter
    called = {name: (name, name.rpartition(":")[2]) for name in known}
    near = most_like(tail, called, _MOST_NAMES)
    if head and not near:
        near = most_like(wanted, {name: [name] for name in known if name != head}, _MOST_NAMES)
    candidates = tuple(dict.fromkeys([*near, *known]))[:_MOST_NAMES]
    return next(iter(near), ""), candidates, len(known)


def not_served(wanted: str, served: Iterable[str], title: str) -> ModelNotServed:
    """Return the error for a name that neither side knows.

    Args:
        wanted: The name.
        served: Every name that is served.
        title: What the deployment is called.
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
