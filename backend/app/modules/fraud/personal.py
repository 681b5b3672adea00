"""What the findings contribute to the download and the deletion of a person's data."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.kernel.points import PersonalData
from app.modules.fraud.models import FraudFinding, FraudOwnCard
from app.modules.fraud.queries import list_card_ids
from app.modules.fraud.service import forget_cards


async def export_findings(
    session: AsyncSession, merchant_id: UUID, customer_id: UUID
) -> Mapping[str, object]:
    """Return what was found odd about the customer's cards, and whether one is known as a staff member's."""
    cards = await list_card_ids(session, merchant_id, customer_id)
    found = await session.scalars(
        select(FraudFinding)
        .where(FraudFinding.merchant_id == merchant_id, FraudFinding.pass_id.in_(cards))
        .order_by(FraudFinding.first_at)
    )
    own = await session.scalars(
        select(FraudOwnCard.pass_id).where(
            FraudOwnCard.merchant_id == merchant_id, FraudOwnCard.pass_id.in_(cards)
        )
    )
    return {
        "findings": [
            {
                "rule": row.rule,
                "pass_id": str(row.pass_id),
                "visits": [visit_id for visit_id, _at in row.events],
                "first_at": row.first_at.isoformat(),
                "last_at": row.last_at.isoformat(),
                "status": row.status,
            }
            for row in found
        ],
        "staff_cards": [str(pass_id) for pass_id in own],
    }


async def erase_findings(session: AsyncSession, merchant_id: UUID, customer_id: UUID) -> None:
    """Drop what is kept about the customer's cards."""
    await forget_cards(session, merchant_id, await list_card_ids(session, merchant_id, customer_id))


PERSONAL = PersonalData(
    tables=("fraud_finding", "fraud_own_card"), export=export_findings, erase=erase_findings
)
