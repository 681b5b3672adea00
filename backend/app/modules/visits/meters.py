"""What a merchant's visits is counted by, for the month's use."""

from __future__ import annotations

from sqlalchemy import ColumnElement, func, select

from app.kernel.i18n import msg
from app.kernel.metering import Counting, Meter
from app.modules.visits.models import Visit
from app.utils.id_generator import id_floor

INTEGRATION = "api_key"


async def _visits(counting: Counting) -> int:
    return await _count(counting)


async def _by_integration(counting: Counting) -> int:
    return await _count(counting, Visit.given_by == INTEGRATION)


async def _count(counting: Counting, *which: ColumnElement[bool]) -> int:
    given = select(func.count()).where(
        Visit.merchant_id == counting.merchant_id,
        Visit.id >= id_floor(counting.since),
        Visit.id < id_floor(counting.until),
        Visit.voided_at.is_(None),
        *which,
    )
    return int(await counting.session.scalar(given) or 0)


# Never asked for room: a visit is of a card that exists, and no plan stands between it and its stamp.
VISITS = Meter(msg("Visits"), _visits, order=40, only_warns=True)
API_VISITS = Meter(msg("Visits entered by a till or web shop"), _by_integration, order=50, only_warns=True)
