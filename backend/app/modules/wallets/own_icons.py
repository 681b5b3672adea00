"""Stamp pictures that merchants uploaded, for those who draw them: a mask by the icon's name.

An own icon is called own-<merchant>-<hash> and never changes. Drawing is pure and fast, so masks are learned before:
whoever is about to draw a card with such an icon calls learn_icon.
"""

from __future__ import annotations

import re
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.modules.wallets.logos import find_logo

MASKS_KEPT = 500
_OWN = re.compile(r"own-([0-9a-f]{32})-([0-9a-f]{32})")
_masks: dict[str, bytes] = {}


def own_icon(merchant_id: UUID, digest: str) -> str:
    """Return the name of a merchant's own icon."""
    return f"own-{merchant_id.hex}-{digest}"


def owner_of(icon: str) -> UUID | None:
    """Return whose icon it is; None for one of the ready-made set."""
    found = _OWN.fullmatch(icon)
    return UUID(found[1]) if found else None


def icon_url(icon: str) -> str | None:
    """Return where browsers get an own icon's mask; None for one of the ready-made set."""
    found = _OWN.fullmatch(icon)
    return f"/pictures/{found[1]}/{found[2]}.png" if found else None


def find_mask(icon: str) -> bytes | None:
    """Return the mask of an own icon that was learned before."""
    return _masks.get(icon)


async def learn_icon(session: AsyncSession, merchant_id: UUID, icon: str) -> str:
    """Return the icon that can be drawn: an own one is fetched once, and where it is missing, "star" stands in."""
    if owner_of(icon) is None or icon in _masks:
        return icon
    mask = await find_logo(session, merchant_id, icon_url(icon)) if owner_of(icon) == merchant_id else None
    if mask is None:
        return "star"
    while len(_masks) >= MASKS_KEPT:
        _masks.pop(next(iter(_masks)))
    _masks[icon] = mask
    return icon
