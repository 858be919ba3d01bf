"""What is wrong with a half of a key pair as somebody pasted it. Pure."""

import re
from typing import Final

from alaya_mcp.config.environment import is_unexpanded

PLACEHOLDER: Final = re.compile(r"(?:your|my)[ _-].*|<.*>|\.{3}|…|x{3,}|changeme", re.IGNORECASE | re.DOTALL)
"""What documents and templates have in place of a key."""
_REFERENCE: Final = re.compile(r".*\$\{[^{}]*\}.*", re.DOTALL)
_LONGEST: Final = 1_000
"""Characters; a header and a keychain hold more than two of these."""


def fault_of(half: str) -> str | None:
    """Return what is wrong with a key, to follow "it"; None if it can be one."""
    if not half:
        return "is empty"
    if PLACEHOLDER.fullmatch(half) or is_unexpanded(half) or _REFERENCE.fullmatch(half):
        return "is a placeholder, not a key"
    if len(half.split()) > 1:
        return "has a space inside: paste one half alone"
    if not (half.isascii() and half.isprintable()):
        return "has a character that no key has (a key is visible ASCII)"
    return "is too long for a key" if len(half) > _LONGEST else None
