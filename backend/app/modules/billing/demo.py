"""What the demo shops have to show: the months before this one, as far as they can still be counted."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import delete
from sqlalchemy.dialects.postgresql import insert

from app.kernel.metering import METER, Counting
from app.kernel.points import DemoShop
from app.modules.billing.models import UsageMonth
from app.modules.billing.queries import MONTHS_SHOWN
from app.modules.billing.rules import bounds_of, month_of
from app.modules.billing.service import count_usage
from app.modules.merchants.public import get_merchant


async def add_months(shop: DemoShop) -> None:
    """Count what happened in each month of the demo's year, and what there is now; past stocks nobody knows."""
    session, merchant_id = shop.session, shop.merchant_id
    zone = (await get_merchant(session, merchant_id)).time_zone
    month = month_of(shop.now, zone=zone)
    # Making the stores took room at the day they opened.
    await session.execute(delete(UsageMonth).where(UsageMonth.merchant_id == merchant_id))
    for _back in range(MONTHS_SHOWN - 2):
        month = (month - timedelta(days=1)).replace(day=1)
        since, until = bounds_of(month, zone=zone)
        for name, meter in METER.items():
            if meter.is_stock:
                continue
            used = await meter.count(Counting(session, merchant_id, since, until))
            row = {"merchant_id": merchant_id, "month": month, "meter": name}
            counted = {"used": used, "latest": used, "counted_at": until, "closed_at": until}
            await session.execute(insert(UsageMonth).values(**row, **counted))
    await count_usage(session, merchant_id, now=shop.now)
