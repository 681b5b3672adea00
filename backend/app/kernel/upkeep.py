"""The worker's work for every installation: proving the ledgers nightly, forgetting keys kept long enough."""

from __future__ import annotations

from datetime import timedelta

from prometheus_client import Gauge
from sqlalchemy import delete, text

from app.db.partitions import MONTHS_AHEAD, MONTHS_AHEAD_SQL
from app.kernel.idempotency import KEPT_FOR, IdempotencyKey
from app.kernel.jobs.definition import GiveUp, JobContext, Periodic
from app.kernel.ledger import INVARIANT, Violation
from app.kernel.observability import METRICS, get_logger

VIOLATIONS_LOGGED_MAX = 20

VIOLATIONS = Gauge(
    "stempel_invariant_violations",
    "Broken promises found by the last nightly check.",
    ("invariant",),
    registry=METRICS,
    multiprocess_mode="mostrecent",
)
PARTITIONS_AHEAD = Gauge("stempel_partitions_ahead_months", "Coming months that have their partitions.")
log = get_logger("stempel.upkeep")


async def check_all(context: JobContext) -> dict[str, list[Violation]]:
    """Prove every module's invariants for every merchant, one short transaction each; log and count what is broken."""
    async with context.session() as session:
        merchants = (await session.execute(text("SELECT id FROM merchant ORDER BY id"))).scalars().all()
    found: dict[str, list[Violation]] = {name: [] for name, _check in INVARIANT.items()}
    for merchant_id in merchants:
        for name, check in INVARIANT.items():
            async with context.tenant(merchant_id) as session:
                found[name].extend(await check(session))
    for name, violations in found.items():
        VIOLATIONS.labels(name).set(len(violations))
        for broken in violations[:VIOLATIONS_LOGGED_MAX]:
            log.error(
                "invariant broken",
                invariant=broken.invariant,
                merchant_id=str(broken.merchant_id),
                subject_id=str(broken.subject_id),
                detail=broken.detail,
            )
    return found


async def _check_nightly(context: JobContext) -> None:
    """Check, and give up where something is broken: the operator then finds it among what was given up."""
    found = {name: len(violations) for name, violations in (await check_all(context)).items() if violations}
    if found:
        counts = ", ".join(f"{name} {number}" for name, number in sorted(found.items()))
        raise GiveUp(f"totals that do not equal their entries ({counts}); ./stempel check names them")


async def _forget_keys(context: JobContext) -> None:
    async with context.session() as session:
        await session.execute(
            delete(IdempotencyKey).where(IdempotencyKey.created_at <= context.clock.now() - KEPT_FOR)
        )


check_nightly = Periodic(
    "kernel.check_invariants", every=timedelta(hours=24), run=_check_nightly, timeout=timedelta(minutes=30)
)


async def _make_partitions(context: JobContext) -> None:
    """Make the coming months' partitions; where a table is busy, the next turn does it: there is a year for that."""
    async with context.session() as session:
        made = await session.scalar(text("SELECT make_partitions(:months)"), {"months": MONTHS_AHEAD})
        PARTITIONS_AHEAD.set(await session.scalar(text(MONTHS_AHEAD_SQL)) or 0)
    if made:
        log.info("partitions made", made=made)


forget_keys = Periodic("kernel.forget_keys", every=timedelta(hours=1), run=_forget_keys)
make_partitions = Periodic("kernel.make_partitions", every=timedelta(hours=12), run=_make_partitions)
