"""What friends brought along contribute to the download and the deletion of a person's data."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from sqlalchemy import delete, or_, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.kernel.i18n import msg
from app.kernel.points import PersonalData, Purpose
from app.modules.referrals.models import Referral, ReferralLink
from app.modules.referrals.queries import cards_of, find_own, list_friends


async def export_friends(session: AsyncSession, merchant_id: UUID, customer_id: UUID) -> Mapping[str, object]:
    """Return the own link, how far one's friends are and one's own invitation: nothing of the other person."""
    cards = await cards_of(session, merchant_id, customer_id)
    links = [await session.get(ReferralLink, (merchant_id, one)) for one in cards]
    friends = [
        {"status": row.status, "gift": row.inviter_outcome}
        for row in reversed(await list_friends(session, merchant_id, cards))
    ]
    own = [
        {"joined_at": row.joined_at.isoformat(), "status": row.status, "gift": row.friend_outcome}
        for row in await find_own(session, merchant_id, cards)
    ]
    codes = [{"code": link.code, "invited": link.invited} for link in links if link]
    found = {"invitation_links": codes, "friends": friends, "came_by_invitation": own}
    return {name: rows for name, rows in found.items() if rows}


async def erase_friends(session: AsyncSession, merchant_id: UUID, customer_id: UUID) -> None:
    """End the link and what is open of one's own invitation; ids stay, so that gifts given still have their reason.

    A friend whose inviter is gone keeps what was promised to them.
    """
    cards = await cards_of(session, merchant_id, customer_id)
    await session.execute(
        delete(ReferralLink)
        .where(ReferralLink.merchant_id == merchant_id, ReferralLink.pass_id.in_(cards))
        .execution_options(synchronize_session=False)
    )
    await session.execute(
        update(Referral)
        .where(
            Referral.merchant_id == merchant_id,
            or_(Referral.friend_pass_id.in_(cards), Referral.inviter_pass_id.in_(cards)),
        )
        .values(reasons=[])
        .execution_options(synchronize_session=False)
    )
    await session.execute(
        update(Referral)
        .where(
            Referral.merchant_id == merchant_id,
            Referral.friend_pass_id.in_(cards),
            Referral.status.in_(("joined", "review", "due")),
        )
        .values(status="ended", look_at=None)
        .execution_options(synchronize_session=False)
    )


PERSONAL = PersonalData(
    tables=("referral_link", "referral"),
    export=export_friends,
    erase=erase_friends,
    purpose=Purpose(msg("Gifts for friends brought along, and preventing their misuse")),
    holds={
        "referral.inviter_pass_id": "numbers",
        "referral.friend_pass_id": "numbers",
        "referral.friend_id": "numbers",
        "referral.reasons": "unusual",
        "referral_link.code": "codes",
    },
)
