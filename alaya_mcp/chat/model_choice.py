"""Choose the model for a chat by the control plane's names, then by the engine's."""

from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import Final

from alaya_mcp.chat.remark import Remark
from alaya_mcp.deadline import Deadline
from alaya_mcp.deployment.model_names import (
    Model,
    Names,
    deployment_names,
    not_served,
    suggestion,
    together,
)
from alaya_mcp.deployment.wire import Deployment
from alaya_mcp.errors import AlayaError, ModelNotServed, UnexpectedResponse, UpstreamTimeout
from alaya_mcp.observer import OTHER
from alaya_mcp.printable import printable
from alaya_mcp.upstream.client import AlayaClient, Engine
from alaya_mcp.upstream.failures import Failure

_MODELS_SECONDS: Final = 5.0
"""For /v1/models if the chat can continue without it; a healthy engine answers in milliseconds."""
_LOOK_SECONDS: Final = 2.0
"""The same, if only the form of an adapter's name depends on it."""
_NOT_FOUND: Final = 404
_MOST: Final = 1_000
"""Engines whose names are cached."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The model to ask.

    Attributes:
        model: As resolved.
        names: All known names of the deployment.
        remarks: Doubts about it.
    """

    model: Model
    names: Names
    remarks: tuple[Remark, ...] = ()

    @property
    def known_name(self) -> str:
        """The name that is sent, if either side reports it: another is the caller's own words."""
        return self.model.sent if self.names.find(self.model.asked) else OTHER


class ServedNames:
    """The names that engines list, each cached as long as the deployment's lookup."""

    def __init__(self, client: AlayaClient) -> None:
        self._client = client
        self._kept: OrderedDict[str, tuple[Deployment, Names | None]] = OrderedDict()

    def has_asked(self, deployment: Deployment, engine: Engine) -> bool:
        """Return whether the engine was asked since the deployment was looked up, even if it failed."""
        return self._kept.get(engine.service_id, (None, None))[0] is deployment

    def kept(self, deployment: Deployment, engine: Engine) -> Names | None:
        """Return the names that the engine last listed, unless the deployment was looked up again since."""
        return self._kept[engine.service_id][1] if self.has_asked(deployment, engine) else None

    async def asked(self, deployment: Deployment, engine: Engine, deadline: Deadline) -> Names:
        """Return the names that the engine lists now.

        Raises:
            Failure, AlayaError: as `AlayaClient.served_names`.
        """
        if not deadline.remaining():  # a connection that is given up as it begins is not closed at once
            raise UpstreamTimeout("no_answer", plane="data", seconds=deadline.budget, service_id=engine.service_id)
        self._keep(deployment, engine, self.kept(deployment, engine))
        names = await self._client.served_names(engine, deadline)
        self._keep(deployment, engine, names)
        return names

    def _keep(self, deployment: Deployment, engine: Engine, names: Names | None) -> None:
        self._kept.pop(engine.service_id, None)
        self._kept[engine.service_id] = deployment, names
        if len(self._kept) > _MOST:
            self._kept.popitem(last=False)


async def choose_model(
    wanted: str | None, deployment: Deployment, engine: Engine, served: ServedNames, deadline: Deadline
) -> Choice:
    """Return the model for `wanted`, or the default.

    The engine is asked once if the control plane does not report the name, or the engine that an adapter's name needs.

    Raises:
        ModelNotServed: neither side reports the name; nothing was generated.
        Failure, AlayaError: no name is known and the engine could not be asked.
    """
    title = deployment.name or engine.service_id
    reported = deployment_names(deployment)
    kept = served.kept(deployment, engine)
    known = together(reported, kept) if kept else reported
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
            raise _without_default(error, title) from None
        return Choice(Model(wanted, wanted), reported, (_unread(wanted, reported),))
    names = together(reported, asked)
    found = names.find(wanted) if wanted else names.default()
    if found is not None:
        return Choice(found, names, _doubts(found, names))
    if wanted and not asked.is_whole:
        return Choice(Model(wanted, wanted), names, (_unread(wanted, reported),))
    if wanted:
        raise not_served(wanted, _served(deployment, asked), title)
    raise _no_default(title)


def _served(deployment: Deployment, listed: Names | None) -> tuple[str, ...]:
    """Return the names that a chat can use: those that the engine lists, and adapters on other instances."""
    reported = deployment_names(deployment)
    if listed is None:
        return reported.models
    names = together(reported, listed)
    has = {*listed.base, *listed.adapters}
    for adapter in reported.adapters:
        holding, ready = loaded_on(Model(adapter, adapter, adapter), deployment)
        if 0 < holding < ready:
            has.add(adapter)
    base = tuple(name for name in names.base if name in has)
    return tuple(dict.fromkeys([*base, *(names.exact(name) for name in names.adapters if name in has)]))


def _unread(wanted: str, reported: Names) -> Remark:
    """Return the remark about a name sent unchanged because the engine's list could not be read."""
    return Remark("base_name_unknown" if wanted in reported.adapters else "name_unlisted", name=wanted)


def _doubts(model: Model, names: Names) -> tuple[Remark, ...]:
    if model.adapter is None or names.engine != "unknown":
        return ()
    return (Remark("engine_unknown", name=model.sent),)


def _without_default(error: AlayaError | Failure, title: str) -> AlayaError | Failure:
    """Return the error of a chat without a known model: no list of models, or why it could not be read."""
    has_no_list = isinstance(error, UnexpectedResponse) or (isinstance(error, Failure) and error.status == _NOT_FOUND)
    return _no_default(title) if has_no_list else error


def _no_default(title: str) -> ModelNotServed:
    return ModelNotServed("no_model_known", plane="data", name=title)


def loaded_on(model: Model, deployment: Deployment) -> tuple[int, int]:
    """Return (base-ready instances that hold the adapter, base-ready instances); both 0 for a base model."""
    if model.adapter is None:
        return 0, 0
    ready = [instance for instance in deployment.instances if instance.base_model_ready is True]
    return sum(model.adapter in instance.lora_models for instance in ready), len(ready)


async def listed_names(
    client: AlayaClient, deployment: Deployment, service_id: str, deadline: Deadline
) -> Names | None:
    """Return the names that the engine lists, for an error message; None if they cannot be read."""
    try:
        return await client.served_names(client.engine(deployment, service_id), deadline.sooner(_MODELS_SECONDS))
    except (AlayaError, Failure):
        return None


def unserved(
    wanted: str | None, deployment: Deployment, error: ModelNotServed, listed: Names | None = None
) -> ModelNotServed:
    """Return the engine's refusal of a name, with what the control plane and the engine report about it."""
    names = deployment_names(deployment)
    names = together(names, listed) if listed else names
    model = names.find(wanted) if wanted else names.default()
    sent = model.sent if model else wanted or ""
    served = _served(deployment, listed)
    near, candidates, count = suggestion(wanted or sent, (name for name in served if name != sent))
    holding, ready = loaded_on(model, deployment) if model else (0, 0)
    cause = "model_refused"
    if model and model.adapter is not None and ready:
        cause = "adapter_partly_loaded" if 0 < holding < ready else "adapter_refused"
    elif listed and sent in served:
        cause = "model_refused_though_listed"
    elif model:
        cause = "model_unlisted" if listed else "model_refused_though_reported"
    return replace(
        error,
        cause=cause,
        model=printable(sent),
        source=model.adapter or "" if model else "",
        is_chosen=wanted is None,
        ready=holding,
        instances=ready,
        near=near,
        candidates=candidates,
        count=count,
    )
