"""Which wallets a merchant's customers are offered."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.modules.wallets.apple_wallet.credentials import find_identity
from app.modules.wallets.apple_wallet.faults import IdentityFault
from app.modules.wallets.google_wallet.accounts import find_account


async def offered_wallets(session: AsyncSession, merchant_id: UUID, *, now: datetime) -> frozenset[str]:
    """Return "apple" and "google" where cards can be put into them now."""
    try:
        has_apple = await find_identity(session, merchant_id, now=now) is not None
    except IdentityFault:
        has_apple = False
    has_google = await find_account(session, merchant_id) is not None
    offered = (("apple", has_apple), ("google", has_google))
    return frozenset(name for name, is_offered in offered if is_offered)
