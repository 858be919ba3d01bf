"""Choosing the model for a chat: by the control plane's names, then by the engine's own."""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from alaya_mcp.deadline import Deadline
from alaya_mcp.deployment.model_names import (
    ASK_FOR_ONE,
    Model,
    Names,
    deployment_names,
    not_served,
    suggestion,
    together,
)
from alaya_mcp.deployment.wire import Deployment
from alaya_mcp.errors import AlayaError, ModelNotServed, UnexpectedResponse
from alaya_mcp.upstream.client import AlayaClient, Engine
from alaya_mcp.upstream.failures import Failure

_MODELS_SECONDS: Final = 5.0
"""For /v1/models where the chat can go on without it; a healthy engine answers it in milliseconds."""
_LOOK_SECONDS: Final = 2.0
"""The same, where only the form of an adapter's name depends on it."""
_NOT_FOUND: Final = 404
_MOST: Final = 1_000
"""Engines whose names are kept."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The model to ask.

    Attributes:
        model: As resolved.
        names: Everything known of the deployment's names.
        warnings: Doubts about it.
    """

    model: Model
    names: Names
    warnings: tuple[str, ...] = ()


class ServedNames:
    """What engines list of their names, each kept as long as the lookup of the deployment that led to it."""

    def __init__(self, client: AlayaClient) -> None:
        self._client = client
        self._kept: OrderedDict[str, tuple[Deployment, Names | None]] = OrderedDict()

    def has_asked(self, deployment: Deployment, engine: Engine) -> bool:
        """Return whether the engine was asked since the deployment was looked up, whatever came of it."""
        return self._kept.get(engine.subject.service_id, (None, None))[0] is deployment

    def kept(self, deployment: Deployment, engine: Engine) -> Names | None:
        """Return what the engine listed when last asked, if the deployment has not been looked up anew since."""
        return self._kept[engine.subject.service_id][1] if self.has_asked(deployment, engine) else None

    async def asked(self, deployment: Deployment, engine: Engine, deadline: Deadline) -> Names:
        """Return what the engine lists now.

        Raises:
            Failure, AlayaError: as `AlayaClient.served_names`.
        """
        self._keep(deployment, engine, self.kept(deployment, engine))
        names = await self._client.served_names(engine, deadline)
        self._keep(deployment, engine, names)
        return names

    def _keep(self, deployment: Deployment, engine: Engine, names: Names | None) -> None:
        self._kept.pop(engine.subject.service_id, None)
        self._kept[engine.subject.service_id] = deployment, names
        if len(self._kept) > _MOST:
            self._kept.popitem(last=False)


async def choose_model(
    wanted: str | None, deployment: Deployment, engine: Engine, served: ServedNames, deadline: Deadline
) -> Choice:
    """Return the model for `wanted`, or the default.

    The engine is asked once where the control plane does not know the name, or not which engine takes an adapter's.

    Raises:
        ModelNotServed: neither side knows the name; nothing was generated.
        Failure, AlayaError: no name is known anywhere and the engine could not be asked.
    """
    told = deployment_names(deployment)
    kept = served.kept(deployment, engine)
    known = together(told, kept) if kept else told
    found = known.find(wanted) if wanted else known.default()
    if found and (not _doubts(found, known) or served.has_asked(deployment, engine)):
        return Choice(found, known, _doubts(found, known))
    limit = deadline if wanted is None and not found else deadline.sooner(_LOOK_SECONDS if found else _MODELS_SECONDS)
    try:
        asked = await served.asked(deployment, engine, limit)
    except (AlayaError, Failure) as error:
        if found:
            return Choice(found, known, _doubts(found, known))
        if wanted is None:
            raise _without_default(error) from None
        return Choice(Model(wanted, wanted), told, (_unread(wanted, told),))
    names = together(told, asked)
    found = names.find(wanted) if wanted else names.default()
    if found is not None:
        return Choice(found, names, _doubts(found, names))
    if wanted and not asked.is_whole:
        return Choice(Model(wanted, wanted), names, (_unread(wanted, told),))
    if wanted:
        neither = "The name is in neither the control plane nor the engine's /v1/models."
        raise not_served(wanted, _served(deployment, asked), _title(deployment, engine.subject.service_id), neither)
    raise _no_default()


def _title(deployment: Deployment, service_id: str) -> str:
    return deployment.name or service_id


