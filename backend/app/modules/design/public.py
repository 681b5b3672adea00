"""What other modules use of design: the first look of a programme, and where its pages are."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.kernel.permissions import Principal
from app.modules.design.posters.wishes import FORMATS as POSTER_FORMATS
from app.modules.design.service import design_url
from app.modules.stores.public import CARD_ICONS, change_program
from app.modules.wallets.public import PALETTES


def posters_url(store_id: UUID) -> str:
    """Return the address of a store's posters."""
    return f"/dashboard/stores/{store_id}/posters"


async def choose_look(
    session: AsyncSession,
    principal: Principal,
    store_id: UUID,
    *,
    palette: str,
    icon: str | None,
    now: datetime,
) -> None:
    """Give a programme one of the ready palettes and, where it has stamps, one of the ready pictures."""
    assert palette in PALETTES, "the form takes no other"
    design: dict[str, str | None] = dict.fromkeys(("background_color", "foreground_color", "accent_color"))
    design["palette"] = palette
    if icon is not None:
        design["icon"] = icon
    await change_program(session, principal, store_id, changes={"design": design}, now=now)


__all__ = ["CARD_ICONS", "PALETTES", "POSTER_FORMATS", "choose_look", "design_url", "posters_url"]
