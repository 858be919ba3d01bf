"""What the standard OTEL_* variables ask for. Pure.

Their names and rules: OpenTelemetry's specification, configuration/sdk-environment-variables and protocol/exporter.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, get_args

_ENDPOINT: Final = "OTEL_EXPORTER_OTLP_ENDPOINT"
_PROTOCOLS: Final = ("OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_EXPORTER_OTLP_{}_PROTOCOL")
_SPOKEN: Final = "http/protobuf"
Signal = Literal["TRACES", "METRICS"]


@dataclass(frozen=True, slots=True)
class Requested:
    """What is to be exported by OTLP.

    Attributes:
        traces: Whether traces are.
        metrics: Whether metrics are.
        unspoken: Variables that ask for a protocol other than http/protobuf; their signals are left out.
    """

    traces: bool
    metrics: bool
    unspoken: tuple[str, ...] = ()

    @property
    def is_any(self) -> bool:
        """Whether anything is."""
        return self.traces or self.metrics


def is_disabled(environ: Mapping[str, str]) -> bool:
    """Return whether OpenTelemetry is switched off."""
    return environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"


def requested(environ: Mapping[str, str]) -> Requested:
    """Return what the environment asks for: an endpoint or the exporter `otlp`, unless it is disabled."""
    if is_disabled(environ):
        return Requested(traces=False, metrics=False)
    wanted = {signal for signal in get_args(Signal) if _is_wanted(signal, environ)}
    unspoken = {signal: name for signal in wanted if (name := _unspoken(signal, environ))}
    spoken = wanted - unspoken.keys()
    return Requested("TRACES" in spoken, "METRICS" in spoken, tuple(sorted({*unspoken.values()})))


def _is_wanted(signal: Signal, environ: Mapping[str, str]) -> bool:
    if exporters := environ.get(f"OTEL_{signal}_EXPORTER", "").strip():
        return "otlp" in (each.strip() for each in exporters.split(","))
    return any(environ.get(name, "").strip() for name in (_ENDPOINT, f"OTEL_EXPORTER_OTLP_{signal}_ENDPOINT"))


def _unspoken(signal: Signal, environ: Mapping[str, str]) -> str | None:
    """Return the variable that asks for another protocol; the signal's own comes first."""
    for name in (each.format(signal) for each in reversed(_PROTOCOLS)):
        if protocol := environ.get(name, "").strip().lower():
            return None if protocol == _SPOKEN else name
    return None
