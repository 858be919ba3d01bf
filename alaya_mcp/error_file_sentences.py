"""What is wrong with the configuration file, or with a keychain entry that it names. Pure."""

from collections.abc import Callable
from typing import Final

from alaya_mcp.error_causes import Cause
from alaya_mcp.errors import AlayaError

_Row = str | Callable[[AlayaError], str]


def _file(problem: str) -> _Row:
    return lambda error: f"The configuration file {error.file} {problem.format(error)}."


def _keychain(problem: str) -> _Row:
    return lambda error: f"The {error.source} {problem.format(error)}."


FILE_SENTENCES: Final[dict[Cause, _Row]] = {
    "config_file_missing": _file("is named by ALAYA_CONFIG and is not there"),
    "config_file_unreadable": _file("cannot be read: {0.detail}"),
    "config_file_too_large": _file("is larger than {0.limit}"),
    "config_file_not_utf8": _file("is not UTF-8"),
    "config_file_not_toml": _file("is not valid TOML: {0.detail}"),
    "config_entry_unusable": _file("has a wrong entry, {0.source}: {0.detail}"),
    "config_file_unwritable": _file("cannot be changed: {0.detail}"),
    "config_file_changed": _file("was changed by another program meanwhile"),
    "home_missing": "No key is set, and there is no home folder to look for the configuration file in: HOME is not "
    "set, and the system names none for this user.",
    "keychain_extra_missing": _keychain("cannot be read: what the extra keyring installs is missing"),
    "keychain_missing": _keychain("cannot be used: this system has no keychain that this process can reach"),
    "keychain_locked": _keychain("cannot be read: the keychain is locked, or access to it was denied"),
    "keychain_silent": _keychain(
        "was not returned within {0.seconds:g} s: the keychain may be waiting for a password or a permission"
    ),
    "keychain_failed": _keychain("cannot be used: the keychain failed ({0.detail})"),
    "keychain_entry_missing": _keychain("is not in the keychain"),
    "keychain_entry_unusable": _keychain("does not hold a key pair"),
    "profile_unknown": lambda error: (
        f"ALAYA_PROFILE chooses the profile {error.source!r}, which is not in {error.file}. "
        f"Its profiles: {', '.join(error.known) or 'none'}."
    ),
}
"""By cause."""
