"""What the requests contribute to the download and the deletion of a person's data."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.kernel.points import PersonalData
from app.modules.privacy.models import PrivacyRequest


async def export_requests(
    session: AsyncSession, merchant_id: UUID, customer_id: UUID
) -> Mapping[str, object]:
    """Return what the customer asked for."""
    rows = await session.scalars(
        select(PrivacyRequest)
        .where(PrivacyRequest.merchant_id == merchant_id, PrivacyRequest.customer_id == customer_id)
        .order_by(PrivacyRequest.id)
    )
    return {
        "requests": [
            {
                "kind": row.kind,
                "new_email": row.new_email,
                "created_at": row.created_at.isoformat(),
                "done_at": row.done_at.isoformat() if row.done_at else None,
            }
            for row in rows
        ]
    }


async def erase_requests(session: AsyncSession, merchant_id: UUID, customer_id: UUID) -> None:
    """Blank the address of a change that was asked for, and end the links; that something was asked stays."""
    await session.execute(
        update(PrivacyRequest)
        .where(PrivacyRequest.merchant_id == merchant_id, PrivacyRequest.customer_id == customer_id)
        .values(new_email=None, token_hash=None)
    )


PERSONAL = PersonalData(tables=("privacy_request",), export=export_requests, erase=erase_requests)
