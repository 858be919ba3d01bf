"""The key pair that somebody logs in with: from the environment, from a person, or from two lines of a pipe."""

import sys
from collections.abc import Callable, Mapping
from typing import Final

from alaya_mcp.config.environment import value_of
from alaya_mcp.config.keychain import Pair
from alaya_mcp.config.pasted import fault_of
from alaya_mcp.config.precedence import KEY_PAIR_VARIABLES

Say = Callable[[str], None]
"""Shows a line to the person."""
AskSecret = Callable[[str], str]
"""Asks for a line without showing it."""

VARIABLES: Final = ("ALAYA_ACCESS_KEY", "ALAYA_SECRET_KEY")
_HALVES: Final = ("Access key", "Secret key")
_WHERE: Final = (
    "The key pair is an Open API Key: create one in the Alaya NeW console, and paste its two halves here. "
    "They are not shown."
)


class NotLoggedIn(Exception):
    """Nothing was written; the text says why and what to do."""


def key_pair(say: Say, ask_secret: AskSecret | None, environ: Mapping[str, str], tries: int) -> Pair:
    """Return the pair from the environment, if both halves are there, or from the person.

    Raises:
        NotLoggedIn: there is none.
    """
    held = [value_of(environ, name) for name in VARIABLES]
    if all(held):
        say(f"Taking the key pair from {KEY_PAIR_VARIABLES}.")
        for name, half in zip(VARIABLES, held, strict=True):
            if fault := fault_of(half):
                raise NotLoggedIn(f"{name} cannot be used: it {fault}. Nothing was written. Correct it, or unset both.")
        return Pair(*held)
    if ask_secret is None:
        raise NotLoggedIn(f"There is no terminal to ask for the keys on. Set {KEY_PAIR_VARIABLES}.")
    if tries > 1:
        say(_WHERE)
    access_key, secret_key = (_half(say, ask_secret, of, tries) for of in _HALVES)
    if access_key == secret_key:
        raise NotLoggedIn(
            "Both halves are the same. Nothing was written. Run this again, and paste one after the other."
        )
    return Pair(access_key, secret_key)


def _half(say: Say, ask_secret: AskSecret, of: str, tries: int) -> str:
    """Ask for one half until it can be one.

    Raises:
        NotLoggedIn: no answer could.
    """
    for left in reversed(range(tries)):
        half = ask_secret(f"{of}: ").strip()
        fault = fault_of(half)
        if not fault:
            return half
        if left:
            say(f"That cannot be the {of.lower()}: it {fault}. Paste it again.")
        else:
            raise NotLoggedIn(f"That cannot be the {of.lower()}: it {fault}. Nothing was written. Run this again.")
    raise AssertionError("there is a last try")


def line_of_stdin(_: str) -> str:
    """Return a line of stdin, which is not a terminal.

    Raises:
        EOFError: there is none.
    """
    line = sys.stdin.buffer.readline() if sys.stdin is not None else b""
    if not line:
        raise EOFError
    return line.decode(errors="replace")
