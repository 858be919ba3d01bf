"""Deployments as a table for a person. Pure."""

from collections.abc import Sequence
from typing import Final

from rich.table import Table
from rich.text import Text

from alaya_mcp.printable import printable
from alaya_mcp.results import LoraModel
from alaya_mcp.terminal.deployment_list import ListedDeployment

_STYLES: Final = {"ready": "green", "failed": "red", "stopped": "dim", "stopping": "dim"}
_ROOM_FOR_IDS: Final = 110
"""Columns of a terminal; an id is a UUID."""


def deployment_table(deployments: Sequence[ListedDeployment], width: int) -> Table:
    """Return one row for each deployment; with ids where there is room, or where a name is not enough."""
    names = {each.row.name for each in deployments}
    has_ids = width >= _ROOM_FOR_IDS or None in names or len(names) < len(deployments)
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    table.add_column("NAME", overflow="fold")
    table.add_column("STATE", no_wrap=True)
    table.add_column("MODELS", overflow="fold")
    table.add_column("ADAPTERS", overflow="fold")
    if has_ids:
        table.add_column("ID", overflow="fold", style="dim")
    for each in deployments:
        state = state_of(each)
        table.add_row(
            _text(each.label),
            Text(state, style=_STYLES.get(state.partition(" ")[0], "yellow")),
            _text(*each.row.models),
            _text(*(["?"] if each.error else map(_adapter, each.adapters))),
            *([_text(each.row.service_id)] if has_ids else []),
        )
    return table


def state_of(listed: ListedDeployment) -> str:
    """Return the state in a word or two."""
    known = listed.readiness
    if known.ready:
        return "ready" if known.ready_instances == (known.instances or 0) else f"ready {_share(listed)}"
    match known.cause:
        case "model_loading":
            return f"loading {_share(listed)}"
        case "no_instance":
            return "no instance"
        case _:
            return listed.row.status


def count_line(deployments: Sequence[ListedDeployment], total: int | None) -> str:
    """Return how many there are and how many of them can answer."""
    shown = len(deployments)
    of_all = f" of {total}" if total is not None and total > shown else ""
    ready = sum(each.readiness.ready for each in deployments)
    loading = sum(each.readiness.may_pass for each in deployments)
    more = f", {loading} loading" if loading else ""
    return f"{shown}{of_all} deployment{'' if shown == 1 and not of_all else 's'}, {ready} ready{more}."


def _share(listed: ListedDeployment) -> str:
    return f"{listed.readiness.ready_instances}/{listed.readiness.instances}"


def _adapter(adapter: LoraModel) -> str:
    match adapter.available:
        case "all":
            return adapter.model
        case "some":
            return f"{adapter.model} ({adapter.ready_on}/{adapter.instances})"
        case _:
            return f"{adapter.model} (not loaded)"


def _text(*values: str) -> Text:
    return Text(", ".join(map(printable, values)) or "-")
