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


def at_line(name: str, line: int, problem: str) -> str:
    """Return what is wrong with a line of a file, as a sentence."""
    return f"{name} line {line}: {problem}{'' if problem.endswith('?') else '.'}"


def why(error: OSError) -> str:
    """Return the system's words for an error, to end a sentence."""
    return (error.strerror or str(error) or type(error).__name__).rstrip(".")
