"""What credit does when others act: a visit is given or taken back, a card is joined to another."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from app.kernel.i18n import msg
from app.kernel.ledger import take_from_lots
from app.kernel.outcomes import Refusal
from app.modules.cards.public import CardMerged
from app.modules.cashback.earning import RULE
from app.modules.cashback.ledger import Cause, Purse, lot_of, open_purse
from app.modules.cashback.models import CreditAccount, CreditEntry, CreditLot
from app.modules.cashback.rules import GivenLot, decide_expiry, is_spent_already, to_take_back
from app.modules.merchants.public import get_merchant
from app.modules.rewards.public import TenderSpending, VoidedContext, VoidingContext
from app.modules.visits.public import EarnedContext

FEATURE = "cashback"


class StoreCredit:
    """Paying with credit at the till."""

    feature = FEATURE
    title = msg("store credit")

    async def available(
        self, session: AsyncSession, *, merchant_id: UUID, pass_id: UUID, now: datetime
    ) -> int:
        """Return what the card could pay now: lots that have run out count no more, collected or not."""
        return await available_credit(session, merchant_id, pass_id, now=now)

    async def spend(self, spending: TenderSpending) -> None:
        """Take the amount from the lots that expire soonest."""
        purse = await open_purse(spending.session, spending.merchant_id, spending.pass_id)
        await purse.expire(spending.currency, now=spending.now)
        cause = Cause(
            "spend", spending.currency, spending.store_id, spending.visit_id, staff_id=spending.staff_id
        )
        await purse.take(spending.amount_minor, cause, now=spending.now)


async def available_credit(session: AsyncSession, merchant_id: UUID, pass_id: UUID, *, now: datetime) -> int:
    """Return what a card could pay now."""
    held = await session.scalar(
        select(func.coalesce(func.sum(CreditLot.remaining_minor), 0)).where(
            CreditLot.merchant_id == merchant_id,
            CreditLot.pass_id == pass_id,
            CreditLot.remaining_minor > 0,
            or_(CreditLot.expires_at.is_(None), CreditLot.expires_at > now),
        )
    )
    return int(held or 0)


async def on_earned(earned: EarnedContext) -> None:
    """Write what the visit gives back, as its explanation says, in the visit's own transaction."""
    line = next((line for line in earned.lines if line.rule == RULE), None)
    if line is None:
        return
    session, earn = earned.session, earned.earn
    rules = earn.rules_of(RULE)
    expires_at = decide_expiry(earn.now, int(rules["expiry_months"]), time_zone=earn.policy.time_zone)
    rule = {"detail": line.detail, "rounding": str(rules["rounding"])}
    staff_id = earn.staff.id if earn.staff.via in {"pin", "device", "member"} else None
    purse = await open_purse(session, earn.merchant_id, earn.pass_id)
    cause = Cause("earn", earned.currency, earn.store_id, earned.visit_id, staff_id=staff_id, rule=rule)
    await purse.give(line.amount_minor, cause, expires_at=expires_at, now=earn.now)


async def list_visit_entries(session: AsyncSession, merchant_id: UUID, visit_id: UUID) -> list[CreditEntry]:
    """Return what a visit earned and spent and nobody has taken back, spending first."""
    undone = aliased(CreditEntry)
    rows = await session.scalars(
        select(CreditEntry)
        .where(
            CreditEntry.merchant_id == merchant_id,
            CreditEntry.visit_id == visit_id,
            CreditEntry.kind.in_(("earn", "spend")),
            ~select(undone.id)
            .where(undone.merchant_id == merchant_id, undone.voids == CreditEntry.id)
            .exists(),
        )
        .order_by(CreditEntry.kind.desc())
    )
    return list(rows)


def _lots_named(entries: Sequence[CreditEntry]) -> list[UUID]:
    """Return the lots that an undo of these entries moves."""
    taken = [UUID(lot_id) for entry in entries if entry.kind == "spend" for lot_id, _part in entry.lots]
    return taken + [entry.id for entry in entries if entry.kind == "earn"]


def _given(purse: Purse, entry: CreditEntry) -> GivenLot:
    row = purse.lots[entry.id]
    return GivenLot(lot_of(row), entry.amount_minor, row.expired_minor)


