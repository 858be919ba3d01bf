"""A place in the list of deployments that can be found again after the list has changed. Pure."""

from dataclasses import dataclass
from hashlib import blake2s
from typing import Final

LARGEST_PAGE: Final = 100
"""API documentation, deployment list: size."""
MOST_MARKS: Final = 5
"""Rows that identify a place: it is lost only if all of them are deleted."""
MARK_LENGTH: Final = 10
"""Characters of a mark."""


@dataclass(frozen=True, slots=True)
class Position:
    """A place in the list, after a row.

    Attributes:
        size: Rows per page.
        page: The page of that row, from 1.
        skip: Rows of the page up to and including it.
        came: Rows received so far, each once.
        unread: Those of them that are not deployments.
        counted: The API's `count` when the row was received.
        began: The same for the first row.
        first: The first deployment of the list, by `mark`.
        marks: The last deployments up to it, by `mark`.
    """

    size: int = LARGEST_PAGE
    page: int = 1
    skip: int = 0
    came: int = 0
    unread: int = 0
    counted: int | None = None
    began: int | None = None
    first: str = ""
    marks: tuple[str, ...] = ()


def mark(service_id: str | None) -> str:
    """Return a short hash of an id, to recognise a row."""
    return blake2s(str(service_id).encode(errors="replace"), digest_size=MARK_LENGTH // 2).hexdigest()
