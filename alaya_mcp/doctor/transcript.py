"""The checks made so far, each shown as it is made, with every secret masked."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Final

from alaya_mcp.doctor.check import Check, Fact, left_out
from alaya_mcp.hosts.display import MASK, printable

_SECRET_MINIMUM: Final = 4
"""Shorter values are ordinary words, which masking would only garble."""


class Transcript:
    """The checks in the order in which they are made; each is passed to `tell`."""

    def __init__(self, tell: Callable[[Check], None]) -> None:
        self._tell = tell
        self._secrets: list[str] = []
        self.checks: list[Check] = []

    def hide(self, secrets: Iterable[str]) -> None:
        """Mask these secrets from now on."""
        known = {*self._secrets, *(secret for secret in secrets if len(secret) >= _SECRET_MINIMUM)}
        self._secrets = sorted(known, key=len, reverse=True)  # one may begin with another

    def add(self, check: Check) -> Check:
        """Add a check and return it with its secrets masked."""
        shown = replace(
            check,
            found=self._shown(check.found),
            next_step=self._shown(check.next_step),
            facts=tuple(Fact(fact.name, self._shown(fact.value), self._shown(fact.source)) for fact in check.facts),
        )
        self.checks.append(shown)
        self._tell(shown)
        return shown

    def leave_out(self, ids: Iterable[str], because: Check) -> None:
        """Add the checks that have not been made, as skipped."""
        made = {check.id for check in self.checks}
        for of in ids:
            if of not in made:
                self.add(left_out(of, because))

    def _shown(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, MASK)
        return printable(" ".join(text.splitlines()))
