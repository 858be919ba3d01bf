"""Remove a profile's key pair, from the configuration file or the system's keychain."""

import argparse
import os
import sys
from collections.abc import Mapping

from alaya_mcp.cli.login import chosen_profile, own_entry
from alaya_mcp.cli.login_questions import VARIABLES, NotLoggedIn, Say
from alaya_mcp.config.environment import value_of
from alaya_mcp.config.keychain import Entry
from alaya_mcp.config.profile_file import ProfileFile
from alaya_mcp.errors import NotConfigured
from alaya_mcp.printable import printable
from alaya_mcp.terminal.console import open_console
from alaya_mcp.terminal.error_steps import error_lines


async def run(arguments: argparse.Namespace) -> int:
    """Log out as the command line says; return the exit status: 0 too if nobody was logged in."""
    console = open_console()

    def say(text: str) -> None:
        console.print(printable(text), markup=False, soft_wrap=True)

    try:
        log_out(say, os.environ, arguments.profile)
    except NotLoggedIn as why:
        sys.stderr.write(f"alayanew-mcp logout: {why}\n")
    except NotConfigured as problem:
        sys.stderr.write(f"alayanew-mcp logout: {error_lines(problem)}\n")
    else:
        return 0
    return 1


def log_out(say: Say, environ: Mapping[str, str], profile: str | None) -> None:
    """Remove the profile's pair, and say what is left.

    Args:
        say: Shows a line to the person.
        environ: The environment, which names the file and the profile.
        profile: The profile's name; None for ALAYA_PROFILE's, or `default`.

    Raises:
        NotConfigured: the file or the keychain cannot be used.
        NotLoggedIn: the name cannot be a profile's.
    """
    name = chosen_profile(environ, profile)
    file = ProfileFile.read(environ)
    held = file.file.profiles.get(name)
    if held is None or not (held.access_key or held.secret_key or held.keyring):
        say(f"Not logged in: profile {name} of {file.path} has no key pair.")
        for variable in filter(None, (held and held.access_key_env, held and held.secret_key_env)):
            say(f"It takes a key from a variable, {variable}, which is not removed here.")
    else:
        if held.keyring:
            _remove(say, held.keyring, own_entry(file, name))
        is_there = file.log_out(name)
        what = f"the key pair is removed from profile {name} of {file.path}"
        say(f"Logged out: {what}{'' if is_there else '; the file, with nothing else in it, is deleted'}.")
    for line in others_logged_in(file, name):
        say(line)
    if left := [variable for variable in VARIABLES if value_of(environ, variable)]:
        say(f"This shell still has {' and '.join(left)}: `unset {' '.join(left)}`.")


def others_logged_in(file: ProfileFile, name: str) -> list[str]:
    """Return a line on the other profiles of a file that have a key pair; none without any."""
    others = [other for other, profile in file.file.profiles.items() if other != name and profile.has_keys]
    return [f"Other profiles of {file.path} have keys: {', '.join(others)} (--profile NAME)."] if others else []


def _remove(say: Say, name: str, own: Entry) -> None:
    """Remove the keychain's entry, if it is this file's own.

    Raises:
        NotConfigured: the keychain cannot be used.
    """
    if name != own.name:
        say(f"The keychain's entry {name} was not made for this file, and is left there.")
        return
    if not own.remove():
        say(f"The keychain had no entry {name}.")
