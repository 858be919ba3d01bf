"""What a caller may call a deployment: its id, its display name, or an alias of one of them. Pure."""

import re
from collections.abc import Iterable, Mapping
from difflib import SequenceMatcher
from typing import Final
from unicodedata import normalize

from alaya_mcp.deployment.lenient import printable

REFERENCE_LENGTH: Final = 200
"""Characters of a reference; longer is no name."""

_ID: Final = re.compile(r"(?=.{1,128}\Z)\.*[A-Za-z0-9_-][A-Za-z0-9._-]*")
"""1 to 128 letters, digits, `-`, `_` and `.`, not only dots: safe as one path segment."""
_UUID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)
_RESERVED: Final = frozenset({"list"})
"""Paths beside the deployments' own: `/deployment/list`."""
_LIKE: Final = 0.6
"""From this ratio on two names are like one another."""


def checked_reference(text: str) -> str:
    """A reference as names are read from upstream: on one line, without what cannot be printed.

    Raises:
        ValueError: it could be neither an id nor a name.
    """
    reference = printable(text) if len(text) <= REFERENCE_LENGTH else ""
    if not reference:
        raise ValueError(f"is no deployment's id or name: 1 to {REFERENCE_LENGTH} characters, not all invisible")
    return reference


def could_be_id(text: str) -> bool:
    """Whether a reference can be sent as an id."""
    return _ID.fullmatch(text) is not None and text not in _RESERVED


def is_uuid(text: str) -> bool:
    """Whether a reference is of the shape that the API's ids have, so that no name is meant."""
    return _UUID.fullmatch(text) is not None


def folded(name: str) -> str:
    """What two spellings of one name have in common: width, case and spacing do not count."""
    return " ".join(normalize("NFKC", normalize("NFKC", name).casefold()).split())


def nearest(wanted: str, called: Mapping[str, Iterable[str]], most: int) -> list[str]:
    """The keys of what is called like `wanted`, the closest first."""
    target = folded(wanted)
    matcher = SequenceMatcher(autojunk=False)
    matcher.set_seq2(target)

    def likeness(name: str) -> float:
        other = folded(name)
        shorter, longer = sorted((target, other), key=len)
        if shorter and shorter in longer:
            return 1 + len(shorter) / len(longer)
        matcher.set_seq1(other)
        return matcher.ratio()

    closest = {key: max(map(likeness, names), default=0.0) for key, names in called.items()}
    ordered = sorted(closest, key=closest.__getitem__, reverse=True)
    return [key for key in ordered if closest[key] >= _LIKE][:most]
