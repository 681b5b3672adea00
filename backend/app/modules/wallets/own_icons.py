"""Stamp pictures and photos that merchants uploaded, for those who draw them: a picture by its name.

An own icon is called own-<merchant>-<hash>, a photo photo-<merchant>-<hash>; neither ever changes. Drawing is pure and
fast, so pictures are learned before: whoever is about to draw a card with one calls learn_icon and learn_ground.
"""

from __future__ import annotations

import re
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.modules.wallets.logos import find_logo

MASKS_KEPT = 500
# A photo takes up to a megabyte.
PHOTOS_KEPT = 16
_OWN = re.compile(r"(?:own|photo)-([0-9a-f]{32})-([0-9a-f]{32})")
_masks: dict[str, bytes] = {}
_photos: dict[str, bytes] = {}


def own_icon(merchant_id: UUID, digest: str) -> str:
    """Return the name of a merchant's own icon."""
    return f"own-{merchant_id.hex}-{digest}"


def own_photo(merchant_id: UUID, digest: str) -> str:
    """Return the name of a merchant's own photo."""
    return f"photo-{merchant_id.hex}-{digest}"


def owner_of(icon: str) -> UUID | None:
    """Return whose icon or photo it is; None for one of the ready-made set."""
    found = _OWN.fullmatch(icon)
    return UUID(found[1]) if found else None


def icon_url(icon: str) -> str | None:
    """Return where browsers get an own icon's mask; None for one of the ready-made set."""
    found = _OWN.fullmatch(icon)
    return f"/pictures/{found[1]}/{found[2]}.png" if found else None


def find_mask(icon: str) -> bytes | None:
    """Return the mask of an own icon that was learned before."""
    return _masks.get(icon)


def find_photo(ground: str) -> bytes | None:
    """Return an own photo that was learned before."""
    return _photos.get(ground)


async def learn_ground(session: AsyncSession, merchant_id: UUID, ground: str) -> str:
    """Return the ground that can be drawn: a photo is fetched once, and where it is missing, plain colour stands in."""
    if owner_of(ground) is None or ground in _photos:
        return ground
    own = owner_of(ground) == merchant_id
    photo = await find_logo(session, merchant_id, icon_url(ground)) if own else None
    if photo is None:
        return ""
    while len(_photos) >= PHOTOS_KEPT:
        _photos.pop(next(iter(_photos)))
    _photos[ground] = photo
    return ground


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
