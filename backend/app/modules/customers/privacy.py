"""What customers contributes to the download and the deletion of a person's data."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.kernel.points import PersonalData
from app.modules.customers.service import blank_customer, export_customer


async def export_personal_data(
    session: AsyncSession, merchant_id: UUID, customer_id: UUID
) -> Mapping[str, object]:
    return await export_customer(session, merchant_id, customer_id)


async def erase_personal_data(session: AsyncSession, merchant_id: UUID, customer_id: UUID) -> None:
    # The point has no clock; the database's is the one that is there.
    now = (await session.execute(select(func.now()))).scalar_one()
    await blank_customer(session, merchant_id, customer_id, now=now)


# Consent records stay: they prove what was agreed and hold an id and a keyed hash, no address.
PERSONAL = PersonalData(
    tables=(
        "customer",
        "consent_record",
        "customer_search",
        "customer_tag",
        "customer_note",
        "customer_opt_out",
    ),
    export=export_personal_data,
    erase=erase_personal_data,
)
