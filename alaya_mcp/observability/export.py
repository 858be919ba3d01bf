"""Exports spans and metrics, by OTLP and for Prometheus, without ever holding up the server."""

import logging
from collections.abc import Callable, Sequence
from threading import Thread
from time import monotonic
from types import TracebackType
from typing import Any, Final, Self

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.metrics import Meter, NoOpMeter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import (
    MetricExportResult,
    MetricReader,
    MetricsData,
    PeriodicExportingMetricReader,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExportResult

from alaya_mcp import __version__
from alaya_mcp.observability import names
from alaya_mcp.observability.recorder import Recorder
from alaya_mcp.observability.requested import Requested

_FLUSH_SECONDS: Final = 2.0
_log = logging.getLogger(__name__)


class Exports:
    """Exports while its block runs; at its end, what is left has two seconds to be sent.

    Nothing global is set: what other libraries make, the SDK of MCP with a caller's words among them, is not exported.

    Args:
        requested: What is exported by OTLP.
        scraped: Whether Prometheus reads the metrics.

    Attributes:
        recorder: Makes the spans and metrics.
    """

    def __init__(self, requested: Requested, *, scraped: bool) -> None:
        self._ends: list[Callable[[], object]] = []
        resource = _resource()
        readers: list[MetricReader] = []
        exposition: Callable[[], bytes] = bytes
        if scraped:
            from alaya_mcp.observability.prometheus import scraped_reader  # noqa: PLC0415 needed with a port only

            reader, exposition = scraped_reader()
            readers.append(reader)
        if requested.metrics:
            readers.append(PeriodicExportingMetricReader(_Metrics()))
        meter: Meter = NoOpMeter(names.SCOPE)
        if readers:
            meters = MeterProvider(readers, resource, shutdown_on_exit=False)
            self._ends.append(meters.shutdown)
            meter = meters.get_meter(names.SCOPE, __version__)
        tracer = None
        if requested.traces:
            # There are no events: an exception's would have its text.
            tracers = TracerProvider(
                resource=resource, shutdown_on_exit=False, span_limits=SpanLimits(max_events=0), meter_provider=None
            )
            tracers.add_span_processor(BatchSpanProcessor(_Spans()))
            self._ends.append(tracers.shutdown)
            tracer = tracers.get_tracer(names.SCOPE, __version__)
        self.recorder = Recorder(tracer, meter, exposition)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Send what is left; the thread of a collector that takes longer goes on alone, and ends with the process."""
        threads = [Thread(target=end, name="alaya-flush", daemon=True) for end in self._ends]
        for thread in threads:
            thread.start()
        until = monotonic() + _FLUSH_SECONDS
        for thread in threads:
            thread.join(max(until - monotonic(), 0))
        if any(thread.is_alive() for thread in threads):
            _log.warning(
                "The OpenTelemetry collector did not take the last traces or metrics in %.0f s.", _FLUSH_SECONDS
            )


class _Delivery:
    """Logs once that a collector does not take what it is sent, and once that it does again."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._is_failing = False

    def log(self, *, is_failure: bool) -> None:
        if is_failure and not self._is_failing:
            _log.warning("The OpenTelemetry collector does not take %s; they are lost until it does.", self._what)
        if not is_failure and self._is_failing:
            _log.warning("The OpenTelemetry collector takes %s again.", self._what)
        self._is_failing = is_failure


class _Spans(OTLPSpanExporter):
    """Exports spans."""

    def __init__(self) -> None:
        super().__init__()
        self._delivery = _Delivery("traces")

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = super().export(spans)
        self._delivery.log(is_failure=result is SpanExportResult.FAILURE)
        return result


class _Metrics(OTLPMetricExporter):
    """Exports metrics."""

    def __init__(self) -> None:
        super().__init__()
        self._delivery = _Delivery("metrics")

    def export(
        self,
        metrics_data: MetricsData,
        timeout_millis: float | None = 10_000,
        **kwargs: Any,  # noqa: ANN401 as the base has it
    ) -> MetricExportResult:
        result = super().export(metrics_data, timeout_millis, **kwargs)  # pyright: ignore[reportUnknownMemberType] # its kwargs
        self._delivery.log(is_failure=result is MetricExportResult.FAILURE)
        return result


def _resource() -> Resource:
    """Return what names this server, unless OTEL_SERVICE_NAME or OTEL_RESOURCE_ATTRIBUTES gives another name."""
    resource = Resource.create({"service.version": __version__})
    is_named = not str(resource.attributes["service.name"]).startswith("unknown_service")
    return resource if is_named else resource.merge(Resource({"service.name": names.SERVICE}))
