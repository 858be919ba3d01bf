"""The names of the sandbox's faults on the command line."""

from alaya_mcp.sandbox import FAULTS
from alaya_mcp.suggestions import did_you_mean


def unknown_fault(name: str | None) -> str | None:
    """Return what is wrong with the name of a fault; None where there is such a fault, or no name."""
    names = [each for each, _ in FAULTS]
    if not name or name in names:
        return None
    return f"there is no fault {name!r}.{did_you_mean(name, names)} `alayanew-mcp sandbox --faults` lists them."


def fault_list() -> str:
    """Return every fault with a line about it, and how to show one."""
    width = max(len(name) for name, _ in FAULTS)
    lines = [f"{name:<{width}}  {summary}" for name, summary in FAULTS]
    lines += ["", "`--fault NAME` makes every deployment show one. Without it, the deployment fault-NAME shows NAME."]
    return "\n".join(lines)
