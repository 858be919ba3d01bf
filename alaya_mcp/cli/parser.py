"""A parser of command lines whose errors suggest what was meant."""

import argparse
import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Final, NoReturn

HOSTS: Final = (
    *("claude-desktop", "claude-code", "vscode", "cursor", "codex"),
    *("gemini", "qwen", "copilot", "opencode", "cline"),
)


class Parser(argparse.ArgumentParser):
    """A parser whose errors suggest what was meant."""

    given: Sequence[str] = ()
    """The whole command line."""

    def error(self, message: str) -> NoReturn:
        """Exit with what is wrong and the nearest valid word."""
        if wrong := _INVALID_CHOICE.search(message):
            self.refuse_unknown(self._misspelt_before(wrong[1]))
            known = _CHOICE.findall(wrong[2])
            if tuple(known) == HOSTS:  # other programs' names are similar: codex and vscode
                known = [host for host in HOSTS if host[0] == wrong[1][:1]]
                message += _guess(wrong[1], known) or "; `alayanew-mcp install --print` shows what any other host needs"
            else:
                message += _guess(wrong[1], known)
        super().error(message)

    def refuse_unknown(self, unknown: list[str]) -> None:
        """Exit if there are unknown arguments; name an unknown option rather than its value."""
        if unknown:
            options = [word for word in unknown if word.startswith("-")] or unknown
            known = self._options if options[0].startswith("-") else []
            near = (_guess(word.partition("=")[0], known) for word in options)
            self.error(f"unrecognized arguments: {' '.join(options)}{next(filter(None, near), '')}")

    def _misspelt_before(self, value: str) -> list[str]:
        """Return the unknown option before a value, because of which the value was taken for something else."""
        options = self._options
        words = [word for word, after in pairwise(self.given) if value in {after, after.casefold()}]
        return [word for word in words if word.startswith("--") and not any(each.startswith(word) for each in options)]

    @property
    def _options(self) -> list[str]:
        return _OPTION.findall(self.format_help())


_INVALID_CHOICE: Final = re.compile(r"invalid choice: '?(.*?)'? \(choose from (.*)\)")
"""argparse's message, in every supported version of Python."""
_CHOICE: Final = re.compile(r"[a-z][a-z0-9-]*")
_OPTION: Final = re.compile(r"--[a-z][a-z0-9-]*")


def _guess(word: str, known: list[str]) -> str:
    from alaya_mcp.suggestions import did_you_mean  # noqa: PLC0415 loaded for errors only

    return did_you_mean(word, known, "; did you mean {}?")
