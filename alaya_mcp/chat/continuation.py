"""Whether an engine went on from a reply that was cut, or plainly started over. Pure."""

from typing import Final

_TELLING: Final = 24
"""Characters that a continuation does not begin with by chance when they are how the reply began."""


def starts_over(earlier: str, new: str) -> bool:
    """Whether `new` begins as `earlier` did, rather than going on from its end.

    An engine that does not know `continue_final_message` ignores it and answers anew (recorded exchanges:
    unknown_field).
    """
    before, after = " ".join(earlier.split())[:_TELLING], " ".join(new.split())[:_TELLING]
    return len(before) == _TELLING and before == after
