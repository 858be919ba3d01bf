"""Keep a key pair in a profile of the configuration file, or in the system's keychain, once it is known to work."""

import argparse
import getpass
import os
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

from alaya_mcp.cli.account_check import refusal_of
from alaya_mcp.config.environment import value_of
from alaya_mcp.config.file import DEFAULT_PROFILE
from alaya_mcp.config.keychain import Entry, Pair
from alaya_mcp.config.pasted import fault_of
from alaya_mcp.config.place import CONFIG_VARIABLE, PROFILE_VARIABLE
from alaya_mcp.config.precedence import KEY_PAIR_VARIABLES, KEYS, Sources, Value
from alaya_mcp.config.profile_file import ProfileFile
from alaya_mcp.config.settings import DEFAULT_BASE_URL, Settings, settings_from
from alaya_mcp.error_sentences import what_happened
from alaya_mcp.errors import CredentialsRejected, NotConfigured
from alaya_mcp.logs import start_logging
from alaya_mcp.printable import printable
from alaya_mcp.terminal.console import open_console
from alaya_mcp.terminal.error_steps import error_lines, next_step

Say = Callable[[str], None]
AskSecret = Callable[[str], str]

_VARIABLES: Final = ("ALAYA_ACCESS_KEY", "ALAYA_SECRET_KEY")
_HALVES: Final = ("Access key", "Secret key")
_LONGEST_PROFILE: Final = 60
_WHERE: Final = (
    "The key pair is an Open API Key: create one in the Alaya NeW console, and paste its two halves here. What you paste "
    "is not shown."
)
_BASE_URL: Final = "ALAYA_BASE_URL"


class NotLoggedIn(Exception):
    """Nothing was written; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Manner:
    """How to log in.

    Attributes:
        keychain: Whether the pair goes into the system's keychain, instead of the file.
        checked: Whether one request is made with the pair before it is written.
        tries: How often each half is asked for; a pipe is not asked again.
    """

    keychain: bool = False
    checked: bool = True
    tries: int = 3


_USUAL: Final = Manner()


async def run(arguments: argparse.Namespace) -> int:
    """Log in as the command line says; return the exit status."""
    start_logging("ERROR", "text")
    console = open_console()
    # The event loop's handler would not interrupt a question.
    signal.signal(signal.SIGINT, signal.default_int_handler)

    def say(text: str) -> None:
        console.print(printable(text), markup=False, soft_wrap=True)

    is_terminal = sys.stdin is not None and sys.stdin.isatty()
    ask = getpass.getpass if is_terminal else _line_of_stdin
    manner = Manner(arguments.keyring, not arguments.no_check, tries=3 if is_terminal else 1)
    try:
        await logged_in(say, ask, os.environ, arguments.profile, manner)
    except NotLoggedIn as why:
        sys.stderr.write(f"alayanew-mcp login: {why}\n")
    except EOFError:
        sys.stderr.write("\nalayanew-mcp login: there is no key to read. Nothing was written.\n")
    else:
        return 0
    return 1


async def log_in(say: Say, ask_secret: AskSecret | None, environ: Mapping[str, str], profile: str | None) -> bool:
    """Ask for a key pair, check it and keep it in a profile; return whether it is there.

    For other commands, such as `install`, where nobody is logged in.

    Args:
        say: Shows a line to the person.
        ask_secret: Asks for a line without showing it; what it raises is passed on. None if nobody can answer: the pair
            is taken from ALAYA_ACCESS_KEY and ALAYA_SECRET_KEY then, where both are set.
        environ: The environment, which names the file, the profile and the API.
        profile: The profile's name; None for ALAYA_PROFILE's, or `default`.
    """
    try:
        await logged_in(say, ask_secret, environ, profile)
    except NotLoggedIn as why:
        say(str(why))
        return False
    return True


async def logged_in(
    say: Say, ask_secret: AskSecret | None, environ: Mapping[str, str], profile: str | None, manner: Manner = _USUAL
) -> None:
    """Log in as `log_in`, in another manner.

    Raises:
        NotLoggedIn: nothing was written.
    """
    try:
        await _logged_in(say, ask_secret, environ, profile, manner)
    except NotConfigured as problem:
        raise NotLoggedIn(f"nothing was written. {error_lines(problem)}") from None


async def _logged_in(
    say: Say, ask_secret: AskSecret | None, environ: Mapping[str, str], profile: str | None, manner: Manner
) -> None:
    name = chosen_profile(environ, profile)
    file = ProfileFile.read(environ)
    base_url, origin = _base_url(environ, file, name)
    _settings(Pair("unread", "unread"), base_url, origin)  # before anything is asked
    pair = _pair(say, ask_secret, environ, manner.tries)
    settings = _settings(pair, base_url, origin)
    if manner.checked:
        await _check(settings, environ, origin)
    entries = {"base_url": settings.base_url}
    if manner.keychain:
        entry = own_entry(file, name)
        entry.write(pair)
        entries["keyring"] = entry.name
    else:
        entries |= dict(zip(KEYS, (pair.access_key, pair.secret_key), strict=True))
    before = file.file.profiles.get(name)
    has_own_entry = before is not None and before.keyring == own_entry(file, name).name
    try:
        file.log_in(name, entries)
    except NotConfigured:
        if manner.keychain and not has_own_entry:
            own_entry(file, name).remove()
        raise
    is_checked = "It works" if manner.checked else "It was not checked"
    say(f"Logged in: account {settings.account}, at {settings.base_url}. {is_checked}.")
    if manner.keychain:
        say(f"The key pair is in the system's keychain; profile {name} of {file.path} names its entry there.")
    else:
        say(f"The key pair is in profile {name} of {file.path}, which only you can read.")
    for line in _remarks(environ, file, name, settings.base_url):
        say(line)
    if has_own_entry and not manner.keychain:
        own_entry(file, name).remove()


def chosen_profile(environ: Mapping[str, str], given: str | None) -> str:
    """Return the profile's name: the given one, that of ALAYA_PROFILE, or `default`.

    Raises:
        NotLoggedIn: it cannot be one.
    """
    name = given if given is not None else value_of(environ, PROFILE_VARIABLE) or DEFAULT_PROFILE
    if not name.strip() or name != name.strip() or not name.isprintable() or len(name) > _LONGEST_PROFILE:
        raise NotLoggedIn(f"A profile's name has 1 to {_LONGEST_PROFILE} visible characters. Choose another --profile.")
    return name


def own_entry(file: ProfileFile, profile: str) -> Entry:
    """Return the keychain's entry for a profile of this file; that of another file has another name."""
    of_file = sha256(str(file.path.resolve()).encode(errors="replace")).hexdigest()[:8]
    name = f"{profile} {of_file}"
    return Entry(name, f"keychain entry {name} of profile {profile}")


