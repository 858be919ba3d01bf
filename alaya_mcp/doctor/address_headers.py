"""Headers of a command line, with values from the environment. Pure."""

import re
from collections.abc import Iterable, Mapping
from typing import Final

_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE: Final = re.compile(r"[\x21-\x7e]+( +[\x21-\x7e]+)*")
_VARIABLE: Final = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_SPLIT: Final = re.compile(r"[\s,=]+")
_NO_SECRETS: Final = frozenset({"bearer", "plain", "basic", "credential", "signature"})
"""Words of Authorization that are the same for everybody."""


def headers_of(texts: Iterable[str], environ: Mapping[str, str]) -> dict[str, str]:
    """Return headers by their names.

    Args:
        texts: Of the form `Name: value`; `${NAME}` in a value is a variable.
        environ: The variables.

    Raises:
        ValueError: one cannot be used; the text says why, as a sentence without any value.
    """
    found: dict[str, str] = {}
    for text in texts:
        name, colon, template = (part.strip() for part in text.partition(":"))
        if not colon or not _NAME.fullmatch(name):
            raise ValueError("--header must be 'Name: value'.")
        for variable in _VARIABLE.findall(template):
            if not environ.get(variable):
                raise ValueError(f"--header {name}: the variable {variable} is not set.")
        value = _VARIABLE.sub(lambda match: environ[match[1]].strip(), template)
        if not _VALUE.fullmatch(value):
            raise ValueError(f"--header {name}: the value is empty, or has a character that is not visible ASCII.")
        if name.lower() in (each.lower() for each in found):
            raise ValueError(f"--header {name} is given more than once.")
        found[name] = value
    return found


def secrets_in(headers: Mapping[str, str]) -> list[str]:
    """Return the values, and the parts of each that may be secret."""
    parts = [part for value in headers.values() for part in _SPLIT.split(value)]
    return [*headers.values(), *(part for part in parts if part.lower() not in _NO_SECRETS)]
