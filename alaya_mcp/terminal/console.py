"""A terminal that takes any text: UTF-8 with replacement, plain where it is no terminal."""

import sys

from rich.console import Console


def open_console() -> Console:
    """A console on stdout; consoles of another encoding (cp936) show what they can instead of failing."""
    if reconfigure := getattr(sys.stdout, "reconfigure", None):
        reconfigure(encoding="utf-8", errors="replace")
    is_terminal = sys.stdout is not None and sys.stdout.isatty()
    return Console(highlight=False, soft_wrap=not is_terminal, emoji=False)
