"""JSON with comments and trailing commas, read as JSON. Pure.

No maintained library edits such a text and keeps the rest of it: json5 (the package) reads and writes, json-five keeps
comments in a model of its own that has no way to add a member, and both accept more than the hosts do. So it is read
with what JSON lacks blanked, and edited by offsets (`json_text`).
"""

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
