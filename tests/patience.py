"""How long a test waits for what it waits for: so long that only what hangs gets there, on a slow machine too."""

from typing import Final

PATIENCE: Final = 300.0
"""Seconds."""

LONG_BUDGET: Final = {"ALAYA_TIMEOUT_SECONDS": "900"}
"""For a server, so that it is not its deadline that ends a chat while a test waits for the end."""
