"""What a merchant's cards is counted by, for the month's use."""

from __future__ import annotations

from sqlalchemy import func, select

from app.kernel.i18n import msg
from app.kernel.metering import Counting, Meter
from app.modules.cards.models import PassObject


async def _count(counting: Counting) -> int:
    held = select(func.count()).where(
        PassObject.merchant_id == counting.merchant_id, PassObject.status.in_(("active", "blocked"))
    )
    return int(await counting.session.scalar(held) or 0)


CARDS = Meter(msg("Cards in customers' hands"), _count, is_stock=True, order=10)
