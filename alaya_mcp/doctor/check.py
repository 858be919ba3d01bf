"""The result of one check, and what several of them amount to. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

Level = Literal["ok", "skipped", "warning", "failed"]
"""Skipped: it need not or cannot be made."""

_EXIT_STATUS: Final[dict[Level, int]] = {"failed": 3, "warning": 1, "ok": 0}
"""From bad to good. 2 is a wrong command line."""

TITLES: Final = {
    "host": "Host",
    "configuration_file": "Configuration file",
    "configuration": "Settings",
    "variables": "Environment",
    "proxy": "Proxy",
    "dns": "DNS",
    "tls": "TLS",
    "control_plane": "Control plane",
    "key": "Key pair",
    "deployment": "Deployment",
    "state": "State",
    "service_url": "Engine",
    "apikey": "Engine's apikey",
    "served_names": "Served names",
    "first_token": "First token",
    "first_answers": "Quick start",
    "host_file": "Host's file",
}
"""By a check's id, in the order in which they are made."""

ADDRESS_TITLES: Final = {
    **{each: TITLES[each] for each in ("proxy", "dns", "tls")},
    "endpoint": "MCP",
    "health": "Health",
    "caller": "Caller",
    "get": "GET",
    "discovery": "OAuth discovery",
    "slash": "Path",
    "body": "Large requests",
    "progress": "Progress",
    "long_calls": "Long calls",
}
"""The same, of a server's address."""

OVER_THE_NETWORK: Final = tuple(TITLES)[tuple(TITLES).index("proxy") : tuple(TITLES).index("first_answers")]
"""The ids of the checks that use the network."""

LEFT_OUT: Final = "left_out"
"""The verdict of a check that was not made."""
_OPTIONAL: Final = frozenset({"host", "host_file", "first_answers"})
"""The ids of checks of what a server need not have."""
NOT_NEEDED: Final = "not_needed"
"""The verdict of a check for which there is nothing to check."""


@dataclass(frozen=True, slots=True)
class Fact:
    """A detail of a check, without secrets, and where it comes from, if that matters."""

    name: str
    value: str
    source: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    """The result of one check.

    Attributes:
        id: What was checked, a key of `TITLES` or `ADDRESS_TITLES`; several hosts' files share one.
        level: How good or bad it is.
        verdict: What it is, in snake_case; each cause has its own. Public.
        found: What was seen, for a person.
        next_step: What to do about it; may be empty.
        facts: Details.
    """

    id: str
    level: Level
    verdict: str
    found: str
    next_step: str = ""
    facts: tuple[Fact, ...] = ()

    @property
    def title(self) -> str:
        """What was checked, for a person."""
        return TITLES.get(self.id) or ADDRESS_TITLES[self.id]


def left_out(of: str, because: Check) -> Check:
    """Return the check that is skipped because one it depends on did not succeed."""
    return Check(of, "skipped", LEFT_OUT, f"not checked: depends on {because.title}")


def worst(checks: Iterable[Check]) -> Level:
    """Return the worst level; ok if there are no checks or all were skipped."""
    levels = {check.level for check in checks}
    for level in _EXIT_STATUS:
        if level in levels:
            return level
    return "ok"


def exit_status(checks: Iterable[Check]) -> int:
    """Return 0 without problems, 1 for a warning, 3 for a failure."""
    return _EXIT_STATUS[worst(checks)]


def unchecked(checks: Iterable[Check]) -> list[str]:
    """Return the titles of the skipped checks for which there was something to check."""
    skipped = [check for check in checks if check.level == "skipped" and check.id not in _OPTIONAL]
    return [check.title for check in skipped if check.verdict != NOT_NEEDED]
