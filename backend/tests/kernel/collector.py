"""A collector of traces on loopback: a real HTTP server that reads OTLP, and may be told to hold its answers back."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

SECONDS_MAX = 30.0
KINDS = {2: "server", 3: "client", 5: "consumer"}


@dataclass(frozen=True)
class Received:
    """A span as the collector understood it."""

    name: str
    kind: str
    trace: str
    id: str
    parent: str
    links: tuple[str, ...]
    attributes: dict[str, Any]
    is_failed: bool
    nanoseconds: int
    service: str


@dataclass
class Collector:
    """What arrived, and how it answers. bodies: as they came, for looking at every byte."""

    url: str
    status: int = 200
    requests: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    bodies: list[bytes] = field(default_factory=list)
    spans: list[Received] = field(default_factory=list)
    asked: threading.Event = field(default_factory=threading.Event)
    may_answer: threading.Event = field(default_factory=threading.Event)

    def one(self, name: str) -> Received:
        """Return the span of this name; there is exactly one."""
        found = [span for span in self.spans if span.name == name]
        assert len(found) == 1, (name, [span.name for span in self.spans])
        return found[0]

    def parts_of(self, whole: Received) -> list[Received]:
        """Return the spans directly below another."""
        return [span for span in self.spans if span.parent == whole.id]

    def take(self, headers: dict[str, str], body: bytes) -> None:
        """Keep what a request brought."""
        plain = gzip.decompress(body) if headers.get("content-encoding") == "gzip" else body
        self.headers = headers
        self.bodies.append(plain)
        for resource in ExportTraceServiceRequest.FromString(plain).resource_spans:
            service = _values(resource.resource.attributes)["service.name"]
            for scope in resource.scope_spans:
                self.spans.extend(_read(span, service) for span in scope.spans)


def _values(attributes: Any) -> dict[str, Any]:
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in attributes}


def _read(span: Any, service: str) -> Received:
    return Received(
        name=span.name,
        kind=KINDS.get(span.kind, str(span.kind)),
        trace=span.trace_id.hex(),
        id=span.span_id.hex(),
        parent=span.parent_span_id.hex(),
        links=tuple(f"{link.trace_id.hex()}-{link.span_id.hex()}" for link in span.links),
        attributes=_values(span.attributes),
        is_failed=span.status.code == 2,
        nanoseconds=span.end_time_unix_nano - span.start_time_unix_nano,
        service=service,
    )


@contextmanager
def running_collector() -> Iterator[Collector]:
    """Run a collector; it answers at once unless `may_answer` is cleared."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            collector.requests += 1
            collector.asked.set()
            collector.may_answer.wait(SECONDS_MAX)
            if self.path == "/v1/traces" and collector.status == 200:
                collector.take({name.lower(): value for name, value in self.headers.items()}, body)
            try:
                self.send_response(collector.status if self.path == "/v1/traces" else 404)
                self.send_header("content-length", "0")
                self.end_headers()
            except OSError:
                # The sender has lost its patience, which some tests want.
                self.close_connection = True

        def log_message(self, *_given: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    collector = Collector(f"http://127.0.0.1:{server.server_address[1]}")
    collector.may_answer.set()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield collector
    finally:
        collector.may_answer.set()
        server.shutdown()
        server.server_close()
        thread.join(SECONDS_MAX)
        assert not thread.is_alive(), "the collector did not end"
