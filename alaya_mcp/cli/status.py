"""Say who is logged in, where the key pair comes from, and whether it works."""

import argparse
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Final, Literal

from alaya_mcp.cli.account_check import refusal_of
from alaya_mcp.cli.logout import others_logged_in
from alaya_mcp.config.environment import value_of
from alaya_mcp.config.file import DEFAULT_PROFILE
from alaya_mcp.config.place import PROFILE_VARIABLE
from alaya_mcp.config.precedence import KEY_PAIR_VARIABLES, Sources, gather
from alaya_mcp.config.profile_file import ProfileFile
from alaya_mcp.config.settings import VARIABLES, settings_from, with_keychain
from alaya_mcp.errors import AlayaError, NotConfigured
from alaya_mcp.hosts.writing import is_readable_by_others
from alaya_mcp.logs import start_logging
from alaya_mcp.printable import printable
from alaya_mcp.terminal.console import open_console
from alaya_mcp.terminal.error_steps import error_fields, error_lines

Kind = Literal["environment", "profile", "keychain"]

_LOGGED_OUT, _BROKEN = 1, 3
_OTHERS_MODE: Final = "Others can read {0}, which holds keys: run `chmod 600 {0}`."


@dataclass(frozen=True, slots=True)
class Status:
    """Who is logged in.

    Attributes:
        logged_in: Whether there is a key pair.
        works: Whether the API accepts it.
        account: The beginning of the access key's SHA-256.
        profile: The profile in use.
        kind: What holds the pair.
        keys_in: The same, with names.
        base_url: The API that the pair is sent to.
        warnings: What is wrong besides.
        error: Why it does not work, as the other commands report errors.
    """

    logged_in: bool
    works: bool
    account: str | None = None
    profile: str | None = None
    kind: Kind | None = None
    keys_in: str | None = None
    base_url: str | None = None
    warnings: tuple[str, ...] = ()
    error: Mapping[str, object] | None = None

    @property
    def exit_status(self) -> int:
        """0 if the pair works, 1 without one, 3 if it does not work."""
        if self.works:
            return 0
        return _BROKEN if self.logged_in else _LOGGED_OUT


async def run(arguments: argparse.Namespace) -> int:
    """Show the status; return its exit status."""
    start_logging("ERROR", "text")
    console = open_console()
    environ = {**os.environ, **({PROFILE_VARIABLE: arguments.profile} if arguments.profile else {})}
    status, problem = await status_of(environ)
    if arguments.json:
        console.out(json.dumps(asdict(status), indent=2), highlight=False)
        return status.exit_status
    if status.account:
        profile = f", profile {status.profile}" if status.profile and status.kind != "environment" else ""
        lines = [f"Account {status.account}{profile}.", f"The key pair is in {status.keys_in}."]
        lines.append(f"It {'works' if status.works else 'does not work'} at {status.base_url}.")
    else:
        lines = [] if status.logged_in else ["Not logged in.", *_others(environ)]
    for line in (*lines, *(error_lines(problem).splitlines() if problem else ()), *status.warnings):
        console.print(printable(line), markup=False, soft_wrap=True)
    return status.exit_status


def _others(environ: Mapping[str, str]) -> list[str]:
    try:
        return others_logged_in(ProfileFile.read(environ), value_of(environ, PROFILE_VARIABLE) or DEFAULT_PROFILE)
    except NotConfigured:  # the error says so
        return []


async def status_of(environ: Mapping[str, str]) -> tuple[Status, AlayaError | None]:
    """Return the status, and the error in it."""
    try:
        sources = gather(environ, VARIABLES)
    except NotConfigured as problem:
        # Without the file nobody can be logged in; a file that cannot be used may hold a pair.
        is_out = problem.cause in {"home_missing", "profile_unknown", "config_file_missing"}
        return Status(logged_in=not is_out, works=False, error=error_fields(problem)), problem
    found = Status(
        logged_in=True,
        works=False,
        profile=sources.profile,
        kind=_kind(sources),
        keys_in=sources.key_pair,
        warnings=_warnings(sources),
    )
    try:
        settings = settings_from(await with_keychain(sources), environ)
    except NotConfigured as problem:
        if problem.lacks_key_pair:
            return Status(logged_in=False, works=False, profile=sources.profile, error=error_fields(problem)), problem
        return replace(found, error=error_fields(problem)), problem
    error = await refusal_of(settings, environ)
    told = error_fields(error) if error else None
    status = replace(found, account=settings.account, base_url=settings.base_url, works=error is None, error=told)
    return status, error


def _kind(sources: Sources) -> Kind:
    if sources.keychain:
        return "keychain"
    return "environment" if sources.key_pair == KEY_PAIR_VARIABLES else "profile"


def _warnings(sources: Sources) -> tuple[str, ...]:
    if _kind(sources) != "profile":
        return ()
    try:
        mode = sources.file.stat().st_mode
    except OSError:
        return ()
    return (_OTHERS_MODE.format(sources.file),) if is_readable_by_others(mode) else ()
