"""The figures of /metrics that are read from the database while it is answered: modules offer them (MEASURE)."""

from __future__ import annotations

import asyncio

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from app.kernel.observability import describe_exception, get_logger
from app.kernel.operating import MEASURE, Look

# Each has this long, and all together twice as long: a scrape must not wait for a database that is ill.
MEASURE_SECONDS_MAX = 2.0
TOGETHER_SECONDS_MAX = 4.0
UNREAD = "stempel_measures_unread"

log = get_logger("stempel.measuring")


class _Read(Collector):
    """What was read, as the library's text format wants it."""

    def __init__(self, families: list[GaugeMetricFamily]) -> None:
        self._families = families

    def collect(self) -> list[GaugeMetricFamily]:
        """Return the families."""
        return self._families


async def render_measures(look: Look) -> bytes:
    """Read every measure and return them in Prometheus' text format; what cannot be read is left out and counted."""
    families: list[GaugeMetricFamily] = []
    unread = 0
    clock = asyncio.get_running_loop().time
    give_up_at = clock() + TOGETHER_SECONDS_MAX
    for name, measure in MEASURE.items():
        family = GaugeMetricFamily(name, measure.about, labels=measure.labels)
        try:
            async with asyncio.timeout(min(MEASURE_SECONDS_MAX, max(give_up_at - clock(), 0))):
                for labels, value in (await measure.read(look)).items():
                    family.add_metric(labels, value)
        except Exception as error:  # noqa: BLE001 (the others are wanted all the more)
            log.warning("measure_not_read", measure=name, reason=describe_exception(error))
            unread += 1
            continue
        families.append(family)
    failed = GaugeMetricFamily(UNREAD, "Figures that could not be read from the database just now.")
    failed.add_metric((), unread)
    registry = CollectorRegistry()
    registry.register(_Read([*families, failed]))
    return generate_latest(registry)
