"""What a merchant's mails is counted by, for the month's use."""

from __future__ import annotations

from sqlalchemy import func, select

from app.kernel.i18n import msg
from app.kernel.metering import Counting, Meter
from app.modules.messaging.models import OutboxMessage
from app.modules.messaging.rules import MARKETING
from app.utils.id_generator import id_floor

LEFT = ("sending", "sent", "bounced", "complained")


async def _count(counting: Counting) -> int:
    sent = select(func.count()).where(
        OutboxMessage.merchant_id == counting.merchant_id,
        OutboxMessage.id >= id_floor(counting.since),
        OutboxMessage.id < id_floor(counting.until),
        OutboxMessage.purpose == MARKETING,
        OutboxMessage.status.in_(LEFT),
    )
    return int(await counting.session.scalar(sent) or 0)


# Service mail was asked for by its reader and is never kept back, so it is not counted either.
MAILS = Meter(msg("News and reminders sent by mail"), _count, order=60)
