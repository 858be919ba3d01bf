"""Find the word that was probably meant by a misspelt one. Pure."""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Final

_ALIKE: Final = 0.6
"""Similarity, as difflib measures it, from which words are alike; a beginning of a word is alike too."""
_SHORTEST: Final = 3
"""Minimum length of such a beginning."""


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the known word nearest to `word`; None if none is near."""
    spelt = _folded(word.strip())
    folded = {_folded(each): each for each in known}
    if near := get_close_matches(spelt, folded, n=1, cutoff=_ALIKE):
        return folded[near[0]]
    begun = [each for each in folded if len(spelt) >= _SHORTEST and each.startswith(spelt)]
    return folded[begun[0]] if len(begun) == 1 else None


def _folded(word: str) -> str:
    return word.casefold().replace("-", "_")


def did_you_mean(word: str, known: Iterable[str], question: str = " Did you mean {}?") -> str:
    """Return a question to append to a sentence; empty if nothing known is near.

    Args:
        word: The misspelt word.
        known: The correct words.
        question: The question, with `{}` for the known word.
    """
    near = nearest(word, known)
    return question.format(near) if near else ""
