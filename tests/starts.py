"""How a test's server on stdio is started: as it is, and with Windows' rules."""

from typing import Final

STARTS: Final = {"here": ("-m", "alaya_mcp"), "windows": ("-m", "tests.windows_rules")}
"""Python's arguments."""


class Start:
    """How `tests.stdio_host` starts a server; the mark `windows_rules_too` chooses it.

    Attributes:
        words: Python's arguments, before the server's own.
    """

    words = STARTS["here"]
