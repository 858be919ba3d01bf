"""What a check of a schema, or of a reply by one, brought: what the worker process sends back."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the worker found out.

    Attributes:
        problem: What is wrong, a clause; None where nothing is.
        unchecked: Patterns that Python's regular expressions do not know, which were passed over.
    """

    problem: str | None = None
    unchecked: tuple[str, ...] = ()
