"""What keeps pushes back, for all workers: Apple away, or a certificate that Apple refuses. One probe at a time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.modules.wallets.apple_wallet.client import PushAnswer
from app.modules.wallets.models import AppleHealth

# While Apple does not answer, one push a minute asks whether it does again; the rest waits.
PROBE_EVERY = timedelta(minutes=1)
CERTIFICATE_PAUSE = timedelta(minutes=15)
OUTAGE_SHOWN = timedelta(minutes=15)
SERVICE = "apns"
UNREGISTERED, BUSY, FORBIDDEN = 410, 429, 403
CERTIFICATE_REASONS = frozenset(
    {
        "BadCertificate",
        "BadCertificateEnvironment",
        "Forbidden",
        "TopicDisallowed",
        "MissingTopic",
        "BadTopic",
        "InvalidProviderToken",
        "MissingProviderToken",
        "ClientCertificateUnusable",
    }
)


def is_outage(answer: PushAnswer) -> bool:
    """Tell whether Apple is away or asks for patience."""
    return not is_certificate_problem(answer) and (answer.status in {0, BUSY} or answer.status >= 500)


def is_certificate_problem(answer: PushAnswer) -> bool:
    """Tell whether the certificate is what is wrong: every push would fail, and people must act."""
    return answer.reason in CERTIFICATE_REASONS or answer.status == FORBIDDEN


@dataclass(frozen=True, slots=True)
class Turn:
    """How many pushes may go now: most None for all, 1 for a probe, 0 for none; reason: why."""

    most: int | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class PushFault:
    """What Apple says against a certificate, and since when."""

    reason: str
    since: datetime


async def claim_turn(session: AsyncSession, fingerprint: str, *, now: datetime) -> Turn:
    """Ask whether pushes of a certificate may go. Of all that ask after a pause, one worker gets the probe."""
    held = list(
        await session.scalars(
            select(AppleHealth)
            .where(AppleHealth.name.in_((SERVICE, fingerprint)))
            .execution_options(populate_existing=True)
        )
    )
    if not held:
        return Turn()
    last = max(held, key=lambda row: row.until)
    if now < last.until:
        return Turn(0, last.reason)
    pause = CERTIFICATE_PAUSE if last.name == fingerprint else PROBE_EVERY
    won = await session.execute(
        update(AppleHealth)
        .where(AppleHealth.name == last.name, AppleHealth.until <= now)
        .values(until=now + pause)
        .returning(AppleHealth.name)
        .execution_options(synchronize_session=False)
    )
    return Turn(1 if won.one_or_none() else 0, last.reason)


async def note_answer(
    session: AsyncSession, fingerprint: str, answer: PushAnswer, *, was_probe: bool, now: datetime
) -> bool:
    """Learn from an answer; tells whether the certificate has just been found refused."""
    reason = answer.reason or str(answer.status)
    if is_certificate_problem(answer):
        return await _hold(session, fingerprint, reason, since=now, until=now + CERTIFICATE_PAUSE)
    if is_outage(answer):
        await _hold(session, SERVICE, reason, since=now, until=now + PROBE_EVERY)
    elif was_probe:
        await session.execute(delete(AppleHealth).where(AppleHealth.name.in_((SERVICE, fingerprint))))
    return False


async def _hold(session: AsyncSession, name: str, reason: str, *, since: datetime, until: datetime) -> bool:
    """Hold pushes back; tells whether they were not held back before."""
    statement = insert(AppleHealth).values(name=name, reason=reason, since=since, until=until)
    new: Any = await session.execute(statement.on_conflict_do_nothing().returning(AppleHealth.name))
    if new.one_or_none() is not None:
        return True
    await session.execute(
        update(AppleHealth).where(AppleHealth.name == name).values(reason=reason, until=until)
    )
    return False


async def find_fault(session: AsyncSession, fingerprint: str) -> PushFault | None:
    """Return what Apple says against a certificate, or None."""
    row = await session.scalar(select(AppleHealth).where(AppleHealth.name == fingerprint))
    return PushFault(row.reason, row.since) if row else None


async def find_outage(session: AsyncSession, *, now: datetime) -> PushFault | None:
    """Return since when Apple's push service is away, or None; what nobody asked lately is no news."""
    row = await session.scalar(
        select(AppleHealth).where(AppleHealth.name == SERVICE, AppleHealth.until > now - OUTAGE_SHOWN)
    )
    return PushFault(row.reason, row.since) if row else None
