"""A span for each run of a job."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import structlog

from app.kernel.tracing.spans import Span, Tracing, Value, working_on

if TYPE_CHECKING:
    from pgqueuer.models import Job as QueuedJob


@contextmanager
def traced(tracing: Tracing | None, queued: QueuedJob, *, attempt: int) -> Iterator[Span | None]:
    """Time a run: a part of the trace that queued the job. A later try is a trace of its own, which points there."""
    if tracing is None:
        yield None
        return
    before = str((queued.headers or {}).get("traceparent", ""))
    is_first = attempt == 1
    attributes: dict[str, Value] = {
        "messaging.system": "pgqueuer",
        "messaging.destination.name": queued.entrypoint,
        "messaging.message.id": str(queued.id),
        "stempel.job.attempt": attempt,
    }
    span = tracing.begin(
        f"job {queued.entrypoint}",
        kind="consumer",
        attributes=attributes,
        parent=before if is_first else "",
        link="" if is_first else before,
    )
    with working_on(span), structlog.contextvars.bound_contextvars(trace_id=span.trace_id):
        yield span
