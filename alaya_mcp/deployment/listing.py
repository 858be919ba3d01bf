"""A list of deployments as agents see it: filters, rows and summary. Pure."""

from dataclasses import dataclass

from alaya_mcp.deployment.readiness import readiness
from alaya_mcp.deployment.spelling import folded
from alaya_mcp.deployment.wire import Deployment
from alaya_mcp.results import Cluster, DeploymentRow, Kind, Status


@dataclass(frozen=True, slots=True)
class Filters:
    """The filters of a list; None matches everything.

    Attributes:
        status: Its normalised state.
        kind: base or lora.
        name: Part of its name, ignoring width, case and spacing.
    """

    status: Status | None = None
    kind: Kind | None = None
    name: str | None = None

    @property
    def are_any(self) -> bool:
        """Whether any filter is set."""
        return bool(self.status or self.kind or self.name)

    def match(self, row: Deployment) -> bool:
        """Return whether a row matches all filters."""
        return (
            self.status in {None, row.status}
            and self.kind in {None, row.kind}
            and (self.name is None or folded(self.name) in folded(row.name or ""))
        )

    def __str__(self) -> str:
        given = (("status", self.status), ("kind", self.kind), ("name", self.name))
        return ", ".join(f"{key} {value}" for key, value in given if value)


def shown_row(row: Deployment) -> DeploymentRow:
    """Return one row as shown. A running deployment listed without instances has no known readiness."""
    is_known = row.status != "running" or row.reports_instances
    return DeploymentRow(
        service_id=str(row.service_id),
        name=row.name,
        kind=row.kind,
        status=row.status,
        ready=readiness(row).ready if is_known else None,
        models=list(row.served_names),
        model_id=row.model_id,
        cluster=Cluster(vks_id=row.vks_id, namespace=row.namespace) if row.vks_id or row.namespace else None,
    )


def list_summary(
    rows: list[DeploymentRow], filters: Filters, total: int | None, *, goes_on: bool, has_more: bool
) -> str:
    """Return the summary of a list; of an empty one, the likely reason and what to do.

    Args:
        rows: In this result.
        filters: The call's filters.
        total: How many deployments there are, with or without a match; None if unknown.
        goes_on: Whether earlier pages had rows.
        has_more: Whether more may follow.
    """
    if rows:
        count = f"{len(rows)}{' more' if goes_on else ''}"
        is_part = total not in {None, len(rows)}
        of_all = f"{count} of {total}" if is_part else count
        if filters.are_any and has_more and is_part:  # the number of matches is not known yet
            of_all = f"So far {count} of {total}"
        deployments = f"{of_all} deployment{'' if of_all == '1' else 's'}"
        match = f" {'matches' if len(rows) == 1 else 'match'} {filters}" if filters.are_any else ""
        of_these = " of these" if is_part and not filters.are_any else ""
        running = "" if filters.status else f", {sum(row.status == 'running' for row in rows)}{of_these} running"
        more = " There may be more: pass next_cursor as cursor." if has_more else ""
        return f"{deployments}{match}{running}.{more}"
    if goes_on and not has_more:
        return f"No further deployments{f' matching {filters}' if filters.are_any else ''}: the list has ended."
    if has_more:
        return f"No deployment matches {filters} so far; pass next_cursor as cursor to look further."
    if total is None:
        return "No deployments received."
    if filters.are_any and total:
        return f"No deployment matches {filters} ({total} in all). Leave a filter out or correct its spelling."
    return (
        "No deployments: this account has none, or this key pair may not see them. They are made in the Alaya NeW "
        "console; a key pair of another account, or another ALAYA_BASE_URL, shows others."
    )
