"""What was probably meant by a misspelt word. Pure."""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Final

_ALIKE: Final = 0.6
"""As difflib measures it; a word that another begins with counts too."""
_SHORTEST: Final = 3
"""Characters of a beginning that counts."""


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that is nearest to `word`, None where none is near."""
    spelt = _folded(word.strip())
    folded = {_folded(each): each for each in known}
    if near := get_close_matches(spelt, folded, n=1, cutoff=_ALIKE):
        return folded[near[0]]
    begun = [each for each in folded if len(spelt) >= _SHORTEST and each.startswith(spelt)]
    return folded[begun[0]] if len(begun) == 1 else None


def _folded(word: str) -> str:
    return word.casefold().replace("-", "_")


def did_you_mean(word: str, known: Iterable[str], question: str = " Did you mean {}?") -> str:
    """Return a question to append to a sentence; empty where nothing known is near.

    Args:
        word: The misspelt one.
        known: What it may be.
        question: How to ask, with `{}` for the known word.
    """
    near = nearest(word, known)
    return question.format(near) if near else ""
