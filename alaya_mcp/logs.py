"""Our own log lines, to stderr: ids, statuses, times and codes; never bodies, headers or keys."""

import logging
import sys
from typing import Final, Literal

LogLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]

_OTHERS: Final = ("httpx2", "httpcore2", "mcp", "asyncio", "uvicorn", "tenacity")
"""Libraries that stay at WARNING whatever is asked for: below it they print headers or messages."""


def start_logging(level: LogLevel) -> None:
    """Send the package's log records of `level` and above to stderr."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    ours = logging.getLogger("alaya_mcp")
    ours.setLevel(level)
    ours.addHandler(handler)
    ours.propagate = False
    for name in _OTHERS:
        logging.getLogger(name).setLevel(logging.WARNING)
