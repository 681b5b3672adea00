"""Messages on cards, in the download and the deletion of a person's data."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.kernel.points import PersonalData
from app.modules.cards.public import PassObject
from app.modules.wallets.marks import mark_changed
from app.modules.wallets.messages.models import WalletMessage

EXPORTED_MESSAGES_MAX = 1_000


async def export_messages(
    session: AsyncSession, merchant_id: UUID, customer_id: UUID
) -> Mapping[str, object]:
    """Return what was said on a customer's cards."""
    rows = await session.scalars(
        select(WalletMessage)
        .join(
            PassObject,
            (PassObject.merchant_id == WalletMessage.merchant_id) & (PassObject.id == WalletMessage.pass_id),
        )
        .where(PassObject.merchant_id == merchant_id, PassObject.customer_id == customer_id)
        .order_by(WalletMessage.created_at.desc())
        .limit(EXPORTED_MESSAGES_MAX)
    )
    return {
        "wallet_messages": [
            {
                "pass_id": str(row.pass_id),
                "header": row.header,
                "body": row.body,
                "created_at": row.created_at.isoformat(),
                "expires_at": row.expires_at.isoformat(),
            }
            for row in rows
        ]
    }


async def erase_messages(session: AsyncSession, merchant_id: UUID, customer_id: UUID) -> None:
    """Forget what was said on a customer's cards, and let the wallets void their passes."""
    mine = select(PassObject.id).where(
        PassObject.merchant_id == merchant_id, PassObject.customer_id == customer_id
    )
    # In the order of ids, as everybody takes the marks.
    for pass_id in (await session.scalars(mine.order_by(PassObject.id))).all():
        await mark_changed(session, merchant_id, pass_id)
    await session.execute(
        delete(WalletMessage).where(WalletMessage.merchant_id == merchant_id, WalletMessage.pass_id.in_(mine))
    )


PERSONAL = PersonalData(tables=("wallet_message",), export=export_messages, erase=erase_messages)
