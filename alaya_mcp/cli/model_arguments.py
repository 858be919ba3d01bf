"""The arguments of the commands about several models or deployments: `list` and `bench`."""

import argparse
from collections.abc import Callable
from typing import Final

from alaya_mcp.cli.account_arguments import Add

STATUSES: Final = ("starting", "running", "stopping", "stopped", "failed", "unknown")
"""As `results.Status`, which is not loaded for a parser."""
_MOST_CHATS: Final = 256
_MOST_TOKENS: Final = 8_192
_MOST_SECONDS: Final = 3_600
_PROMPT: Final = "Explain in a few paragraphs how a large language model generates text."


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
    command.add_argument("--name", type=_part_of_name, metavar="TEXT", help="only those whose name contains this")
    command.add_argument(
        "--watch", action="store_true", help="refresh the table every 5 s until no deployment is loading any more"
    )
    command.add_argument("--json", action="store_true", help="print one JSON object; with --watch, one per change")
    command.add_argument("--sandbox", dest="over_sandbox", action="store_true", help="list the embedded sandbox's")


def add_bench(add: Add) -> None:
    """Add `bench`."""
    command = add(
        "bench",
        help="measure how fast a deployment answers, by chats at once",
        description="Measure the first token, tokens a second and throughput of a deployment's models with 1, 2, 4 and "
        "so on chats at once. It sends real requests and says first how many; more than 200 need a yes. Exit status: "
        "0, or 1 if a request failed or the time was over.",
    )
    command.set_defaults(command="bench")
    command.add_argument("service", nargs="?", metavar="SERVICE", help="a deployment's id, name or alias")
    command.add_argument(
        "--models",
        type=_names,
        default=(),
        metavar="LIST",
        help="models, separated by commas; the base model and every available adapter by default",
    )
    command.add_argument(
        "--chats", type=_at_most(_MOST_CHATS), default=8, metavar="N", help="the most chats at once, default 8"
    )
    command.add_argument("--prompt", default=_PROMPT, metavar="TEXT", help="what each chat is asked")
    command.add_argument(
        "--max-tokens", type=_at_most(_MOST_TOKENS), default=128, metavar="N", help="the longest answer, default 128"
    )
    command.add_argument(
        "--timeout", type=_at_most(_MOST_SECONDS), default=120, metavar="SECONDS", help="of one answer, default 120"
    )
    command.add_argument(
        "--seconds", type=_at_most(_MOST_SECONDS), default=600, metavar="N", help="of everything, default 600"
    )
    command.add_argument("--yes", action="store_true", help="send more than 200 requests without being asked")
    command.add_argument("--json", action="store_true", help="print one JSON object and nothing else on stdout")
    command.add_argument("--sandbox", dest="over_sandbox", action="store_true", help="measure the embedded sandbox")


def _part_of_name(text: str) -> str:
    from alaya_mcp.deployment.spelling import checked_reference  # noqa: PLC0415 loaded for this option only

    try:
        return checked_reference(text)
    except ValueError as wrong:
        raise argparse.ArgumentTypeError(str(wrong)) from None


def _names(text: str) -> tuple[str, ...]:
    return tuple(filter(None, map(str.strip, text.split(","))))


def _at_most(most: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        if not (text.isascii() and text.isdigit() and len(text) <= len(str(most)) and 1 <= int(text) <= most):
            raise argparse.ArgumentTypeError(f"must be a number from 1 to {most}")
        return int(text)

    return number
