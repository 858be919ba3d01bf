"""Environment variables as hosts hand them over: padded, empty, or with references that nobody expanded. Pure."""

import re
from collections.abc import Mapping
from typing import Final

from alaya_mcp.error_causes import SettingProblem

_UNEXPANDED: Final = re.compile(
    r"\$\{[^{}]*\}|\$\([^()]*\)|%[A-Za-z_][A-Za-z0-9_]*%|\{\{[^{}]*\}\}|\$[A-Za-z_][A-Za-z0-9_]*"
)
"""References of shells, Windows, VS Code and templates: to a variable that is not set where the host runs, or in a host
that replaces none."""


def value_of(environ: Mapping[str, str], name: str) -> str:
    """A variable's value, stripped; empty where it is unset or an unexpanded reference, as `${...}`."""
    value = environ.get(name, "").strip()
    return "" if is_unexpanded(value) else value


def is_unexpanded(text: str) -> bool:
    """Whether a value is a reference that the host should have replaced."""
    return _UNEXPANDED.fullmatch(text.strip()) is not None


def problem_of(environ: Mapping[str, str], name: str) -> SettingProblem:
    """What keeps a variable from having a value."""
    if is_unexpanded(environ.get(name, "")):
        return "unexpanded"
    return "empty" if name in environ else "missing"
