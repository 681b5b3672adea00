"""What a merchant's team is counted by, for the month's use."""

from __future__ import annotations

from app.kernel.i18n import msg
from app.kernel.metering import Counting, Meter
from app.modules.accounts.team.queries import count_team


async def _count(counting: Counting) -> int:
    owner = 1
    return owner + await count_team(counting.session, counting.merchant_id)


MEMBERS = Meter(msg("People in the dashboard, with those invited"), _count, is_stock=True, order=30)
