"""What a merchant's passes in wallets is counted by, for the month's use."""

from __future__ import annotations

from sqlalchemy import func, select

from app.kernel.i18n import msg
from app.kernel.metering import Counting, Meter
from app.modules.cards.public import PassObject
from app.modules.wallets.models import AppleDeviceRegistration


async def _count(counting: Counting) -> int:
    apple = select(func.count(AppleDeviceRegistration.pass_serial.distinct())).where(
        AppleDeviceRegistration.merchant_id == counting.merchant_id
    )
    google = select(func.count()).where(
        PassObject.merchant_id == counting.merchant_id,
        PassObject.status.in_(("active", "blocked")),
        PassObject.google_pass_id.is_not(None),
    )
    found = (await counting.session.execute(select(apple.scalar_subquery(), google.scalar_subquery()))).one()
    return int(found[0]) + int(found[1])


WALLET_PASSES = Meter(msg("Cards kept in Apple and Google Wallet"), _count, is_stock=True, order=70)
