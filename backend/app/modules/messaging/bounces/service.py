"""Taking in what came back, keeping addresses back, and lifting that again."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import case, delete, func, literal, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.session import Database, system_scope, tenant_scope
from app.kernel.audit import record_audit
from app.kernel.outcomes import Refusal
from app.kernel.permissions import Principal
from app.modules.messaging.bounces.reports import COMPLAINT, HARD, Report
from app.modules.messaging.gates import address_mac
from app.modules.messaging.hooks import MAIL_COMPLAINED, MailComplained
from app.modules.messaging.models import MailSuppression, OutboxMessage
from app.modules.messaging.rules import SOFT_BOUNCES_MAX

BOUNCED, COMPLAINED = "bounced", "complained"
# Only what has been handed over can come back, and only once.
_RETURNABLE = ("sending", "sent")


async def take_report(database: Database, report: Report, *, now: datetime) -> bool:
    """Take in a report about a message, once; False where there is no such message or it was reported before."""
    async with system_scope(database) as session:
        merchant_id = await session.scalar(
            select(OutboxMessage.merchant_id).where(OutboxMessage.id == report.message_id)
        )
    if merchant_id is None:
        return False
    async with tenant_scope(database, merchant_id) as session:
        row = await session.scalar(
            select(OutboxMessage)
            .where(OutboxMessage.merchant_id == merchant_id, OutboxMessage.id == report.message_id)
            .with_for_update()
        )
        if row is None or row.status not in _RETURNABLE:
            return False
        row.failure = report.status or report.kind
        row.status = COMPLAINED if report.kind == COMPLAINT else BOUNCED
        if report.kind == COMPLAINT:
            await _note_complaint(session, row, now=now)
        elif row.recipient is not None:
            is_hard = report.kind == HARD
            await note_bounce(session, merchant_id, row.recipient, is_hard=is_hard, now=now)
    return True


async def note_bounce(
    session: AsyncSession, merchant_id: UUID, address: str, *, is_hard: bool, now: datetime
) -> None:
    """Keep an address back at once (hard), or after so many soft bounces without a delivery report in between."""
    row = insert(MailSuppression).values(
        merchant_id=merchant_id,
        address_mac=address_mac(session, merchant_id, address),
        reason=BOUNCED if is_hard else None,
        soft_bounces=0 if is_hard else 1,
        at=now,
    )
    count = MailSuppression.soft_bounces + (0 if is_hard else 1)
    soft = case((MailSuppression.soft_bounces + 1 >= SOFT_BOUNCES_MAX, BOUNCED))
    reached = literal(BOUNCED) if is_hard else func.coalesce(MailSuppression.reason, soft)
    await session.execute(
        row.on_conflict_do_update(
            index_elements=["merchant_id", "address_mac"],
            set_={"soft_bounces": count, "reason": reached, "at": now},
        )
    )


async def _note_complaint(session: AsyncSession, row: OutboxMessage, *, now: datetime) -> None:
    if row.recipient is not None:
        statement = insert(MailSuppression).values(
            merchant_id=row.merchant_id,
            address_mac=address_mac(session, row.merchant_id, row.recipient),
            reason=COMPLAINED,
            at=now,
        )
        await session.execute(
            statement.on_conflict_do_update(
                index_elements=["merchant_id", "address_mac"], set_={"reason": COMPLAINED, "at": now}
            )
        )
    if row.customer_id is not None:
        await MAIL_COMPLAINED.tell(MailComplained(session, row.merchant_id, row.customer_id, now))


async def count_suppressed(session: AsyncSession, merchant_id: UUID) -> dict[str, int]:
    """Return how many addresses are kept back, by reason."""
    rows = await session.execute(
        select(MailSuppression.reason, func.count())
        .where(MailSuppression.merchant_id == merchant_id, MailSuppression.reason.is_not(None))
        .group_by(MailSuppression.reason)
    )
    return {str(reason): int(count) for reason, count in rows}


async def lift_suppression(
    session: AsyncSession, principal: Principal, *, address: str, now: datetime
) -> Refusal | None:
    """Write to an address again that bounced; a complaint only the reader takes back, by agreeing anew."""
    key = (principal.merchant_id, address_mac(session, principal.merchant_id, address))
    row = await session.get(MailSuppression, key, with_for_update=True)
    if row is None or row.reason is None:
        return Refusal("not_suppressed")
    if row.reason == COMPLAINED:
        return Refusal("complained")
    await session.execute(
        delete(MailSuppression).where(
            MailSuppression.merchant_id == key[0], MailSuppression.address_mac == key[1]
        )
    )
    await record_audit(
        session, principal, action="mail.address_lifted", target_kind="mail", target_id=None, now=now
    )
    return None
