"""Make text from outside safe to show and to encode. Pure."""

from typing import Final

TEXT_LIMIT: Final = 2_000
"""Characters of one text field; names, addresses and ids are shorter."""
NAME_LIMIT: Final = 100
"""Characters of a name where several are listed."""


def printable(text: str) -> str:
    """Return `text` without control characters and lone surrogates, on one line, at most `TEXT_LIMIT` characters."""
    if not text.isprintable():
        text = "".join(char if char.isprintable() else " " for char in text)
    return text.strip()[:TEXT_LIMIT]


def shortened(text: str) -> str:
    """Return at most `NAME_LIMIT` characters of a name, to be listed among others."""
    return text if len(text) <= NAME_LIMIT else f"{text[: NAME_LIMIT - 1]}…"


def encodable(text: str) -> str:
    """Return `text` as UTF-8 can encode it: halves of surrogate pairs joined, or replaced if they do not meet."""
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