def _served(deployment: Deployment, listed: Names | None) -> tuple[str, ...]:
    """The names that a chat can ask: those that the engine lists, and adapters that other instances may have."""
    told = deployment_names(deployment)
    if listed is None:
        return told.models
    names = together(told, listed)
    has = {*listed.base, *listed.adapters}
    for adapter in told.adapters:
        holding, ready = loaded_on(Model(adapter, adapter, adapter), deployment)
        if 0 < holding < ready:
            has.add(adapter)
    base = tuple(name for name in names.base if name in has)
    return tuple(dict.fromkeys([*base, *(names.exact(name) for name in names.adapters if name in has)]))


def _unread(wanted: str, told: Names) -> str:
    """The doubt about a name that is sent as it is, because the engine's own list could not be read."""
    if wanted in told.adapters:
        return (
            f"SGLang takes {wanted} together with the base model's name, which is not known (/v1/models could not be "
            "read): the base model may have answered in its place."
        )
    return f"{wanted} is not a name that the control plane reports, and the engine's /v1/models could not be read."


def _doubts(model: Model, names: Names) -> tuple[str, ...]:
    if model.adapter is None or names.engine != "unknown":
        return ()
    doubt = f"The engine is not known, so the adapter was asked for as {model.sent}, as vLLM takes it"
    return (f"{doubt}; SGLang would have needed base-name:adapter.",)


def _without_default(error: AlayaError | Failure) -> AlayaError | Failure:
    """What ends a chat whose model nobody knows: no list of models, else what kept it from being read."""
    has_no_list = isinstance(error, UnexpectedResponse) or (isinstance(error, Failure) and error.status == _NOT_FOUND)
    return _no_default() if has_no_list else error


def _no_default() -> ModelNotServed:
    return ModelNotServed(
        "No served name of this deployment is known: neither the control plane nor the engine's /v1/models has one.",
        next_step="Pass the served name as model; it is what the deployment was given in the Alaya NeW console.",
        plane="data",
    )


def loaded_on(model: Model, deployment: Deployment) -> tuple[int, int]:
    """(base-ready instances that hold the adapter, base-ready instances); both 0 for a base model."""
    if model.adapter is None:
        return 0, 0
    ready = [instance for instance in deployment.instances if instance.base_model_ready is True]
    return sum(model.adapter in instance.lora_models for instance in ready), len(ready)


async def listed_names(
    client: AlayaClient, deployment: Deployment, service_id: str, deadline: Deadline
) -> Names | None:
    """Return what the engine lists, for an error that is to name what is served; None where it cannot be had."""
    try:
        return await client.served_names(client.engine(deployment, service_id), deadline.sooner(_MODELS_SECONDS))
    except (AlayaError, Failure):
        return None


def unserved(
    wanted: str | None, deployment: Deployment, error: ModelNotServed, listed: Names | None = None
) -> ModelNotServed:
    """Return the engine's refusal of a name, with what the control plane reports and the engine lists about it."""
    names = deployment_names(deployment)
    names = together(names, listed) if listed else names
    model = names.find(wanted) if wanted else names.default()
    sent = model.sent if model else wanted or ""
    served = _served(deployment, listed)
    instead, candidates = suggestion(wanted or sent, (name for name in served if name != sent))
    holding, ready = loaded_on(model, deployment) if model else (0, 0)
    next_step = ASK_FOR_ONE if candidates else "Check the deployment's served name in the Alaya NeW console."
    if model and model.adapter is not None and ready:
        detail = (
            f"The control plane reports {model.adapter} as loaded on {holding} of {ready} instances that are ready."
        )
        if 0 < holding < ready:
            next_step = (
                "Each try reached an instance without it. Have the adapter loaded on every instance (list_lora_models "
                "shows ready_on), or pass one of the other names."
            )
    elif listed and sent in served:
        detail = f'The engine lists "{sent}" all the same.'
    elif model:
        detail = f'The control plane reports "{sent}"{", but the engine does not list it" if listed else ""}.'
    else:
        detail = ""
    full = ModelNotServed(
        " ".join(filter(None, (error.message, detail, instead))),
        next_step=next_step,
        plane=error.plane,
        http_status=error.http_status,
        candidates=candidates,
    )
    if wanted is None:
        full.next_step = "Pass one of these as model, exactly as written." if candidates else next_step
    return full
