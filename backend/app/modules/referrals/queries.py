"""Reads of links, friends and what they bought; every statement names the merchant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from app.modules.cards.public import PassObject
from app.modules.customers.public import Customer
from app.modules.referrals.models import Referral, ReferralLink
from app.modules.referrals.rules import PaidVisit
from app.modules.visits.public import Visit

# A chain of friends is followed so far back; longer ones end here.
CHAIN_MAX = 25
LIST_MAX = 200
SIBLINGS_MAX = 500


async def find_link(session: AsyncSession, merchant_id: UUID, codes: Sequence[str]) -> ReferralLink | None:
    """Return the link with the first of the codes that is this merchant's."""
    rows = await session.scalars(
        select(ReferralLink).where(ReferralLink.merchant_id == merchant_id, ReferralLink.code.in_(codes))
    )
    found = {row.code: row for row in rows}
    return next((found[code] for code in codes if code in found), None)


async def cards_of(session: AsyncSession, merchant_id: UUID, customer_id: UUID) -> list[UUID]:
    """Return all cards of a person, those that are erased or joined to others included."""
    rows = await session.scalars(
        select(PassObject.id).where(
            PassObject.merchant_id == merchant_id, PassObject.customer_id == customer_id
        )
    )
    return list(rows)


async def list_paid(
    session: AsyncSession, merchant_id: UUID, pass_ids: Sequence[UUID], *, since: datetime
) -> list[PaidVisit]:
    """Return the visits of a person that were not taken back; an amount of nothing was not paid."""
    rows = await session.execute(
        select(Visit.id, Visit.at).where(
            Visit.merchant_id == merchant_id,
            Visit.pass_id.in_(pass_ids),
            Visit.at >= since,
            Visit.voided_at.is_(None),
            func.coalesce(Visit.amount_minor, 1) > 0,
        )
    )
    return [PaidVisit(row.id, row.at) for row in rows]


async def is_voided(session: AsyncSession, merchant_id: UUID, visit_id: UUID) -> bool:
    """Tell whether a visit was taken back."""
    found = await session.scalar(
        select(Visit.voided_at).where(Visit.merchant_id == merchant_id, Visit.id == visit_id)
    )
    return found is not None


async def chain_above(session: AsyncSession, merchant_id: UUID, customer_id: UUID) -> list[UUID]:
    """Return who brought a person along, who brought that one, and so on; the person first."""
    chain = [customer_id]
    inviter, friend = aliased(PassObject), aliased(PassObject)
    for _step in range(CHAIN_MAX):
        above = await session.scalar(
            select(inviter.customer_id)
            .select_from(Referral)
            .join(
                inviter,
                (inviter.merchant_id == Referral.merchant_id) & (inviter.id == Referral.inviter_pass_id),
            )
            .join(
                friend, (friend.merchant_id == Referral.merchant_id) & (friend.id == Referral.friend_pass_id)
            )
            .where(Referral.merchant_id == merchant_id, friend.customer_id == chain[-1])
            .order_by(Referral.id)
            .limit(1)
        )
        if above is None or above in chain:
            break
        chain.append(above)
    return chain


async def list_friends(
    session: AsyncSession, merchant_id: UUID, pass_ids: Sequence[UUID], *, limit: int = LIST_MAX
) -> list[Referral]:
    """Return who joined by the links of these cards, the newest first."""
    rows = await session.scalars(
        select(Referral)
        .where(Referral.merchant_id == merchant_id, Referral.inviter_pass_id.in_(pass_ids))
        .order_by(Referral.id.desc())
        .limit(limit)
    )
    return list(rows)


async def find_own(session: AsyncSession, merchant_id: UUID, pass_ids: Sequence[UUID]) -> list[Referral]:
    """Return by which invitations these cards were made."""
    rows = await session.scalars(
        select(Referral)
        .where(Referral.merchant_id == merchant_id, Referral.friend_pass_id.in_(pass_ids))
        .order_by(Referral.id)
    )
    return list(rows)


