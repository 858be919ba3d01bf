"""Choosing the model for a chat: by the control plane's names, then by the engine's own."""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from alaya_mcp.deadline import Deadline
from alaya_mcp.deployment.names import Model, Names, deployment_names, not_served, together
from alaya_mcp.deployment.wire import Deployment
from alaya_mcp.errors import AlayaError, ModelNotServed, UnexpectedResponse
from alaya_mcp.upstream.client import AlayaClient, Engine
from alaya_mcp.upstream.failures import Failure

_MODELS_SECONDS: Final = 5.0
"""For /v1/models where the chat can go on without it; a healthy engine answers it in milliseconds."""
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
    """What engines tell of their names, each kept as long as the lookup of the deployment that led to it."""

    def __init__(self, client: AlayaClient) -> None:
        self._client = client
        self._kept: OrderedDict[str, tuple[Deployment, Names]] = OrderedDict()

    def kept(self, deployment: Deployment, engine: Engine) -> Names | None:
        """What the engine told when last asked, if the deployment has not been looked up anew since."""
        looked_up, names = self._kept.get(engine.subject.service_id, (None, None))
        return names if looked_up is deployment else None

    async def asked(self, deployment: Deployment, engine: Engine, deadline: Deadline) -> Names:
        """What the engine tells now.

        Raises:
            Failure, AlayaError: as `AlayaClient.served_names`.
        """
        names = await self._client.served_names(engine, deadline)
        self._kept.pop(engine.subject.service_id, None)
        self._kept[engine.subject.service_id] = deployment, names
        if len(self._kept) > _MOST:
            self._kept.popitem(last=False)
        return names


async def choose_model(
    wanted: str | None, deployment: Deployment, engine: Engine, served: ServedNames, deadline: Deadline
) -> Choice:
    """The model for `wanted`, or the default; the engine is asked once, where the control plane does not know.

    Raises:
        ModelNotServed: neither side knows the name; nothing was generated.
        Failure, AlayaError: no name is known anywhere and the engine could not be asked.
    """
    told = deployment_names(deployment)
    found = told.find(wanted) if wanted else told.default()
    if found is not None:
        return Choice(found, told, _doubts(found, told))
    if kept := served.kept(deployment, engine):
        names = together(told, kept)
        if found := names.find(wanted) if wanted else names.default():
            return Choice(found, names, _doubts(found, names))
    limit = deadline if wanted is None else deadline.sooner(_MODELS_SECONDS)
    try:
        asked = await served.asked(deployment, engine, limit)
    except (AlayaError, Failure) as error:
        if wanted is None:
            raise _without_default(error) from None
        return Choice(Model(wanted, wanted), told, (_unread(wanted, told),))
    names = together(told, asked)
    found = names.find(wanted) if wanted else names.default()
    if found is None:
        neither = " Neither the control plane nor the engine's own list (/v1/models) tells it."
        raise not_served(wanted, names.models, neither) if wanted else _no_default()
    return Choice(found, names, _doubts(found, names))


def _unread(wanted: str, told: Names) -> str:
    """The doubt about a name that is sent as it is, because the engine's own list could not be read."""
    if wanted in told.adapters:
        return (
            f"SGLang takes {wanted} together with the base model's name, which nobody told (/v1/models could not be "
            "read): the base model may have answered in its place."
        )
    return f"{wanted} is not a name that the control plane tells, and the engine's /v1/models could not be read."


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
        "No served name of this deployment is known: neither the control plane nor the engine's /v1/models tells one.",
        next_step="Pass the served name as model; it is what the deployment was given in the Alaya NeW console.",
        plane="data",
    )


def loaded_on(model: Model, deployment: Deployment) -> tuple[int, int]:
    """(base-ready instances that hold the adapter, base-ready instances); both 0 for a base model."""
    if model.adapter is None:
        return 0, 0
    ready = [instance for instance in deployment.instances if instance.base_model_ready is True]
    return sum(model.adapter in instance.lora_models for instance in ready), len(ready)


def unserved(wanted: str | None, deployment: Deployment, error: ModelNotServed) -> ModelNotServed:
    """The engine's refusal of a name, with what the control plane tells about it."""
    names = deployment_names(deployment)
    model = names.find(wanted) if wanted else names.default()
    others = [name for name in names.models if model is None or name != model.sent]
    if model is None:
        full = not_served(wanted or "", others, f" {error.message}")
    elif model.adapter is not None and deployment.instances:
        holding, ready = loaded_on(model, deployment)
        where = f"the LoRA {model.adapter} is loaded on {holding} of {ready} instances that are ready"
        full = not_served(model.sent, others, f" The control plane says that {where}. {error.message}")
        if 0 < holding < ready:
            full.next_step = (
                "Each try reached an instance without it. Have the adapter loaded on every instance (list_lora_models "
                "shows ready_on), or pass one of the other names."
            )
    else:
        disagree = " The control plane tells this name, but the engine does not know it."
        full = not_served(model.sent, others, f"{disagree} {error.message}")
    if wanted is None:
        full.next_step = "Pass a name that the engine serves as model; the control plane's is not one."
    full.plane, full.http_status = error.plane, error.http_status
    return full
