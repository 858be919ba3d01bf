"""Our log lines, to stderr, as text or JSON: ids, statuses, times and codes; never bodies, headers or keys."""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Literal

from alaya_mcp.telemetry import Event

LogLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]
LogFormat = Literal["text", "json"]


def start_logging(level: LogLevel, log_format: LogFormat = "text") -> None:
    """Send the package's log records of `level` and above to stderr, and other libraries' warnings without tracebacks.

    Below WARNING they print headers or messages, and a traceback ends with an exception's text.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(is_of_use)
    handler.setFormatter(JsonFormatter() if log_format == "json" else TextFormatter())
    ours = logging.getLogger("alaya_mcp")
    ours.setLevel(level)
    ours.addHandler(handler)
    ours.propagate = False
    logging.basicConfig(level=logging.WARNING, handlers=[handler])


def is_of_use(record: logging.LogRecord) -> bool:
    """Return whether a record says anything about this server.

    At exit anyio kills the worker that checks schemas. Asyncio's transport may then reap it before asyncio's watcher,
    which warns that it does not know the exit status; nobody asks for it.
    """
    return record.name != "asyncio" or not str(record.msg).endswith("will report returncode 255")


def _time_of(record: logging.LogRecord) -> str:
    """Return the time of a record in ISO 8601, in UTC with its offset."""
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")


class TextFormatter(logging.Formatter):
    """Formats a line for people: time, level, logger, message."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        return f"{_time_of(record)} {record.levelname} {record.name}: {record.getMessage()}"


class JsonFormatter(logging.Formatter):
    """Formats one JSON object per line, for machines: `time`, `level`, `event` and its fields, or `message`."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line: dict[str, object] = {"time": _time_of(record), "level": record.levelname, "logger": record.name}
        if isinstance(event := record.msg, Event):
            line |= {"event": event.name} | event.facts()
        else:
            line["message"] = record.getMessage()
        return json.dumps(line, ensure_ascii=False)
