"""Spans by the OpenTelemetry SDK, sent by OTLP over HTTP. The one file that knows it, loaded only where it is wanted.

Nothing is registered for the whole process: neither FastAPI's own instrumentation, which sends paths and queries, nor
another library finds a provider here. What cannot be sent is thrown away, and nobody waits for it.
"""

from __future__ import annotations

import asyncio
import logging
import re
import threading
from collections.abc import Mapping, Sequence
from time import perf_counter_ns
from uuid import uuid4

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import Link, SpanContext, SpanKind, StatusCode, TraceFlags
from prometheus_client import Counter

from app.config import Settings
from app.kernel.observability import METRICS, get_logger
from app.kernel.release import RELEASE
from app.kernel.tracing.collector import traces_url
from app.kernel.tracing.spans import Kind, Span, Value
from app.setting_rules import read_pairs

# Spans of some hundred requests; more than that are lost while the collector is slow or gone.
QUEUE_MAX = 4_096
BATCH_MAX = 512
SEND_EVERY_MS = 2_000
# Of the thread that sends; nothing else waits for it.
EXPORT_SECONDS_MAX = 5
CLOSE_SECONDS_MAX = 3.0

LOST = Counter(
    "stempel_spans_lost_total", "Spans that the collector of traces did not take.", registry=METRICS
)
KINDS: Mapping[Kind, SpanKind] = {
    "server": SpanKind.SERVER,
    "client": SpanKind.CLIENT,
    "consumer": SpanKind.CONSUMER,
}
_TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")

log = get_logger("stempel.tracing")


def open_tracing(settings: Settings, *, program: str) -> OpenTelemetryTracing:
    """Return what a process traces with. program: web or worker."""
    exporter = Patient(
        OTLPSpanExporter(
            endpoint=traces_url(settings.otlp_endpoint),
            headers=read_pairs(settings.otlp_headers),
            timeout=EXPORT_SECONDS_MAX,
            compression=Compression.Gzip,
        )
    )
    processor = BatchSpanProcessor(
        exporter,
        max_queue_size=QUEUE_MAX,
        max_export_batch_size=BATCH_MAX,
        schedule_delay_millis=SEND_EVERY_MS,
    )
    return OpenTelemetryTracing(exporter, processor, program=program, ratio=settings.otlp_ratio)


class OpenTelemetryTracing:
    """Begins spans. ratio: the part of all traces that is kept; who carries a trace on keeps what it has kept."""

    def __init__(self, exporter: Patient, processor: SpanProcessor, *, program: str, ratio: float) -> None:
        self._exporter = exporter
        self._provider = TracerProvider(
            sampler=ParentBased(TraceIdRatioBased(ratio)),
            resource=Resource.create(
                {
                    "service.name": f"stempel-{program}",
                    "service.version": RELEASE,
                    "service.instance.id": uuid4().hex,
                }
            ),
            shutdown_on_exit=False,
        )
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer("stempel", RELEASE)

    def begin(
        self,
        name: str,
        *,
        kind: Kind,
        attributes: Mapping[str, Value],
        parent: str = "",
        link: str = "",
    ) -> Span:
        """Begin a piece of work that came from outside."""
        before, followed = _read_traceparent(parent), _read_traceparent(link)
        begun = self._tracer.start_span(
            name,
            # An empty context where there is none: what another library made current is not ours.
            context=_context_of(before) if before else Context(),
            kind=KINDS[kind],
            attributes=attributes,
            links=[Link(followed)] if followed else None,
        )
        return _Span(self._tracer, begun)

    def send_all(self) -> None:
        """Send what waits, now; for tests."""
        self._provider.force_flush()

    async def aclose(self) -> None:
        """Send what waits; a collector that does not answer is left to itself, at once if it has not before."""
        if self._exporter.is_failing:
            self._exporter.shutdown()
        closing = threading.Thread(target=self._provider.shutdown, name="traces-last", daemon=True)
        closing.start()
        await asyncio.to_thread(closing.join, CLOSE_SECONDS_MAX)