async def sibling_mails(
    session: AsyncSession, merchant_id: UUID, pass_ids: Sequence[UUID], *, but: UUID
) -> list[str]:
    """Return the addresses of the other friends of an inviter."""
    rows = await session.scalars(
        select(Customer.email)
        .select_from(Referral)
        .join(
            PassObject,
            (PassObject.merchant_id == Referral.merchant_id) & (PassObject.id == Referral.friend_pass_id),
        )
        .join(
            Customer,
            (Customer.merchant_id == PassObject.merchant_id) & (Customer.id == PassObject.customer_id),
        )
        .where(
            Referral.merchant_id == merchant_id,
            Referral.inviter_pass_id.in_(pass_ids),
            PassObject.customer_id != but,
            Customer.email.is_not(None),
        )
        .limit(SIBLINGS_MAX)
    )
    return [mail for mail in rows if mail]


async def count_given(
    session: AsyncSession, merchant_id: UUID, pass_ids: Sequence[UUID], *, since: datetime | None = None
) -> int:
    """Count for how many friends the cards' owner got a gift."""
    statement = select(func.count()).where(
        Referral.merchant_id == merchant_id,
        Referral.inviter_pass_id.in_(pass_ids),
        Referral.inviter_outcome == "given",
    )
    if since is not None:
        statement = statement.where(Referral.given_at >= since)
    return int(await session.scalar(statement) or 0)


@dataclass(frozen=True, slots=True)
class ListedReferral:
    """A friend as the shop sees them, with who brought them."""

    row: Referral
    inviter_id: UUID
    friend_id: UUID
    inviter: str | None
    friend: str | None


async def list_referrals(
    session: AsyncSession,
    merchant_id: UUID,
    *,
    statuses: Sequence[str] = (),
    pass_ids: Sequence[UUID] = (),
    limit: int = LIST_MAX,
) -> list[ListedReferral]:
    """Return friends brought along with both names, the newest first."""
    inviter_card, friend_card = aliased(PassObject), aliased(PassObject)
    inviter, friend = aliased(Customer), aliased(Customer)
    statement = (
        select(Referral, inviter.id, friend.id, inviter.name, friend.name)
        .join(
            inviter_card,
            (inviter_card.merchant_id == Referral.merchant_id)
            & (inviter_card.id == Referral.inviter_pass_id),
        )
        .join(
            friend_card,
            (friend_card.merchant_id == Referral.merchant_id) & (friend_card.id == Referral.friend_pass_id),
        )
        .join(
            inviter,
            (inviter.merchant_id == Referral.merchant_id) & (inviter.id == inviter_card.customer_id),
        )
        .join(friend, (friend.merchant_id == Referral.merchant_id) & (friend.id == friend_card.customer_id))
        .where(Referral.merchant_id == merchant_id)
        .order_by(Referral.id.desc())
        .limit(limit)
    )
    if statuses:
        statement = statement.where(Referral.status.in_(statuses))
    if pass_ids:
        statement = statement.where(
            Referral.inviter_pass_id.in_(pass_ids) | Referral.friend_pass_id.in_(pass_ids)
        )
    return [ListedReferral(*row) for row in await session.execute(statement)]


async def count_by_status(session: AsyncSession, merchant_id: UUID) -> dict[str, int]:
    """Return how many friends stand where."""
    rows = await session.execute(
        select(Referral.status, func.count())
        .where(Referral.merchant_id == merchant_id)
        .group_by(Referral.status)
    )
    return {status: int(count) for status, count in rows}


async def count_invited(session: AsyncSession, merchant_id: UUID) -> int:
    """Count the browsers that took an invitation up."""
    total = await session.scalar(
        select(func.sum(ReferralLink.invited)).where(ReferralLink.merchant_id == merchant_id)
    )
    return int(total or 0)
