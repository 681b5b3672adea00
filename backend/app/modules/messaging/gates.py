"""What is asked in the moment a message is sent: may it leave at all, and is it its turn."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.config import Settings
from app.kernel.adapters import resources_of
from app.kernel.metering import find_refusal
from app.modules.messaging.hooks import MAIL_GUARD, MAIL_WAIT, UNSUBSCRIBE, MailCheck, MailTurn
from app.modules.messaging.models import MailPace, MailSuppression, OutboxMessage
from app.modules.messaging.rules import MARKETING, next_day, probe_spread
from app.utils.security import Keyring

PROBE_EVERY = timedelta(minutes=1)
FAILURES_BEFORE_PAUSE = 3
# So many mails to a domain may leave at once before its pace counts.
BURST = 20

_TURN = text("""
INSERT INTO mail_pace AS pace (key, next_at) VALUES (:key, CAST(:now AS timestamptz) + CAST(:gap AS interval))
ON CONFLICT (key) DO UPDATE SET next_at = greatest(pace.next_at, :now) + CAST(:gap AS interval)
RETURNING next_at
""")
_PROBE = text("""
UPDATE mail_pace SET probe_at = CAST(:now AS timestamptz) + CAST(:every AS interval)
WHERE key = :key AND down_since IS NOT NULL AND probe_at <= :now RETURNING key
""")
_FAILED = text("""
INSERT INTO mail_pace AS pace (key, failures) VALUES (:key, 1)
ON CONFLICT (key) DO UPDATE SET failures = pace.failures + 1,
    down_since = CASE WHEN pace.failures + 1 >= :patience THEN coalesce(pace.down_since, :now) END,
    probe_at = CASE WHEN pace.failures + 1 >= :patience
               THEN CAST(:now AS timestamptz) + CAST(:every AS interval) END
""")
_WORKED = text(
    "UPDATE mail_pace SET failures = 0, down_since = NULL, probe_at = NULL WHERE key = :key AND failures > 0"
)
_COUNT = text("""
INSERT INTO mail_day AS today (merchant_id, day, sent) VALUES (:merchant_id, :day, 1)
ON CONFLICT (merchant_id, day) DO UPDATE SET sent = today.sent + 1 WHERE today.sent < :limit RETURNING sent
""")


def address_mac(session: AsyncSession, merchant_id: UUID, address: str) -> bytes:
    """Return the keyed hash under which a merchant remembers what came back from an address."""
    keyring = resources_of(session).get(Keyring)
    return keyring.mac("lookup", "mail-suppression", merchant_id, address.strip().lower())


async def why_not(session: AsyncSession, row: OutboxMessage, *, now: datetime) -> str | None:
    """Return the reason why a message may not leave now, or None. Service mail was asked for and always may."""
    if row.purpose != MARKETING:
        return None
    if row.customer_id is None or row.recipient is None:
        return "no_customer"
    known = await session.get(
        MailSuppression, (row.merchant_id, address_mac(session, row.merchant_id, row.recipient))
    )
    if known is not None and known.reason == "bounced":
        return "bounced"
    complained_at = known.at if known is not None and known.reason == "complained" else None
    check = MailCheck(session, row.merchant_id, row.customer_id, row.kind, row.recipient, complained_at, now)
    guards = MAIL_GUARD.items()
    for _name, guard in guards:
        if reason := await guard(check):
            return reason
    return None if guards and UNSUBSCRIBE.items() else "no_guard"


async def has_room(session: AsyncSession, row: OutboxMessage, *, now: datetime) -> bool:
    """Tell whether the plan has room for a message, and take it: asked once, in the moment it leaves."""
    if row.purpose != MARKETING or row.attempts > 0:
        return True
    return await find_refusal(session, row.merchant_id, "mails", now=now) is None


async def wait_until(
    session: AsyncSession, row: OutboxMessage, *, server: str, now: datetime
) -> datetime | None:
    """Return when it is a message's turn, or None for now; its turn is kept for it in not_before."""
    if server and (down_until := await _outage(session, server, row.id, now=now)):
        return down_until
    if row.purpose == MARKETING and row.customer_id is not None:
        turn_now = MailTurn(session, row.merchant_id, row.customer_id, row.kind, now)
        for _name, keeper in MAIL_WAIT.items():
            if quiet_until := await keeper(turn_now):
                return quiet_until + probe_spread(row.id)
    if row.not_before is not None:
        return row.not_before if row.not_before > now else None
    settings = resources_of(session).get(Settings)
    if row.purpose == MARKETING and row.attempts == 0 and not await _count_today(session, row, now=now):
        return next_day(now) + probe_spread(row.id)
    if not server or row.recipient is None:
        return None
    domain = row.recipient.rpartition("@")[2].lower()
    key = f"{server} {resources_of(session).get(Keyring).mac('lookup', 'mail-domain', domain).hex()[:32]}"
    gap = timedelta(minutes=1) / settings.mail_domain_pace
    next_at: datetime = (await session.execute(_TURN, {"key": key, "now": now, "gap": gap})).scalar_one()
    turn = next_at - gap * BURST
    if turn <= now:
        return None
    row.not_before = turn
    return turn


async def _outage(session: AsyncSession, server: str, message_id: UUID, *, now: datetime) -> datetime | None:
    """Return when to come back while the server is down; one message a minute goes and tries."""
    state = (
        await session.execute(select(MailPace.down_since, MailPace.probe_at).where(MailPace.key == server))
    ).one_or_none()
    if state is None or state.down_since is None:
        return None
    probe = await session.execute(_PROBE, {"key": server, "now": now, "every": PROBE_EVERY})
    if probe.one_or_none() is not None:
        return None
    probe_at: datetime = state.probe_at or now
    return max(probe_at, now) + probe_spread(message_id)


async def _count_today(session: AsyncSession, row: OutboxMessage, *, now: datetime) -> bool:
    limit = resources_of(session).get(Settings).mail_daily_limit
    if limit == 0:
        return True
    values = {"merchant_id": row.merchant_id, "day": now.date(), "limit": limit}
    return (await session.execute(_COUNT, values)).one_or_none() is not None


async def note_server(session: AsyncSession, server: str, *, worked: bool, now: datetime) -> None:
    """Note for all workers that the server answered, or that it did not."""
    if not server:
        return
    if worked:
        await session.execute(_WORKED, {"key": server})
        return
    values = {"key": server, "now": now, "every": PROBE_EVERY, "patience": FAILURES_BEFORE_PAUSE}
    await session.execute(_FAILED, values)
