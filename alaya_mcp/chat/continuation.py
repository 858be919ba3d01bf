"""Whether an engine continued a truncated reply or started over. Pure."""

from typing import Final

_TELLING: Final = 24
"""Characters of the reply's start that a continuation does not repeat by chance."""


def starts_over(earlier: str, new: str) -> bool:
    """Return whether `new` begins like `earlier`, rather than continuing it.

    An engine without `continue_final_message` ignores it and starts over (recorded exchanges: unknown_field).
    """
    before, after = " ".join(earlier.split())[:_TELLING], " ".join(new.split())[:_TELLING]
    return len(before) == _TELLING and before == after
