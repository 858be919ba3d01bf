"""How long a test waits for what it waits for: so long that only what hangs gets there, on a slow machine too."""

from typing import Final

PATIENCE: Final = 120.0
"""Seconds."""
