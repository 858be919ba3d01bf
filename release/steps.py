"""The steps of a check: each is passed, skipped, refused or failed, and says so in one line."""

import sys
import time
from collections.abc import Callable
from typing import Final

_WORDS: Final = 2000
"""Characters of an output that failed, from its end."""


class Skipped(Exception):
    """The machine lacks what the step needs."""


class Refused(Exception):
    """Something must be done by a person before a release; a draft may go on."""


class Failed(Exception):
    """What is made is wrong."""


def ended(text: str) -> str:
    """Return the end of an output, for an error."""
    return text.strip()[-_WORDS:]


class Steps:
    """Runs steps and keeps whether one of them stops the release.

    Attributes:
        is_draft: What a person must still do does not stop it.
        stops: The titles of the steps that stop it.
    """

    def __init__(self, *, is_draft: bool, write: Callable[[str], object] = sys.stdout.write) -> None:
        self.is_draft = is_draft
        self.stops: list[str] = []
        self._write, self._began = write, time.monotonic()

    def run(self, title: str, step: Callable[[], str | None]) -> None:
        """Run a step and report it; its return value, if any, is shown beside the title."""
        try:
            said = step()
        except Skipped as why:
            self._write(f"skipped  {title}: {why}\n")
        except Refused as why:
            self._write(f"refused  {title}: {why}\n")
            if not self.is_draft:
                self.stops.append(title)
        except Failed as why:
            self._write(f"FAILED   {title}: {why}\n")
            self.stops.append(title)
        else:
            after = time.monotonic() - self._began
            self._write(f"passed   {title}{f': {said}' if said else ''} (after {after:.0f} s)\n")
