"""What a merchant's stores is counted by, for the month's use."""

from __future__ import annotations

from sqlalchemy import func, select

from app.kernel.i18n import msg
from app.kernel.metering import Counting, Meter
from app.modules.stores.models import Store


async def _count(counting: Counting) -> int:
    open_ones = select(func.count()).where(
        Store.merchant_id == counting.merchant_id, Store.closed_at.is_(None)
    )
    return int(await counting.session.scalar(open_ones) or 0)


STORES = Meter(msg("Stores open"), _count, is_stock=True, order=20)