class _Span:
    """One span of the SDK, and the clock by which its parts are placed in it."""

    def __init__(self, tracer: trace.Tracer, span: trace.Span) -> None:
        self._tracer = tracer
        self._span = span
        self._context = span.get_span_context()
        self.is_kept = span.is_recording()
        self._began_at: int = getattr(span, "start_time", 0) or 0
        self._ticks = perf_counter_ns()

    @property
    def trace_id(self) -> str:
        """Return the trace's number in hexadecimal."""
        return trace.format_trace_id(self._context.trace_id)

    @property
    def traceparent(self) -> str:
        """Return the header of W3C Trace Context."""
        flags = int(self._context.trace_flags)
        return f"00-{self.trace_id}-{trace.format_span_id(self._context.span_id)}-{flags:02x}"

    def begin_part(self, name: str, *, kind: Kind, attributes: Mapping[str, Value]) -> Span:
        """Begin a part of this one."""
        begun = self._tracer.start_span(
            name, context=_context_of(self._context), kind=KINDS[kind], attributes=attributes
        )
        return _Span(self._tracer, begun)

    def add_part(self, name: str, *, seconds: float, attributes: Mapping[str, Value], error: str) -> None:
        """Note a call that has just ended."""
        ended_at = self._began_at + perf_counter_ns() - self._ticks
        begun = self._tracer.start_span(
            name,
            context=_context_of(self._context),
            kind=SpanKind.CLIENT,
            attributes=attributes,
            start_time=ended_at - int(seconds * 1_000_000_000),
        )
        if error:
            _mark_failed(begun, error)
        begun.end(ended_at)

    def rename(self, name: str) -> None:
        """Give it another name."""
        self._span.update_name(name)

    def note(self, name: str, value: Value) -> None:
        """Set an attribute."""
        self._span.set_attribute(name, value)

    def fail(self, error: str) -> None:
        """Mark it as failed, without a message."""
        _mark_failed(self._span, error)

    def finish(self) -> None:
        """End it."""
        self._span.end()


def _mark_failed(span: trace.Span, error: str) -> None:
    span.set_attribute("error.type", error)
    span.set_status(StatusCode.ERROR)


def _context_of(before: SpanContext) -> Context:
    return trace.set_span_in_context(trace.NonRecordingSpan(before), Context())


def _read_traceparent(text: str) -> SpanContext | None:
    """Read version 00 of the header; None for anything else. Its neighbour, tracestate, is not carried."""
    found = _TRACEPARENT.fullmatch(text)
    if found is None:
        return None
    number, parent, flags = (int(part, 16) for part in found.groups())
    context = SpanContext(number, parent, is_remote=True, trace_flags=TraceFlags(flags & TraceFlags.SAMPLED))
    return context if context.is_valid else None


class Patient(SpanExporter):
    """Sends in its thread, counts what was lost, and says once that the collector is gone and once that it is back."""

    def __init__(self, inner: SpanExporter) -> None:
        self._inner = inner
        self.is_failing = False
        # The library would write a traceback for every batch that it could not send.
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send a batch; whatever goes wrong is a result."""
        reason = "refused"
        try:
            result = self._inner.export(spans)
        except Exception as error:  # noqa: BLE001 (a thread that ends would send nothing any more)
            reason, result = type(error).__name__, SpanExportResult.FAILURE
        is_failing = result is not SpanExportResult.SUCCESS
        if is_failing:
            LOST.inc(len(spans))
        if is_failing and not self.is_failing:
            log.warning("traces_not_taken", reason=reason)
        elif self.is_failing and not is_failing:
            log.info("traces_taken_again")
        self.is_failing = is_failing
        return result

    def shutdown(self) -> None:
        """Close the connection; a try under way is the last one."""
        self._inner.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Send nothing: the batches are the processor's."""
        return self._inner.force_flush(timeout_millis)
