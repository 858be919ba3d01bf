"""A console on stdout that takes any text, and prints without styles into a pipe or a file."""

import sys

from rich.console import Console


def open_console() -> Console:
    """Return a console on stdout; in another encoding (cp936) it replaces characters instead of failing."""
    if reconfigure := getattr(sys.stdout, "reconfigure", None):
        reconfigure(encoding="utf-8", errors="replace")
    is_terminal = sys.stdout is not None and sys.stdout.isatty()
    return Console(highlight=False, soft_wrap=not is_terminal, emoji=False)
