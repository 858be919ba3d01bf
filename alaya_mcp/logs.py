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
_DIGITS: Final = 3
"""Of seconds."""


def start_logging(level: LogLevel, log_format: LogFormat = "text") -> None:
    """Send the package's log records of `level` and above to stderr."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if log_format == "json" else TextFormatter())
    ours = logging.getLogger("alaya_mcp")
    ours.setLevel(level)
    ours.addHandler(handler)
    ours.propagate = False
    for name in _OTHERS:
        logging.getLogger(name).setLevel(logging.WARNING)


class TextFormatter(logging.Formatter):
    """One line for people: an event is its name and its fields as `name=value`."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        """The line, without a line break in it."""
        if isinstance(event := record.msg, Event):
            facts = " ".join(f"{name}={_shown(value)}" for name, value in event.facts().items())
            record = logging.makeLogRecord({**record.__dict__, "msg": f"{event.name} {facts}"})
        return super().format(record)


class JsonFormatter(logging.Formatter):
    """One JSON object a line, for machines: `time`, `level`, `event` and its fields, or `message`."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line: dict[str, object] = {"time": time, "level": record.levelname, "logger": record.name}
        if isinstance(event := record.msg, Event):
            line |= {"event": event.name} | {name: _rounded(value) for name, value in event.facts().items()}
        else:
            line["message"] = record.getMessage()
        return json.dumps(line, ensure_ascii=False)


def _rounded(value: object) -> object:
    return round(value, _DIGITS) if isinstance(value, float) else value


def _shown(value: object) -> str:
    text = str(_rounded(value))
    is_plain = text.isprintable() and text and not set(text) & set(' ="')
    return text if is_plain else json.dumps(text, ensure_ascii=False)