def _base_url(environ: Mapping[str, str], file: ProfileFile, profile: str) -> tuple[str, str]:
    """Return the address that the pair is for, and what sets it."""
    held = file.file.profiles.get(profile)
    if given := value_of(environ, _BASE_URL):
        return given, _BASE_URL
    if held and held.base_url:
        return held.base_url.strip(), f"base_url of profile {profile}"
    return DEFAULT_BASE_URL, "the default"


def _settings(pair: Pair, base_url: str, origin: str) -> Settings:
    """Return settings for the check.

    Raises:
        NotConfigured: the address cannot be used.
    """
    keys = {
        "access_key": Value(pair.access_key, "the access key"),
        "secret_key": Value(pair.secret_key, "the secret key"),
    }
    return settings_from(Sources({**keys, "base_url": Value(base_url, origin)}, {}, None, Path(), "the answer"), {})


def _pair(say: Say, ask_secret: AskSecret | None, environ: Mapping[str, str], tries: int) -> Pair:
    """Return the pair from the environment, if both halves are there, or from the person.

    Raises:
        NotLoggedIn: there is none.
    """
    held = [value_of(environ, name) for name in _VARIABLES]
    if all(held):
        say(f"Taking the key pair from {KEY_PAIR_VARIABLES}.")
        for name, half in zip(_VARIABLES, held, strict=True):
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


async def _check(settings: Settings, environ: Mapping[str, str], origin: str) -> None:
    error = await refusal_of(settings, environ)
    if error is None:
        return
    where = "" if origin == "the default" else f" (from {origin})"
    if isinstance(error, CredentialsRejected):
        raise NotLoggedIn(
            f"{settings.base_url}{where} refused the key pair of account {settings.account}. Nothing was written. Copy both "
            "halves of one Open API Key from the Alaya NeW console, and run this again."
        )
    step = (
        next_step(error)
        if isinstance(error, NotConfigured)
        else "Run this again, or with --no-check to keep it unchecked."
    )
    raise NotLoggedIn(
        f"The key pair could not be checked at {settings.base_url}{where}: {what_happened(error)} Nothing was written. {step}"
    )


def _remarks(environ: Mapping[str, str], file: ProfileFile, profile: str, base_url: str) -> list[str]:
    """Return what else is to know: what was replaced, and why a server may not use this profile."""
    lines: list[str] = []
    before = file.file.profiles.get(profile)
    if before and before.base_url and before.base_url.strip() != base_url:
        lines.append(f"The profile's base_url was {before.base_url.strip()} until now.")
    if before and before.keyring and before.keyring != own_entry(file, profile).name:
        lines.append(f"The keychain's entry {before.keyring}, which it named, is still there.")
    held = [name for name in _VARIABLES if value_of(environ, name)]
    if held:
        lines.append(f"This shell's {' and '.join(held)} come before the profile: `unset {' '.join(held)}`.")
    if value_of(environ, CONFIG_VARIABLE):
        lines.append(f"A host's server looks there only with {CONFIG_VARIABLE}={file.path} in its environment.")
    elif value_of(environ, "XDG_CONFIG_HOME"):
        lines.append("A host that does not pass XDG_CONFIG_HOME on looks in your home folder's usual place instead.")
    if profile != DEFAULT_PROFILE:
        lines.append(f"To use it: `export {PROFILE_VARIABLE}={profile}`, or set that in the host's entry.")
    return lines


def _line_of_stdin(_: str) -> str:
    """Return a line of stdin, which is not a terminal.

    Raises:
        EOFError: there is none.
    """
    line = sys.stdin.buffer.readline() if sys.stdin is not None else b""
    if not line:
        raise EOFError
    return line.decode(errors="replace")