async def refuse_void(voiding: VoidingContext) -> list[Refusal]:
    """Refuse to take a visit back whose cashback is spent; a manager may insist."""
    entries = await list_visit_entries(voiding.session, voiding.merchant_id, voiding.visit_id)
    if voiding.forced or not entries:
        return []
    purse = await open_purse(voiding.session, voiding.merchant_id, voiding.pass_id, also=_lots_named(entries))
    back: dict[UUID, int] = {}
    for entry in entries:
        for lot_id, part in entry.lots if entry.kind == "spend" else ():
            back[UUID(lot_id)] = back.get(UUID(lot_id), 0) + int(part)
    is_spent = is_spent_already(
        purse.account.balance_minor,
        purse.open_lots,
        back=back,
        all_lots={row.id: lot_of(row) for row in purse.lots.values()},
        given=[_given(purse, entry) for entry in entries if entry.kind == "earn"],
        now=voiding.now,
    )
    return [Refusal("already_spent")] if is_spent else []


async def on_voided(voided: VoidedContext) -> None:
    """Take back what the visit earned and give back what it spent."""
    if voided.visit_id is not None:
        await undo_visit(
            voided.session, voided.merchant_id, voided.pass_id, visit_id=voided.visit_id, now=voided.now
        )


async def undo_visit(
    session: AsyncSession, merchant_id: UUID, pass_id: UUID, *, visit_id: UUID, now: datetime
) -> None:
    """Undo a visit's entries on the locked card: as if it had not been.

    What was spent returns to its lots with their own expiry; what has run out meanwhile runs out again at once, in
    an entry of its own. What was earned is taken from its own lot first; what of it has expired is gone already.
    """
    entries = await list_visit_entries(session, merchant_id, visit_id)
    if not entries:
        return
    purse = await open_purse(session, merchant_id, pass_id, also=_lots_named(entries))
    await purse.expire(entries[0].currency, now=now)
    for entry in entries:
        cause = Cause("void", entry.currency, entry.store_id, visit_id, voids=entry.id)
        if entry.kind == "spend":
            await purse.give_back(entry, cause, now=now)
            await purse.expire(entry.currency, now=now)
            continue
        amount = to_take_back(_given(purse, entry), coming_back=0, now=now)
        if amount > 0:
            await purse.take(amount, cause, now=now, first=[entry.id])


async def on_merged(merged: CardMerged) -> None:
    """Move a duplicate card's credit to the one that stays."""
    currency = (await get_merchant(merged.session, merged.merchant_id)).currency
    await move_credit(
        merged.session,
        merged.merchant_id,
        source_id=merged.source.pass_id,
        target_id=merged.target.pass_id,
        currency=currency,
        now=merged.now,
    )


async def move_credit(
    session: AsyncSession,
    merchant_id: UUID,
    *,
    source_id: UUID,
    target_id: UUID,
    currency: str,
    now: datetime,
) -> None:
    """Move balance and lots by two transfer entries; both cards are locked. Lots keep their expiry."""
    source = await session.get(CreditAccount, (merchant_id, source_id), populate_existing=True)
    if source is None:
        return
    moved, source.balance_minor = source.balance_minor, 0
    target = (await open_purse(session, merchant_id, target_id)).account
    target.balance_minor += moved
    rule = {"merged": str(source_id), "into": str(target_id)}
    sides = ((source_id, -moved, 0), (target_id, moved, target.balance_minor))
    for pass_id, amount, after in sides if moved else ():
        session.add(
            CreditEntry(
                merchant_id=merchant_id,
                pass_id=pass_id,
                kind="transfer",
                amount_minor=amount,
                balance_after=after,
                currency=currency,
                rule=rule,
                lots=[],
                at=now,
            )
        )
    await session.flush()
    await session.execute(
        update(CreditLot)
        .where(CreditLot.merchant_id == merchant_id, CreditLot.pass_id == source_id)
        .values(pass_id=target_id)
        .execution_options(synchronize_session=False)
    )
    await _fill_debt(session, merchant_id, target_id)


async def _fill_debt(session: AsyncSession, merchant_id: UUID, pass_id: UUID) -> None:
    """Take from the lots what a debt of one of the two cards uses up: lots hold what can be spent, never more."""
    purse = await open_purse(session, merchant_id, pass_id)
    excess = sum(lot.remaining for lot in purse.open_lots) - max(0, purse.account.balance_minor)
    for use in take_from_lots(purse.open_lots, excess):
        purse.lots[use.lot_id].remaining_minor -= use.points
    await session.flush()
