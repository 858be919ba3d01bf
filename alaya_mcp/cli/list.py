"""List the account's deployments with their models and adapters; with --watch, until none is loading any more."""

import argparse
import json
import os
from collections import defaultdict
from contextlib import AsyncExitStack, nullcontext
from dataclasses import replace
from typing import Final

import anyio
from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from alaya_mcp.accounts import Account, open_account
from alaya_mcp.cli.account_settings import settings_of
from alaya_mcp.clock import now
from alaya_mcp.config.settings import log_format, log_level
from alaya_mcp.deployment.listing import Filters, list_summary
from alaya_mcp.error_sentences import what_happened
from alaya_mcp.errors import AlayaError
from alaya_mcp.logs import start_logging
from alaya_mcp.printable import shortened
from alaya_mcp.terminal.console import open_console
from alaya_mcp.terminal.deployment_list import DeploymentList, listed
from alaya_mcp.terminal.deployment_table import count_line, deployment_table
from alaya_mcp.terminal.error_steps import STEPS_IN_A_PIPE, error_fields, error_lines
from alaya_mcp.terminal.screen import Screen, open_aside

_WATCH_SECONDS: Final = 5.0
_QUIET_SECONDS: Final = 1.0
"""Reading that takes longer shows its progress."""
_WIDE: Final = 10_000
"""Columns in a pipe, where nothing is to be wrapped."""
_NAMED: Final = 5


async def run(arguments: argparse.Namespace) -> int:
    """Print the list; return 1 if it could not be read, or a deployment that was waited for is not ready."""
    start_logging(log_level(os.environ), log_format(os.environ))
    console = open_console()
    if not console.is_terminal:
        console.width = _WIDE
    screen = Screen(console, open_aside())
    try:
        async with AsyncExitStack() as owned:
            settings = await settings_of(arguments, owned)
            account = await owned.enter_async_context(open_account(settings))
            filters = Filters(arguments.status, arguments.kind, arguments.name)
            listing = Listing(account, filters, console, screen, is_json=arguments.json)
            return await listing.run(watch=arguments.watch)
    except AlayaError as error:
        if arguments.json:
            screen.record(json.dumps({"error": error_fields(error, STEPS_IN_A_PIPE)}, ensure_ascii=False))
        else:
            screen.fail(error)
        return 1


class Listing:
    """Reads the list and prints it, once or until none of its deployments is loading."""

    def __init__(self, account: Account, filters: Filters, console: Console, screen: Screen, *, is_json: bool) -> None:
        self._account = account
        self._filters = filters
        self._console = console
        self._screen = screen
        self._is_json = is_json

    async def run(self, *, watch: bool) -> int:
        """Print it; return 1 if one that was waited for is not ready at the end.

        Raises:
            AlayaError: it could not be read.
        """
        found = read = await self._read()
        if not watch:
            self._print(found)
            return 0 if self._screen.is_read else 1
        waited_for: frozenset[str] = frozenset()
        shown: object = None
        is_live = self._console.is_terminal and not self._is_json
        with Live(console=self._console, auto_refresh=False) if is_live else nullcontext() as live:
            while True:
                waited_for |= read.loading
                if live:
                    live.update(self._page(found), refresh=True)
                elif found != shown:
                    self._print(found)
                    shown = found
                if not read.loading or not self._screen.is_read:
                    return int(read.has_lost(waited_for) or not self._screen.is_read)
                await anyio.sleep(_WATCH_SECONDS)
                try:
                    found = read = await listed(self._account, self._filters, follow=waited_for)
                except AlayaError as error:
                    if not error.retryable:
                        raise
                    stale = f"This is the list as it was; it cannot be read now: {what_happened(error)}"
                    found = replace(read, warnings=(*read.warnings, stale))

    async def _read(self) -> DeploymentList:
        began = now()

        def show(done: int, of: int) -> None:
            if now() - began >= _QUIET_SECONDS:
                self._screen.status(f"reading the deployments, {now() - began:.0f} s, {done} of {of}")

        try:
            return await listed(self._account, self._filters, show)
        finally:
            self._screen.end()

    def _print(self, found: DeploymentList) -> None:
        if self._is_json:
            fields = {
                "deployments": [each.fields() for each in found.deployments],
                **({} if found.total is None else {"total": found.total}),
                "warnings": [*found.warnings, *_unread(found)],
            }
            self._screen.record(json.dumps(fields, ensure_ascii=False))
            return
        if found.deployments:
            self._screen.show(deployment_table(found.deployments, self._console.width))
        for line in self._lines(found):
            self._screen.say(line)

    def _page(self, found: DeploymentList) -> Group:
        return Group(deployment_table(found.deployments, self._console.width), *map(Text, self._lines(found)))

    def _lines(self, found: DeploymentList) -> list[str]:
        """Return what is said below the table."""
        if found.deployments:
            counted = count_line(found.deployments, found.total)
        else:
            counted = list_summary([], self._filters, found.total, goes_on=False, has_more=False)
        return [counted, *found.warnings, *_unread(found)]


def _unread(found: DeploymentList) -> list[str]:
    """Return one warning for each reason why pages of deployments could not be read."""
    named: defaultdict[str, list[str]] = defaultdict(list)
    for each in found.deployments:
        if each.error:
            named[error_lines(each.error, STEPS_IN_A_PIPE)].append(shortened(each.label))
    return [f"{_several(labels)}: {why}" for why, labels in named.items()]


def _several(labels: list[str]) -> str:
    more = f" and {len(labels) - _NAMED} more" if len(labels) > _NAMED else ""
    return f"{', '.join(labels[:_NAMED])}{more}"
