"""The account's deployments, those that run or start with their adapters: one request each, eight at a time."""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace
from typing import Any, Final

import anyio

from alaya_mcp.accounts import Account
from alaya_mcp.config.settings import READ_BUDGET_SECONDS
from alaya_mcp.deadline import Deadline
from alaya_mcp.deployment.listing import Filters, shown_row
from alaya_mcp.deployment.readiness import Readiness, readiness
from alaya_mcp.deployment.views import lora_list_result
from alaya_mcp.deployment.wire import Deployment
from alaya_mcp.errors import AlayaError
from alaya_mcp.results import DeploymentRow, LoraModel
from alaya_mcp.upstream.deployment_lookup import MOST_ROWS

_AT_A_TIME: Final = 8
_ALL_SECONDS: Final = 120.0
"""For the pages of all deployments together."""

Progress = Callable[[int, int], None]
"""Receives how many of how many deployments have been read."""


@dataclass(frozen=True, slots=True)
class ListedDeployment:
    """One deployment.

    Attributes:
        row: As the list has it; of one that runs or starts, as its own page has it.
        readiness: Whether it can answer, and if not, why.
        adapters: Those that it reports.
        error: Why its own page could not be read.
    """

    row: DeploymentRow
    readiness: Readiness
    adapters: tuple[LoraModel, ...] = ()
    error: AlayaError | None = None

    @property
    def label(self) -> str:
        """Its name, else its id."""
        return self.row.name or self.row.service_id

    def fields(self) -> dict[str, Any]:
        """Return it for a program: as list_deployments has it, with the adapters as list_lora_models has them."""
        adapters = [each.model_dump(mode="json", exclude_none=True) for each in self.adapters]
        return {**self.row.model_dump(mode="json", exclude_none=True), "lora_models": adapters}


@dataclass(frozen=True, slots=True)
class DeploymentList:
    """What there is.

    Attributes:
        deployments: In the API's order.
        total: All of the account, those that do not match included; None if unknown.
        warnings: About the list itself.
    """

    deployments: tuple[ListedDeployment, ...]
    total: int | None
    warnings: tuple[str, ...]

    @property
    def loading(self) -> frozenset[str]:
        """The ids of those for which waiting helps."""
        return frozenset(each.row.service_id for each in self.deployments if each.readiness.may_pass)

    def has_lost(self, waited_for: Iterable[str]) -> bool:
        """Return whether one of these is neither ready nor loading by now, or gone."""
        good = {each.row.service_id for each in self.deployments if each.row.ready or each.readiness.may_pass}
        return not good.issuperset(waited_for)


async def listed(
    account: Account, filters: Filters, progress: Progress = lambda _done, _of: None, follow: Collection[str] = ()
) -> DeploymentList:
    """Return the deployments that match, 2,000 at most.

    Args:
        account: Whose they are.
        filters: What they have to match.
        progress: Receives its progress.
        follow: Ids of those that are returned even if they do not match any more.

    Raises:
        AlayaError: the list could not be read; each control-plane row of docs/errors.md.
    """
    walk = account.names.walk(Deadline.after(READ_BUDGET_SECONDS))
    rows: list[Deployment] = []
    warnings: list[str] = []
    looked_at = 0
    async for row in walk:
        looked_at += 1
        rows += [row] if filters.match(row) or row.service_id in follow else []
        if looked_at == MOST_ROWS:
            warnings.append(f"Only the first {MOST_ROWS} deployments were looked at.")
            break
    found = [_listed(row) for row in rows]
    until = Deadline.after(_ALL_SECONDS)
    alive = [at for at, row in enumerate(rows) if row.status in {"running", "starting"} and row.service_id]
    places = anyio.Semaphore(_AT_A_TIME)
    done = 0

    async def read(at: int) -> None:
        nonlocal done
        async with places:
            found[at] = await _looked_up(account, found[at], until)
        done += 1
        progress(done, len(alive))

    progress(0, len(alive))
    async with anyio.create_task_group() as reading:
        for at in alive:
            reading.start_soon(read, at)
    return DeploymentList(tuple(found), walk.total, (*walk.warnings, *warnings))


async def _looked_up(account: Account, known: ListedDeployment, until: Deadline) -> ListedDeployment:
    try:
        deployment = await account.cache.fresh(known.row.service_id, until.sooner(READ_BUDGET_SECONDS))
    except AlayaError as error:  # the list's row is useful without it
        return replace(known, error=error)
    adapters = lora_list_result(deployment, known.row.service_id).lora_models
    return replace(_listed(deployment, known.row), adapters=tuple(adapters))


def _listed(deployment: Deployment, row: DeploymentRow | None = None) -> ListedDeployment:
    """Return a deployment; `row`: what the list says, where its own page leaves something out."""
    shown = shown_row(deployment)
    if row:
        own = {name: value for name, value in shown if value not in (None, []) and name != "service_id"}
        shown = row.model_copy(update={**own, "ready": readiness(deployment).ready})
    return ListedDeployment(shown, readiness(deployment))
