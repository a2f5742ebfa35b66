"""OpenTelemetry collector that receives spans over OTLP/HTTP and keeps them."""

import gzip
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

WAIT_SECONDS = 60.0


class Collector:
    """``spans``: the last of each name; ``resource``: the attributes of their sender."""

    def __init__(self) -> None:
        self.url = ""
        self.spans: dict[str, Span] = {}
        self.resource: dict[str, str] = {}
        self._changed = threading.Condition()

    def take(self, request: ExportTraceServiceRequest) -> None:
        with self._changed:
            for batch in request.resource_spans:
                self.resource |= {each.key: each.value.string_value for each in batch.resource.attributes}
                self.spans |= {span.name: span for scope in batch.scope_spans for span in scope.spans}
            self._changed.notify_all()

    def wait(self, name: str) -> Span:
        """Wait for a span by its name; return it."""
        deadline = time.monotonic() + WAIT_SECONDS
        with self._changed:
            assert self._changed.wait_for(lambda: name in self.spans, deadline - time.monotonic()), self.spans.keys()
            return self.spans[name]


def attributes(span: Span) -> dict[str, Any]:
    """Return the attributes of a span as plain values; lists of texts as lists."""

    def plain(value: Any) -> Any:
        kind = value.WhichOneof("value")
        return (
            [each.string_value for each in value.array_value.values] if kind == "array_value" else getattr(value, kind)
        )

    return {each.key: plain(each.value) for each in span.attributes}


@contextmanager
def collecting() -> Iterator[Collector]:
    """Run a collector while the block runs."""
    collector = Collector()

    class CollectorHandler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            collector.take(ExportTraceServiceRequest.FromString(body))
            self.send_response(200)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Keep the output of the tests clean."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), CollectorHandler)
    server.daemon_threads = True
    collector.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield collector
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
