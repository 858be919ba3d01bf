"""Which models are compared: those that were named, or the base model and every available adapter."""

from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from alaya_mcp.accounts import Account
from alaya_mcp.chat.model_choice import ServedNames, choose_model
from alaya_mcp.deadline import Deadline
from alaya_mcp.deployment.model_names import deployment_names, together
from alaya_mcp.deployment.readiness import not_ready, readiness
from alaya_mcp.deployment.views import lora_list_result
from alaya_mcp.deployment.wire import Deployment
from alaya_mcp.errors import AlayaError
from alaya_mcp.results import Kind
from alaya_mcp.upstream.client import Engine
from alaya_mcp.upstream.explain import explain
from alaya_mcp.upstream.failures import Failure

BASE: Final = "base"
"""The base model, whatever its name is; an adapter of this name comes first."""
_LIST_SECONDS: Final = 5.0
"""For the engine's list of models; a healthy engine answers in milliseconds."""


@dataclass(frozen=True, slots=True)
class ComparedModel:
    """One model of a comparison.

    Attributes:
        name: The exact name, as chat's `model` takes it.
        kind: Whether it is the base model or an adapter.
    """

    name: str
    kind: Kind


async def compared_models(
    account: Account, service_id: str, deployment: Deployment, asked: tuple[str, ...], deadline: Deadline
) -> tuple[ComparedModel, ...]:
    """Return the models to compare, each once, in the order in which they were named.

    Args:
        account: Whose deployment it is.
        service_id: The deployment's id.
        deployment: Its state.
        asked: Served names, adapters' names, or `base`; empty for the base model and every available adapter.
        deadline: For asking the engine, where the control plane does not report a name.

    Raises:
        DeploymentNotReady: it cannot answer now.
        ModelNotServed: a name is unknown; with the nearest.
        AlayaError: the engine's address is unusable, or no name is known and the engine could not be asked.
    """
    if not readiness(deployment).ready:
        raise not_ready(deployment, service_id)
    engine = account.client.engine(deployment, service_id)
    served = ServedNames(account.client)
    found: dict[str, ComparedModel] = {}
    for name in asked or await _available(deployment, engine, served, deadline):
        try:
            choice = await choose_model(_named(name, deployment), deployment, engine, served, deadline)
        except Failure as failure:
            raise explain(failure, engine.subject) from None
        model = choice.model
        is_adapter = model.adapter is not None or deployment.is_lora_service
        found.setdefault(model.sent, ComparedModel(model.sent, "lora" if is_adapter else "base"))
    return tuple(found.values())


def _named(name: str, deployment: Deployment) -> str | None:
    """Return the name to look for, None for the base model."""
    return None if name == BASE and deployment_names(deployment).find(BASE) is None else name


async def _available(
    deployment: Deployment, engine: Engine, served: ServedNames, deadline: Deadline
) -> tuple[str, ...]:
    """Return the base model and the adapters that can answer, also those that only the engine lists."""
    names = deployment_names(deployment)
    with suppress(AlayaError, Failure):  # the control plane's list is enough
        names = together(names, await served.asked(deployment, engine, deadline.sooner(_LIST_SECONDS)))
    reported = lora_list_result(deployment, engine.service_id).lora_models
    absent = {row.name for row in reported if row.available == "none"}
    adapters = tuple(name for name in names.adapters if name not in absent)
    return adapters if names.is_lora_service else (BASE, *adapters)
