"""What was given, for /metrics: visits by source, and stamps. No shop and no card is a label."""

from __future__ import annotations

from prometheus_client import Counter

from app.kernel.observability import METRICS

VISITS = Counter("stempel_visits_total", "Visits that were given, by source.", ("source",), registry=METRICS)
STAMPS = Counter("stempel_stamps_total", "Stamps that were given.", registry=METRICS)


def count_visit(source: str, *, stamps: int) -> None:
    """Count a visit that was written; one whose commit fails afterwards is counted all the same."""
    VISITS.labels(source).inc()
    if stamps > 0:
        STAMPS.inc(stamps)
