"""Environment variables as hosts hand them over: padded, empty, or with references that nobody expanded. Pure."""

import re
from collections.abc import Mapping
from typing import Final

_UNEXPANDED: Final = re.compile(r"\$\{[^{}]*\}")


def value_of(environ: Mapping[str, str], name: str) -> str:
    """A variable's value, stripped; empty where it is unset or an unexpanded `${...}`."""
    value = environ.get(name, "").strip()
    return "" if is_unexpanded(value) else value


def is_unexpanded(text: str) -> bool:
    """Whether a value is a reference that the host should have replaced."""
    return _UNEXPANDED.fullmatch(text.strip()) is not None


def why_unset(environ: Mapping[str, str], name: str) -> str:
    """What keeps a variable from having a value, as a clause."""
    if is_unexpanded(environ.get(name, "")):
        return f"{name} holds an unexpanded ${{...}}: this host does not expand variables, so put the value itself"
    return f"{name} is {'empty' if name in environ else 'not set'}"
