"""How deployments are referred to: checking, folding and comparing ids, names and aliases; labels. Pure."""

import re
from collections import Counter
from collections.abc import Container, Iterable, Mapping
from difflib import SequenceMatcher
from typing import Final
from unicodedata import category, normalize

from alaya_mcp.deployment.wire import Deployment
from alaya_mcp.printable import printable, shortened

REFERENCE_LENGTH: Final = 256
"""Maximum length of a reference in characters."""

_ID: Final = re.compile(r"(?=.{1,128}\Z)\.*[A-Za-z0-9_-][A-Za-z0-9._-]*")
"""1 to 128 letters, digits, `-`, `_` and `.`, not only dots: safe as one path segment."""
_UUID: Final = re.compile(r"(?:urn:uuid:)?(\{)?([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})(?(1)\})", re.IGNORECASE)
_RESERVED: Final = frozenset({"list"})
"""Paths that are not deployments: `/deployment/list`."""
_JOINER: Final = "\u200d"
_EMOJI_SELECTOR: Final = "\ufe0f"
_BLANK_LETTERS: Final = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
"""Letters, marks and symbols that are invisible."""
_LIKE: Final = 0.6
"""Similarity from which two names are alike."""


def checked_reference(text: str) -> str:
    """Return a reference in the form of upstream's names: on one line, stripped.

    Raises:
        ValueError: it is empty, too long, or contains an invisible character.
    """
    must = f"must be a deployment's id, name or alias: 1 to {REFERENCE_LENGTH} visible characters"
    hidden = next((char for at, char in enumerate(text) if _is_hidden(text, at)), None)
    if hidden:
        raise ValueError(f"{must} (it contains U+{ord(hidden):04X})")
    reference = printable(text)
    if not reference or len(text) > REFERENCE_LENGTH:
        raise ValueError(must)
    return reference


def _is_hidden(text: str, at: int) -> bool:
    """Return whether a character is invisible; the joiner inside an emoji counts as visible."""
    char = text[at]
    if char == _JOINER and 0 < at < len(text) - 1:
        before = text[at - 1]
        return not (before == _EMOJI_SELECTOR or category(before) in {"So", "Sk"}) or category(text[at + 1]) != "So"
    return category(char) in {"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"} or char in _BLANK_LETTERS


def as_uuid(text: str) -> str | None:
    """Return a reference in the API's spelling of ids, lower case and bare; None if it is not a UUID."""
    match = _UUID.fullmatch(normalize("NFKC", text))
    return match.group(2).lower() if match else None


def could_be_id(text: str) -> bool:
    """Return whether a reference can be sent as an id."""
    return _ID.fullmatch(text) is not None and text not in _RESERVED


def is_uuid(text: str) -> bool:
    """Return whether a reference has the shape of the API's ids, so that it is not a name."""
    return as_uuid(text) is not None


def folded(name: str) -> str:
    """Return a name normalised for comparison: width, case and spacing are ignored."""
    return " ".join(normalize("NFKC", normalize("NFKC", name).casefold()).split())


def most_like(wanted: str, called: Mapping[str, Iterable[str]], most: int) -> list[str]:
    """Return the keys whose names are like `wanted`, the closest first."""
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


def running(rows: list[Deployment]) -> list[Deployment]:
    """Return the running deployments, sorted by name."""
    return sorted((row for row in rows if row.status == "running"), key=lambda row: folded(row.name or ""))


def references(rows: list[Deployment], aliases: Container[str] = ()) -> dict[str, Deployment]:
    """Return rows by an unambiguous reference: the name where it is unique, else the id."""
    names = Counter(row.name for row in rows)
    ids = {row.service_id for row in rows}

    def is_unambiguous(name: str) -> bool:
        is_plain = len(name) <= REFERENCE_LENGTH and not is_uuid(name)
        return is_plain and names[name] == 1 and name not in ids and folded(name) not in aliases

    return {row.name if row.name and is_unambiguous(row.name) else str(row.service_id): row for row in rows}


def label(row: Deployment) -> str:
    """Return a deployment's name and id for a person to read."""
    service_id = shortened(str(row.service_id))
    return f"{shortened(row.name)} ({service_id})" if row.name else service_id


def described_one(row: Deployment) -> str:
    """Return the name, id and state of a deployment: "qwen3 (svc-1, running)"."""
    service_id = shortened(str(row.service_id))
    return f"{shortened(row.name)} ({service_id}, {row.status})" if row.name else f"{service_id} ({row.status})"


def described(rows: list[Deployment], most: int) -> tuple[str, ...]:
    """Return the labels of the first rows, each with its state."""
    return tuple(described_one(row) for row in rows[:most])
