"""The observer that makes spans and metrics."""

from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any, ClassVar, Final

from opentelemetry.context import Context, attach, detach
from opentelemetry.metrics import CallbackOptions, Meter, Observation
from opentelemetry.trace import Link, SpanKind, Tracer, get_current_span

from alaya_mcp.error_causes import Plane
from alaya_mcp.observability import names
from alaya_mcp.observability.watches import PROPAGATOR, Attributes, SpannedChat, SpannedOperation, SpannedRequest
from alaya_mcp.observer import OTHER, ChatFacts, ChatWatch, Headers, Observer, Operation, OperationWatch, RequestWatch
from alaya_mcp.origins import Origin

_MOST_MODELS: Final = 100
_TRACEPARENT: Final = "traceparent"


class Recorder(Observer):
    """Makes a span of each message, request and chat, and measures them.

    Args:
        tracer: Makes the spans; None: none are made, and no trace goes on upstream.
        meter: Makes the metrics.
        exposition: Returns all metrics in Prometheus's text format.
    """

    is_on: ClassVar[bool] = True

    def __init__(self, tracer: Tracer | None, meter: Meter, exposition: Callable[[], bytes] = bytes) -> None:
        self._tracer = tracer
        self._meter = meter
        self._exposition = exposition
        self._models: set[str] = set()
        self._histograms = {
            name: meter.create_histogram(name, unit, description, explicit_bucket_boundaries_advisory=bounds)
            for name, (unit, description, bounds) in names.HISTOGRAMS.items()
        }

    def operation(self, operation: Operation) -> OperationWatch:
        """Return what makes a SERVER span; its parent is that of `_meta`, else that of the HTTP request."""
        labels: Attributes = {names.METHOD: operation.method}
        if operation.tool:
            labels |= {names.OPERATION: "execute_tool", names.TOOL: operation.tool}
        if self._tracer is None:
            return SpannedOperation(None, labels, self._record)
        known = {
            **labels,
            names.TRANSPORT: "tcp" if operation.over_http else "pipe",
            names.PROMPT: operation.prompt,
            names.PROTOCOL_VERSION: operation.version,
            names.REQUEST_ID: None if operation.request_id is None else str(operation.request_id),
        }
        attributes = {name: value for name, value in known.items() if value is not None}
        parent = self._context((operation.meta or {}).get(_TRACEPARENT))
        around = get_current_span().get_span_context()
        span = self._tracer.start_span(
            " ".join(filter(None, (operation.method, operation.tool or operation.prompt))),
            parent,
            SpanKind.SERVER,
            attributes,
            [Link(around)] if parent and around.is_valid else [],
        )
        return SpannedOperation(span, labels, self._record)

    def request(self, plane: Plane, method: str, url: str) -> RequestWatch:
        """Return what makes a CLIENT span of one request."""
        if self._tracer is None:
            return super().request(plane, method, url)
        route = names.route_of(plane, url)
        attributes = {names.HTTP_METHOD: method, names.ROUTE: route, names.PLANE: plane, **_address(url)}
        return SpannedRequest(self._tracer.start_span(f"{method} {route}", None, SpanKind.CLIENT, attributes))

    def chat(self, model: str, url: str, facts: Callable[[], ChatFacts]) -> ChatWatch:
        """Return what makes a CLIENT span of one chat, and measures it."""
        labels: Attributes = {
            names.OPERATION: "chat",
            names.PROVIDER_NAME: names.PROVIDER,
            names.MODEL: self._bounded(model),
        }
        span = None
        if self._tracer:
            attributes = {**labels, names.MODEL: model, **_address(url)}
            span = self._tracer.start_span(f"chat {model}", None, SpanKind.CLIENT, attributes)
        return SpannedChat(span, labels, facts, self._record)

    @contextmanager
    def joined(self, headers: Headers) -> Generator[None]:
        """Yield with the trace of an HTTP request as the current one; more than one traceparent counts as none."""
        values = [value.decode("latin-1") for name, value in headers if name == _TRACEPARENT.encode()]
        context = self._context(values[0]) if len(values) == 1 else None
        token = attach(context) if context else None
        try:
            yield
        finally:
            if token:
                detach(token)

    def watch(self, **levels: Callable[[], int]) -> None:
        """Make gauges of levels."""

        def observed(read: Callable[[], int], _: CallbackOptions) -> list[Observation]:
            return [Observation(read())]

        for key, read in levels.items():
            name, unit, description = names.LEVELS[key]
            self._meter.create_observable_gauge(name, [partial(observed, read)], unit, description)

    def exposition(self) -> bytes:
        """Return all metrics in Prometheus's text format."""
        return self._exposition()

    def _record(self, name: str, value: float, labels: Mapping[str, Any], /) -> None:
        self._histograms[name].record(value, labels)

    def _context(self, traceparent: object) -> Context | None:
        """Return the context of a valid traceparent: tracestate and baggage are a caller's words, and left out."""
        if self._tracer is None or not isinstance(traceparent, str):
            return None
        context = PROPAGATOR.extract({_TRACEPARENT: traceparent})
        return context if get_current_span(context).get_span_context().is_valid else None

    def _bounded(self, model: str) -> str:
        """Return the model's name as a label: one of the first hundred, or other."""
        if len(self._models) < _MOST_MODELS:
            self._models.add(model)
        return model if model in self._models else OTHER


def _address(url: str) -> Attributes:
    origin = Origin.of(url)
    return {names.ADDRESS: origin.host, names.PORT: origin.port}
