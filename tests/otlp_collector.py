"""Run as `python -m tests.otlp_collector`: takes spans and metrics by OTLP over HTTP, and shows what it has.

It prints its port. `GET /` returns all spans and metrics as JSON, `GET /bytes` each byte that came. With the argument
`hang` it takes everything and never answers.
"""

import json
import sys
import threading
from collections.abc import Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

spans: list[dict[str, Any]] = []
metrics: dict[str, list[dict[str, Any]]] = {}
came = bytearray()


def values(attributes: Iterable[KeyValue]) -> dict[str, Any]:
    """Attributes by name; a list as protobuf has it in JSON."""
    found = {each.key: getattr(each.value, each.value.WhichOneof("value") or "") for each in attributes}
    return {name: value if isinstance(value, str | int) else MessageToDict(value) for name, value in found.items()}


def shown(span: Span) -> dict[str, Any]:
    """What a test may ask of a span."""
    return {
        "name": span.name,
        "kind": span.kind,
        "trace": span.trace_id.hex(),
        "id": span.span_id.hex(),
        "parent": span.parent_span_id.hex(),
        "status": span.status.code,
        "description": span.status.message,
        "events": len(span.events),
        "links": [link.span_id.hex() for link in span.links],
        **values(span.attributes),
    }


def take_spans(body: bytes) -> None:
    for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
        service = values(resource.resource.attributes)["service.name"]
        for scope in resource.scope_spans:
            spans.extend({**shown(span), "service": service} for span in scope.spans)


def take_metrics(body: bytes) -> None:
    for resource in ExportMetricsServiceRequest.FromString(body).resource_metrics:
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                histogram = [{**values(each.attributes), "value": each.count} for each in metric.histogram.data_points]
                gauge = [{**values(each.attributes), "value": each.as_int} for each in metric.gauge.data_points]
                metrics[metric.name] = histogram + gauge


class Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        if "hang" in sys.argv:
            threading.Event().wait()
        came.extend(body)
        (take_spans if self.path == "/v1/traces" else take_metrics)(body)
        self._answer(b"")

    def do_GET(self) -> None:
        everything = {"spans": spans, "metrics": metrics}
        self._answer(bytes(came) if self.path == "/bytes" else json.dumps(everything).encode())

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 as the base has it
        del format, args


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    sys.stdout.write(f"{server.server_address[1]}\n")
    sys.stdout.flush()
    server.serve_forever()
