"""The logo that a card names, as bytes: for wallets that carry their pictures along."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.kernel.points import LOGO

LOGO_BYTES_MAX = 2_000_000


async def find_logo(session: AsyncSession, merchant_id: UUID, url: str | None) -> bytes | None:
    """Return the picture behind a card's logo_url from whoever keeps it, or None: the card's icon stands in.

    Never fetched over the network: a pass is made inside a transaction.
    """
    if not url:
        return None
    for _name, find in LOGO.items():
        found = await find(session, merchant_id, url)
        if found is not None and len(found) <= LOGO_BYTES_MAX:
            return found
    return None
