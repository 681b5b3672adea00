"""What a customer wants to hear, by purpose and channel, beneath the consent; and how strictly a shop confirms it."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from pydantic import Field
from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.kernel.settings import ModuleSettings
from app.modules.customers.models import CustomerOptOut
from app.modules.customers.rules import CHANNELS, PURPOSES, purpose_of
from app.modules.messaging.public import MailCheck


class ConsentSettings(ModuleSettings):
    """How consent is taken."""

    section: ClassVar[str] = "consent"
    double_opt_in: bool = Field(
        default=True,
        description="Write promotions and reminders only where the mailbox confirmed the consent.",
    )


async def list_opt_outs(
    session: AsyncSession, merchant_id: UUID, customer_id: UUID
) -> frozenset[tuple[str, str]]:
    """Return the pairs of purpose and channel that a customer does not want."""
    rows = await session.execute(
        select(CustomerOptOut.purpose, CustomerOptOut.channel).where(
            CustomerOptOut.merchant_id == merchant_id, CustomerOptOut.customer_id == customer_id
        )
    )
    return frozenset((row.purpose, row.channel) for row in rows)


async def wants(
    session: AsyncSession, merchant_id: UUID, customer_id: UUID, *, purpose: str, channel: str
) -> bool:
    """Tell whether a customer wants a purpose on a channel; the consent itself is another question."""
    return (purpose, channel) not in await list_opt_outs(session, merchant_id, customer_id)


async def set_opt_outs(
    session: AsyncSession,
    merchant_id: UUID,
    customer_id: UUID,
    *,
    unwanted: frozenset[tuple[str, str]],
    now: datetime,
) -> None:
    """Keep what a customer does not want; everything else is wanted again."""
    pairs = sorted(
        (purpose, channel) for purpose in PURPOSES for channel in CHANNELS if (purpose, channel) in unwanted
    )
    await session.execute(
        delete(CustomerOptOut).where(
            CustomerOptOut.merchant_id == merchant_id, CustomerOptOut.customer_id == customer_id
        )
    )
    for purpose, channel in pairs:
        row = {"merchant_id": merchant_id, "customer_id": customer_id, "purpose": purpose, "channel": channel}
        await session.execute(insert(CustomerOptOut).values(**row, at=now).on_conflict_do_nothing())


async def check_opt_out(check: MailCheck) -> str | None:
    """Return why this mail is not wanted: the customer switched its purpose off."""
    purpose = purpose_of(check.kind)
    is_wanted = await wants(
        check.session, check.merchant_id, check.customer_id, purpose=purpose, channel="email"
    )
    return None if is_wanted else "opted_out"
