"""Which models are compared: those that were named, or the base model and every available adapter."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final

from alaya_mcp.accounts import Account
from alaya_mcp.chat.model_choice import Choice, ServedNames, choose_model
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
"""For the engine's lists of models together; a healthy engine answers in milliseconds."""


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
        deadline: Of the call. The engine's list is waited for much shorter, where the comparison can do without it.

    Raises:
        DeploymentNotReady: it cannot answer now.
        ModelNotServed: a name is unknown; with the nearest.
        AlayaError: the engine's address is unusable, or no name is known and the engine could not be asked.
    """
    try:
        return await _compared(account, service_id, deployment, asked, deadline)
    except AlayaError as error:
        raise replace(error, is_compared=True) from None


async def _compared(
    account: Account, service_id: str, deployment: Deployment, asked: tuple[str, ...], deadline: Deadline
) -> tuple[ComparedModel, ...]:
    if not readiness(deployment).ready:
        raise not_ready(deployment, service_id)
    engine = account.client.engine(deployment, service_id)
    served = ServedNames(account.client)
    listing = deadline.sooner(_LIST_SECONDS)
    names = [_named(name, deployment) for name in asked] or await _available(deployment, engine, served, listing)
    found: dict[str, ComparedModel] = {}
    for name in names:
        try:
            choice = await choose_model(name, deployment, engine, served, listing if name else deadline)
        except Failure as failure:
            raise explain(failure, engine.subject) from None
        found.setdefault(choice.model.sent, ComparedModel(choice.model.sent, _kind(choice, deployment)))
    return tuple(found.values())


def _named(name: str, deployment: Deployment) -> str | None:
    """Return the name to look for, None for the base model, which a LoRA service has none of its own of."""
    means_base = name == BASE and not deployment.is_lora_service and deployment_names(deployment).find(BASE) is None
    return None if means_base else name


def _kind(choice: Choice, deployment: Deployment) -> Kind:
    """Return the kind; a name that could not be looked up is an adapter's, unless no base model's is known."""
    model, names = choice.model, choice.names
    if model.sent in names.base:
        return "base"
    is_adapter = model.adapter is not None or deployment.is_lora_service or model.sent in names.adapters
    return "lora" if is_adapter or names.base else "base"


async def _available(
    deployment: Deployment, engine: Engine, served: ServedNames, deadline: Deadline
) -> Sequence[str | None]:
    """Return None for the base model, and the adapters that can answer, also those that only the engine lists."""
    reported = deployment_names(deployment)
    if reported.is_lora_service:  # its engine lists other adapters of its base too
        return reported.adapters or (None,)
    rows = lora_list_result(deployment, engine.service_id).lora_models
    absent = {row.name for row in rows if row.available == "none"}
    names = reported
    with suppress(AlayaError, Failure):  # the control plane's list is enough
        listed = await served.asked(deployment, engine, deadline)
        names = together(reported, listed)
        absent.difference_update(listed.adapters)
        if listed.is_whole and listed.adapters:  # a gateway may list the base model alone
            # One that some instances hold may be missing on the one that answered.
            everywhere = {row.name for row in rows if row.available == "all"}
            absent.update(everywhere.difference(listed.adapters, listed.base))
    return (None, *(name for name in names.adapters if name not in absent))
