"""Begin to observe where the environment asks for it, and log why not where it cannot."""

import logging
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Final

from alaya_mcp.observability.requested import is_disabled, requested
from alaya_mcp.observer import NOBODY, Observer

INSTALL: Final = "pip install '.[otel]'"
_LOUD: Final = ("opentelemetry", "urllib3")
"""Loggers of libraries whose lines quote exceptions, addresses, answers and the values of variables."""

_log = logging.getLogger(__name__)


@contextmanager
def observing(environ: Mapping[str, str], *, scraped: bool = False) -> Generator[Observer]:
    """Yield what observes the server while the block runs; `NOBODY` if nothing is asked for or it cannot be exported.

    Args:
        environ: The OTEL_* variables.
        scraped: Whether Prometheus reads the metrics.
    """
    asked = requested(environ)
    for name in asked.unspoken:
        _log.warning("%s must be http/protobuf: nothing is exported to this collector.", name)
    if scraped and is_disabled(environ):
        _log.warning("OTEL_SDK_DISABLED is set: the metrics for Prometheus are those of the process alone.")
    if not (asked.is_any or scraped):
        yield NOBODY
        return
    for name in _LOUD:
        logger = logging.getLogger(name)
        logger.addHandler(logging.NullHandler())
        logger.propagate = False
    try:
        from alaya_mcp.observability.export import Exports  # noqa: PLC0415 it takes most of a second to load

        exports = Exports(asked, scraped=scraped)
    except ModuleNotFoundError:
        _log.warning("OTEL_* variables ask for telemetry, which is not installed; in the checkout: %s", INSTALL)
        yield NOBODY
        return
    except Exception as unusable:  # noqa: BLE001 the libraries raise whatever a variable's value leads to
        _log.warning("Telemetry is off: the OTEL_* variables cannot be used (%s).", type(unusable).__name__)
        yield NOBODY
        return
    with exports:
        yield exports.recorder
