"""The arguments of the commands about several models or deployments: `list` and `bench`."""

from typing import Final

from alaya_mcp.cli.account_arguments import Add

STATUSES: Final = ("starting", "running", "stopping", "stopped", "failed", "unknown")
"""As `results.Status`, which is not loaded for a parser."""


def add_list(add: Add) -> None:
    """Add `list`."""
    command = add(
        "list",
        help="list your deployments with their models and adapters",
        description="List the account's deployments: state, models, and the adapters of those that run. Exit status: "
        "0, or 1 if the list could not be read or, with --watch, a deployment was loading and is not ready at the end.",
    )
    command.set_defaults(command="list")
    command.add_argument("--status", choices=STATUSES, help="only those in this state")
    command.add_argument("--kind", choices=("base", "lora"), help="only these; lora: adapters deployed on a base")
    command.add_argument("--name", metavar="TEXT", help="only those whose name contains this")
    command.add_argument(
        "--watch", action="store_true", help="refresh the table every 5 s until no deployment is loading any more"
    )
    command.add_argument("--json", action="store_true", help="print one JSON object; with --watch, one per change")
    command.add_argument("--sandbox", dest="over_sandbox", action="store_true", help="list the embedded sandbox's")
