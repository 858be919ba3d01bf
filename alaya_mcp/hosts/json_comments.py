"""JSON with comments and trailing commas, as plain JSON with the same offsets. Pure."""

import re
from typing import Final

_COMMENT: Final = re.compile(r'("[^"\\\n]*(?:\\.[^"\\\n]*)*")|//[^\r\n]*|/\*.*?\*/', re.DOTALL)
_TRAILING_COMMA: Final = re.compile(r'("[^"\\\n]*(?:\\.[^"\\\n]*)*")|,(?=\s*[}\]])')
_SEEN: Final = re.compile(r"[^\r\n]")


def blanked(text: str) -> str:
    """Return the text with spaces in place of comments and trailing commas: every offset stays."""
    return _TRAILING_COMMA.sub(lambda found: found[1] or " ", without_comments(text))


def without_comments(text: str) -> str:
    """Return the text with spaces in place of comments."""
    return _COMMENT.sub(lambda found: found[1] or _SEEN.sub(" ", found[0]), text) if "/" in text else text
