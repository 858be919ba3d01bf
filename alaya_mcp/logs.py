"""Our own log lines, to stderr, as text or as JSON: ids, statuses, times and codes; never bodies, headers or keys."""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Final, Literal

from alaya_mcp.telemetry import Event

LogLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]
LogFormat = Literal["text", "json"]

_OTHERS: Final = ("httpx2", "httpcore2", "mcp", "asyncio", "uvicorn", "tenacity")
"""Libraries that stay at WARNING whatever is asked for: below it they print headers or messages."""
TEXT: Final = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def start_logging(level: LogLevel, log_format: LogFormat = "text") -> None:
    """Send the package's log records of `level` and above to stderr."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if log_format == "json" else logging.Formatter(TEXT))
    ours = logging.getLogger("alaya_mcp")
    ours.setLevel(level)
    ours.addHandler(handler)
    ours.propagate = False
    for name in _OTHERS:
        logging.getLogger(name).setLevel(logging.WARNING)


class JsonFormatter(logging.Formatter):
    """One JSON object a line, for machines: `time`, `level`, `event` and its fields, or `message`."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line: dict[str, object] = {"time": time, "level": record.levelname, "logger": record.name}
        if isinstance(event := record.msg, Event):
            line |= {"event": event.name} | event.facts()
        else:
            line["message"] = record.getMessage()
        return json.dumps(line, ensure_ascii=False)
