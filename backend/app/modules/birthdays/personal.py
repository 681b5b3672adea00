"""What birthdays contribute to the download and the deletion of a person's data. The day itself is customers'."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.kernel.i18n import msg
from app.kernel.points import PersonalData, Purpose
from app.modules.birthdays.queries import list_gifts_of


async def export_gifts(session: AsyncSession, merchant_id: UUID, customer_id: UUID) -> Mapping[str, object]:
    """Return a person's birthday gifts."""
    rows = await list_gifts_of(session, merchant_id, customer_id)
    gifts = [
        {
            "for": gift.celebrated_on.isoformat() if gift.celebrated_on else None,
            "given_at": gift.given_at.isoformat(),
            "kind": gift.kind,
            "amount": gift.amount,
            "reward": gift.title or None,
            "good_until": gift.good_until.isoformat() if gift.kind == "reward" and gift.good_until else None,
            "redeemed": redeemed,
            "points_times": f"{gift.factor.normalize():f}" if gift.factor else None,
            "points_times_until": gift.factor_until.isoformat() if gift.factor_until else None,
        }
        for gift, redeemed in rows
    ]
    return {"birthday_gifts": gifts} if gifts else {}


async def erase_gifts(session: AsyncSession, merchant_id: UUID, customer_id: UUID) -> None:
    """Forget the days; that something was given stays, without a way back to the person."""
    for gift, redeemed in await list_gifts_of(session, merchant_id, customer_id):
        if gift.kind == "reward" and gift.outcome is None:
            gift.outcome = "redeemed" if redeemed else "lapsed"
        gift.celebrated_on = gift.good_until = gift.factor_until = None
    await session.flush()  # the handlers after this one read with statements of their own


PERSONAL = PersonalData(
    tables=("birthday_gift",),
    export=export_gifts,
    erase=erase_gifts,
    purpose=Purpose(msg("Gifts for birthdays")),
    holds=dict.fromkeys(
        ("birthday_gift.celebrated_on", "birthday_gift.good_until", "birthday_gift.factor_until"), "birthday"
    ),
)
