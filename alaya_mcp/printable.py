"""Text from outside made fit to be shown and to be encoded. Pure."""

from typing import Final

TEXT_LIMIT: Final = 2_000
"""Characters of one text field; more is no name, address or id."""


def printable(text: str) -> str:
    """`text` without control characters and lone surrogates, on one line, at most `TEXT_LIMIT` characters."""
    if not text.isprintable():
        text = "".join(char if char.isprintable() else " " for char in text)
    return text.strip()[:TEXT_LIMIT]


def encodable(text: str) -> str:
    """`text` fit for UTF-8: halves of surrogate pairs are joined where they meet, else replaced."""
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
