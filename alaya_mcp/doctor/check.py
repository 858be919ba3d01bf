"""What one check found, and what several of them amount to. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

Level = Literal["ok", "skipped", "warning", "failed"]
"""How good or bad it is; a check is skipped where it need not or cannot be made."""

_EXIT_STATUS: Final[dict[Level, int]] = {"failed": 3, "warning": 1, "ok": 0}
"""From bad to good. 2 is a wrong command line."""

TITLES: Final = {
    "host": "Host",
    "configuration_file": "Configuration file",
    "configuration": "Settings",
    "variables": "Environment",
    "proxy": "Proxy",
    "dns": "Host name",
    "tls": "TLS",
    "control_plane": "Control plane",
    "key": "Key pair",
    "deployment": "Deployment",
    "state": "State",
    "service_url": "Engine",
    "apikey": "Its apikey",
    "served_names": "Served names",
    "first_token": "First token",
    "host_file": "Host's file",
}
"""By a check's id, in the order in which they are made."""

OVER_THE_NETWORK: Final = tuple(TITLES)[tuple(TITLES).index("proxy") : tuple(TITLES).index("host_file")]
"""The ids of the checks that ask somebody elsewhere."""

LEFT_OUT: Final = "left_out"
"""The verdict of a check that was not made."""


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that was seen.

    Attributes:
        name: What it is.
        value: Without secrets.
        source: Where it comes from, where that matters.
    """

    name: str
    value: str
    source: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    """One check.

    Attributes:
        id: What was looked at, one of `TITLES`; only hosts' files share theirs.
        level: How good or bad it is.
        verdict: What it is, in snake_case; each cause has its own.
        found: What was seen, for a person.
        next_step: What to do about it; empty where there is nothing to do.
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
        """What was looked at, for a person."""
        return TITLES[self.id]


def left_out(of: str, because: Check) -> Check:
    """A check whose ground is gone."""
    return Check(of, "skipped", LEFT_OUT, f"not looked at, because of: {because.title}")


def worst(checks: Iterable[Check]) -> Level:
    """The worst level; ok for none, and for such as were skipped."""
    levels = {check.level for check in checks}
    for level in _EXIT_STATUS:
        if level in levels:
            return level
    return "ok"


def exit_status(checks: Iterable[Check]) -> int:
    """0 where all is well, 1 for a warning, 3 where something failed."""
    return _EXIT_STATUS[worst(checks)]
