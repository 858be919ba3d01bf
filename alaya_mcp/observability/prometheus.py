"""Metrics for Prometheus, in a registry of their own."""

from collections.abc import Callable

from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics.export import MetricReader
from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest


def scraped_reader() -> tuple[MetricReader, Callable[[], bytes]]:
    """Return a reader of metrics, and what returns them as text with the process's own (memory, CPU, descriptors)."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    reader = PrometheusMetricReader(scope_info_enabled=False, registry=registry)
    return reader, lambda: generate_latest(registry)
