"""The end of a sign-up: the merchant is made and its owner signed in."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from app.kernel.outcomes import Refusal
from app.modules.merchants.service import finish_sign_up
from app.modules.merchants.sign_in import SignedIn, open_session, session_id_of


async def finish_and_sign_in(session: AsyncSession, token: str, *, now: datetime) -> SignedIn | Refusal:
    """Make the merchant of a sign-up link and open its owner's first session."""
    merchant = await finish_sign_up(session, token, now=now)
    if isinstance(merchant, Refusal):
        return merchant
    opened = await open_session(session, merchant.id, member_id=merchant.owner_id, role="owner", now=now)
    return SignedIn(merchant.id, session_id_of(opened), opened)
