"""A file or an option that cannot be used, found before anything was sent."""


class Unusable(Exception):
    """It cannot be used.

    Attributes:
        problems: Each names what it is about, a file with its line, and says why.
    """

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def unreadable(name: object, error: OSError) -> Unusable:
    """Return that a file cannot be read."""
    return Unusable(f"{name} cannot be read: {why(error)}.")


def why(error: OSError) -> str:
    """Return the system's words for an error, to end a sentence."""
    return (error.strerror or str(error) or type(error).__name__).rstrip(".")
