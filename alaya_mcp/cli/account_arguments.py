"""The arguments of the commands that keep, remove and examine a key pair."""

import argparse
from collections.abc import Callable

Add = Callable[..., argparse.ArgumentParser]
"""Adds a command's parser."""


def add_login(add: Add) -> None:
    """Add the parser of `login`."""
    login = add(
        "login",
        help="keep your key pair where every server of yours finds it",
        description="Ask for an Open API Key (an access key and a secret key, made in the Alaya NeW console), check it "
        "with one request, and keep it in a profile of the configuration file, which only you can read. In a pipe the "
        "two are read from ALAYA_ACCESS_KEY and ALAYA_SECRET_KEY, or from two lines of stdin.",
    )
    login.set_defaults(command="login")
    _chooses_a_profile(login)
    login.add_argument("--keyring", action="store_true", help="keep it in the system's keychain (the extra keyring)")
    login.add_argument("--no-check", action="store_true", help="keep it without checking it, as on a machine offline")


def add_logout(add: Add) -> None:
    """Add the parser of `logout`."""
    logout = add(
        "logout",
        help="remove your key pair again",
        description="Remove a profile's key pair from the configuration file or the keychain; the rest of it stays.",
    )
    logout.set_defaults(command="logout")
    _chooses_a_profile(logout)


def add_status(add: Add) -> None:
    """Add the parser of `status`."""
    status = add(
        "status",
        help="say who is logged in, and whether the key pair works",
        description="Say which account is in use, where its key pair comes from, and whether it works (one request). "
        "No secret is shown. Exit status: 0 it works, 1 not logged in, 3 it does not work.",
    )
    status.set_defaults(command="status")
    _chooses_a_profile(status)
    status.add_argument("--json", action="store_true", help="print one JSON object and nothing else")


def _chooses_a_profile(command: argparse.ArgumentParser) -> None:
    command.add_argument("--profile", metavar="NAME", help="the profile, default that of ALAYA_PROFILE or `default`")
