"""JSON with comments and trailing commas, as plain JSON with the same offsets. Pure."""

import re
from typing import Final

# Possessive, and a string or a comment need not end: a broken file must not take quadratic time.
_STRING: Final = r'"[^"\\\n]*+(?:\\.[^"\\\n]*+)*+"?'
BLOCK: Final = r"/\*(?:[^*]|\*(?!/))*+(?:\*/)?"
_COMMENT: Final = re.compile(rf"({_STRING})|//[^\r\n]*+|{BLOCK}")
_TRAILING_COMMA: Final = re.compile(rf"({_STRING})|,(?=\s*+[}}\]])")
_INSIDE: Final = re.compile(rf"({_STRING}|//[^\r\n]*+|{BLOCK})|\s++")
_SEEN: Final = re.compile(r"[^\r\n]")


def blanked(text: str) -> str:
    """Return the text with spaces in place of comments and trailing commas: every offset stays."""

    def plain(found: re.Match[str]) -> str:
        return found[1] or (" " if _follows_value(found.string, found.start()) else found[0])

    return _TRAILING_COMMA.sub(plain, without_comments(text))


def squeezed(text: str) -> str:
    """Return the text without the white space that is neither in a string nor in a comment."""
    return _INSIDE.sub(lambda found: found[1] or "", text)


def _follows_value(text: str, at: int) -> bool:
    at -= 1
    while at >= 0 and text[at] in " \t\r\n":
        at -= 1
    return at >= 0 and text[at] not in "{[,:"


def without_comments(text: str) -> str:
    """Return the text with spaces in place of comments."""
    return _COMMENT.sub(lambda found: found[1] or _SEEN.sub(" ", found[0]), text) if "/" in text else text
