"""Keep a key pair in a profile of the configuration file, or in the system's keychain, once it is known to work."""

import argparse
import getpass
import os
import shlex
import signal
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

from alaya_mcp.cli.account_check import refusal_of
from alaya_mcp.cli.login_questions import VARIABLES, AskSecret, NotLoggedIn, Say, key_pair, line_of_stdin
from alaya_mcp.config.environment import value_of
from alaya_mcp.config.file import DEFAULT_PROFILE
from alaya_mcp.config.keychain import Entry, Pair
from alaya_mcp.config.place import CONFIG_VARIABLE, PROFILE_VARIABLE
from alaya_mcp.config.precedence import KEYS, Sources, Value
from alaya_mcp.config.profile_file import ProfileFile
from alaya_mcp.config.settings import DEFAULT_BASE_URL, Settings, account_of, settings_from
from alaya_mcp.error_sentences import what_happened
from alaya_mcp.errors import CredentialsRejected, NotConfigured
from alaya_mcp.logs import start_logging
from alaya_mcp.printable import printable
from alaya_mcp.terminal.console import open_console
from alaya_mcp.terminal.error_steps import error_lines, next_step

_LONGEST_PROFILE: Final = 60
_BASE_URL: Final = "ALAYA_BASE_URL"
_THE_DEFAULT: Final = "the default"


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
    ask = getpass.getpass if is_terminal else line_of_stdin
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
    if origin not in {_THE_DEFAULT, _BASE_URL}:  # the person may not know of it
        say(f"The key pair is for {base_url} ({origin}).")
    pair = key_pair(say, ask_secret, environ, manner.tries)
    settings = _settings(pair, base_url, origin)
    if manner.checked:
        say(f"Checking it at {settings.base_url}.")
        await _check(settings, environ, origin)
    entries = {"base_url": settings.base_url}
    before, own = file.file.profiles.get(name), own_entry(file, name)
    has_own_entry = before is not None and before.keyring == own.name
    held: Pair | None = None
    if manner.keychain:
        held = _held(own) if has_own_entry else None
        own.write(pair)
        entries["keyring"] = own.name
    else:
        entries |= dict(zip(KEYS, (pair.access_key, pair.secret_key), strict=True))
    try:
        file.log_in(name, entries)
    except NotConfigured:
        if manner.keychain:  # a pair stays beside the address that it was kept with
            with suppress(NotConfigured):
                own.write(held) if held else own.remove()
        raise
    is_checked = "It works" if manner.checked else "It was not checked"
    say(f"Logged in: account {settings.account}, at {settings.base_url}. {is_checked}.")
    if manner.keychain:
        say(f"The key pair is in the system's keychain; profile {name} of {file.path} names its entry there.")
    else:
        say(f"The key pair is in profile {name} of {file.path}, which only you can read.")
    for line in _remarks(environ, file, name, settings):
        say(line)
    if has_own_entry and not manner.keychain:
        own.remove()


def _held(entry: Entry) -> Pair | None:
    """Return the pair in the keychain; None if it cannot be read."""
    try:
        return entry.read()
    except NotConfigured:
        return None


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
    return DEFAULT_BASE_URL, _THE_DEFAULT


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


async def _check(settings: Settings, environ: Mapping[str, str], origin: str) -> None:
    error = await refusal_of(settings, environ)
    if error is None:
        return
    where = "" if origin == _THE_DEFAULT else f" (from {origin})"
    if isinstance(error, CredentialsRejected):
        raise NotLoggedIn(
            f"{settings.base_url}{where} refused the key pair of account {settings.account}. Nothing was written. Copy "
            "both halves of one Open API Key from the Alaya NeW console, and run this again."
        )
    step = "Run this again, or with --no-check to keep it unchecked."
    if origin not in {_THE_DEFAULT, _BASE_URL}:
        step = f"Run this again; for another API, set {_BASE_URL} or run `alayanew-mcp logout` first."
    if isinstance(error, NotConfigured):
        step = next_step(error)
    what = f"The key pair could not be checked at {settings.base_url}{where}: {what_happened(error)}"
    raise NotLoggedIn(f"{what} Nothing was written. {step}")


def _remarks(environ: Mapping[str, str], file: ProfileFile, profile: str, now: Settings) -> list[str]:
    """Return what else is to know: what was replaced, and why a server may not use this profile."""
    lines: list[str] = []
    before = file.file.profiles.get(profile)
    if before and before.access_key and (was := account_of(before.access_key)) != now.account:
        lines.append(f"It replaces account {was}.")
    if before and (named := [name for name in (before.access_key_env, before.secret_key_env) if name]):
        lines.append(f"It took a key from {' and '.join(named)} until now.")
    if before and before.base_url and before.base_url.strip() != now.base_url:
        lines.append(f"The profile's base_url was {before.base_url.strip()} until now.")
    if before and before.keyring and before.keyring != own_entry(file, profile).name:
        lines.append(f"The keychain's entry {before.keyring}, which it named, is still there.")
    held = [name for name in VARIABLES if value_of(environ, name)]
    if held:
        lines.append(f"This shell's {' and '.join(held)} come before the profile: `unset {' '.join(held)}`.")
    if value_of(environ, CONFIG_VARIABLE):
        lines.append(f"A host's server looks there only with {CONFIG_VARIABLE}={file.path} in its environment.")
    elif value_of(environ, "XDG_CONFIG_HOME"):
        lines.append("A host that does not pass XDG_CONFIG_HOME on looks in your home folder's usual place instead.")
    if profile != DEFAULT_PROFILE:
        lines.append(f"To use it: `export {PROFILE_VARIABLE}={shlex.quote(profile)}`, or set that in the host's entry.")
    return lines
