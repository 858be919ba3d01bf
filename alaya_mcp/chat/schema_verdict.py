"""The result of checking a schema or a reply, as the worker process returns it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result of one check.

    Attributes:
        problem: What is wrong, as a clause; None if nothing is.
        unchecked: Patterns that Python does not support, which were skipped.
    """

    problem: str | None = None
    unchecked: tuple[str, ...] = ()
