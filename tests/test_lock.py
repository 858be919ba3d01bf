"""dev.lock installs the same today and after the next release of anything in it."""

import re
from importlib.metadata import distributions
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

LOCK = Path(__file__).parent.parent / "dev.lock"


def pinned() -> dict[str, set[str]]:
    """What the lock pins, each with the extras it is pinned with."""
    lines = re.findall(r"^([A-Za-z0-9._\[\], -]+==[^\s;\\]+)", LOCK.read_text(encoding="utf-8"), flags=re.MULTILINE)
    requirements = [Requirement(line) for line in lines]
    return {canonicalize_name(requirement.name): requirement.extras for requirement in requirements}


def test_what_is_asked_for_with_an_extra_is_pinned_with_it() -> None:
    """Pip 23 does not apply `name==1` to `name[extra]`: with `--require-hashes` it refuses the first newer release."""
    pins = pinned()
    asked = [
        (canonicalize_name(requirement.name), extra)
        for distribution in distributions()
        if canonicalize_name(distribution.name) in {*pins, "alayanew-mcp"}
        for requirement in map(Requirement, distribution.requires or [])
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""})
        for extra in requirement.extras
    ]
    assert ("coverage", "toml") in asked
    assert [(name, extra) for name, extra in asked if extra not in pins[name]] == []
