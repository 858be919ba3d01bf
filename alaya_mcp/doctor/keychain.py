"""The key pair of a profile that keeps it in the system's keychain."""

from collections.abc import Mapping
from typing import Final

from alaya_mcp.config.keychain import SECONDS, Entry, Pair, Readings
from alaya_mcp.config.precedence import gather
from alaya_mcp.config.settings import VARIABLES
from alaya_mcp.doctor.check import Check
from alaya_mcp.error_causes import Cause
from alaya_mcp.error_sentences import what_happened
from alaya_mcp.errors import NotConfigured

_LOG_IN: Final = "Run `alayanew-mcp login --keyring` again."
_STEPS: Final[dict[Cause, str]] = {
    "keychain_extra_missing": "Install the extra keyring; in the checkout: `pip install '.[keyring]'`.",
    "keychain_missing": "Run `alayanew-mcp login`, which keeps the keys in the configuration file instead.",
    "keychain_locked": "Unlock the keychain and allow the access, then run the doctor again.",
    "keychain_silent": "Answer the keychain's question, then run the doctor again.",
}


async def keychain_pair(environ: Mapping[str, str], seconds: float = SECONDS) -> Pair | NotConfigured | None:
    """Return the pair, or why it cannot be read; None if no entry of the keychain is in use."""
    try:
        sources = gather(environ, VARIABLES)
    except NotConfigured:  # the check of the file says so
        return None
    if not sources.keychain:
        return None
    try:
        return await Readings().pair(Entry(sources.keychain, sources.key_pair), seconds)
    except NotConfigured as unusable:
        return unusable


def about_keychain(problem: NotConfigured) -> Check:
    """Return the check of the settings whose key pair could not be read."""
    return Check("configuration", "failed", problem.cause, what_happened(problem), _STEPS.get(problem.cause, _LOG_IN))
