"""Environment variables as hosts pass them: padded, empty, or with unexpanded references. Pure."""

import re
from collections.abc import Mapping
from typing import Final

from alaya_mcp.error_causes import SettingProblem

_UNEXPANDED: Final = re.compile(
    r"\$\{[^{}]*\}|\$\([^()]*\)|%[A-Za-z_][A-Za-z0-9_]*%|\{\{[^{}]*\}\}|\$[A-Za-z_][A-Za-z0-9_]*"
)
"""References of shells, Windows, VS Code and templates, to a variable that the host lacks or does not expand."""


def value_of(environ: Mapping[str, str], name: str) -> str:
    """Return a variable's value, stripped; empty if it is unset or an unexpanded reference such as `${...}`."""
    value = environ.get(name, "").strip()
    return "" if is_unexpanded(value) else value


def is_unexpanded(text: str) -> bool:
    """Return whether a value is a reference that the host should have replaced."""
    return _UNEXPANDED.fullmatch(text.strip()) is not None


def problem_of(environ: Mapping[str, str], name: str) -> SettingProblem:
    """Return why a variable has no value."""
    if is_unexpanded(environ.get(name, "")):
        return "unexpanded"
    return "empty" if name in environ else "missing"
