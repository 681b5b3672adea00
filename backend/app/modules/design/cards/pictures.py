"""A merchant's own pictures: cut, drawn anew, kept by their hash, given out for ever."""

from __future__ import annotations

import asyncio
import hashlib
import io
import re
from datetime import datetime
from typing import Literal
from uuid import UUID

from PIL import Image, ImageChops, ImageOps
from sqlalchemy import Select, delete, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.datastructures import UploadFile

from app.kernel.audit import record_audit
from app.kernel.errors import Invalid
from app.kernel.i18n import gettext as _
from app.kernel.permissions import Principal
from app.kernel.web.uploads import read_image
from app.modules.design.models import DesignPicture
from app.modules.design.rules import Crop
from app.utils.id_generator import new_id

Kind = Literal["logo", "stamp", "photo"]
READ_SIDE_MAX = 2_048
LOGO_SIDE_MAX = 660
PHOTO_SIDE_MAX = 900
MASK_SIDE = 192
MASK_SHARE = 10 / 12
PICTURES_MAX = 40
DIGEST_LENGTH = 32
# Google masks a logo to a circle: it is put into the middle of a square, with room around it.
ROUND_SIDE = 660
ROUND_SHARE = 0.68
LIGHT = 128
# What is hardly there, or hardly darker than white, counts as air: a JPEG's white is not quite white.
_IS_SOMETHING = [0] * 16 + [255] * 240
AIR_SHARE = 0.04
# Of all programmes, and of the business: every place in which an address of ours is kept.
_USED = text(
    "SELECT EXISTS (SELECT FROM program WHERE merchant_id = :m AND design::text LIKE :digest)"
    " OR EXISTS (SELECT FROM merchant WHERE id = :m AND branding::text LIKE :digest)"
)
_OWN_URL = re.compile(r"/pictures/([0-9a-f]{32})/([0-9a-f]{32})\.png")


def picture_url(merchant_id: UUID, digest: str) -> str:
    """Return where browsers and wallets get a picture."""
    return f"/pictures/{merchant_id.hex}/{digest}.png"


async def keep_picture(
    session: AsyncSession, principal: Principal, upload: UploadFile, *, kind: Kind, crop: Crop, now: datetime
) -> DesignPicture:
    """Cut an uploaded picture, draw it anew and keep it; the same picture again is the same row. Raises Invalid."""
    clean = await read_image(upload, max_side=READ_SIDE_MAX, field=kind, is_photo=True)
    png, (width, height) = await asyncio.to_thread(_PREPARE[kind], clean.png, crop)
    digest = hashlib.sha256(png).hexdigest()[:DIGEST_LENGTH]
    merchant_id = principal.merchant_id
    await _make_room(session, principal, now=now)
    row = {"kind": kind, "png": png, "width": width, "height": height, "created_at": now}
    statement = insert(DesignPicture).values(merchant_id=merchant_id, id=new_id(), digest=digest, **row)
    statement = statement.on_conflict_do_nothing(index_elements=["merchant_id", "digest"])
    added = await session.scalar(statement.returning(DesignPicture.id))
    if added is not None:
        await record_picture(session, principal, "design.picture_added", picture_id=added, kind=kind, now=now)
    kept = await find_picture(session, merchant_id, digest)
    assert kept is not None, "it was there or has just been written"
    return kept


async def record_picture(
    session: AsyncSession, principal: Principal, action: str, *, picture_id: UUID, kind: str, now: datetime
) -> None:
    """Write into the trail that a picture came or went."""
    await record_audit(
        session,
        principal,
        action=action,
        target_kind="design_picture",
        target_id=picture_id,
        now=now,
        facts={"kind": kind},
    )


async def _make_room(session: AsyncSession, principal: Principal, *, now: datetime) -> None:
    """Take away the oldest picture that no design uses once there are too many; raises Invalid where all are used."""
    merchant_id = principal.merchant_id
    digests = await session.scalars(
        select(DesignPicture.digest)
        .where(DesignPicture.merchant_id == merchant_id)
        .order_by(DesignPicture.id)
    )
    oldest_first = list(digests)
    if len(oldest_first) < PICTURES_MAX:
        return
    for digest in oldest_first:
        if await is_used(session, merchant_id, digest):
            continue
        picture = await find_free_picture(session, merchant_id, digest)
        # Looked at again: once it is held, nobody saves a design with it any more.
        if picture is not None and not await is_used(session, merchant_id, digest):
            await delete_picture(session, principal, picture, now=now)
            return
    raise Invalid(extra={"fields": {"picture": _("There are too many pictures in use.")}})


async def is_used(session: AsyncSession, merchant_id: UUID, digest: str) -> bool:
    """Tell whether a saved design, or the business itself, shows a picture."""
    return bool(await session.scalar(_USED, {"m": merchant_id, "digest": f"%{digest}%"}))


async def delete_picture(
    session: AsyncSession, principal: Principal, picture: DesignPicture, *, now: datetime
) -> None:
    """Take a picture away that the caller holds alone and found unused."""
    await session.execute(
        delete(DesignPicture).where(
            DesignPicture.merchant_id == picture.merchant_id, DesignPicture.id == picture.id
        )
    )
    await record_picture(
        session, principal, "design.picture_removed", picture_id=picture.id, kind=picture.kind, now=now
    )


def _cut(png: bytes, crop: Crop) -> Image.Image:
    with Image.open(io.BytesIO(png)) as opened:
        picture = opened.convert("RGBA")
    return picture.crop(crop.box(picture.width, picture.height))


def _without_margin(picture: Image.Image) -> Image.Image:
    """Return the part that has something on it, with a little air: a logo with much of it is tiny on a card.

    Air is what is see-through or white. A tile of another colour belongs to the logo and stays whole.
    """
    there = picture.getchannel("A")
    if there.getextrema() == (255, 255):
        there = ImageChops.invert(picture.convert("RGB").convert("L"))
    box = there.point(_IS_SOMETHING).getbbox()
    if box is None:
        return picture
    air = round(max(box[2] - box[0], box[3] - box[1]) * AIR_SHARE)
    left, top = max(0, box[0] - air), max(0, box[1] - air)
    return picture.crop((left, top, min(picture.width, box[2] + air), min(picture.height, box[3] + air)))


def _png(picture: Image.Image) -> bytes:
    out = io.BytesIO()
    picture.save(out, "PNG", optimize=True)
    return out.getvalue()


def draw_logo(png: bytes, crop: Crop) -> tuple[bytes, tuple[int, int]]:
    """Return the cut logo, at most as large as any wallet shows it; one that nobody cut loses the air around it."""
    picture = _without_margin(_cut(png, crop)) if crop.is_whole else _cut(png, crop)
    picture.thumbnail((LOGO_SIDE_MAX, LOGO_SIDE_MAX), Image.Resampling.LANCZOS)
    return _png(picture), picture.size


def draw_mask(png: bytes, crop: Crop) -> tuple[bytes, tuple[int, int]]:
    """Return a stamp picture as a white mask on nothing: what is inked, in whatever colour the card has.

    A see-through picture is taken by its shape; any other by its darkness, or its brightness where the ground is dark.
    """
    picture = _cut(png, crop)
    alpha = picture.getchannel("A")
    if alpha.getextrema()[0] == 255:
        grey = ImageOps.autocontrast(picture.convert("L"))
        corners = [grey.getpixel(at) for at in ((0, 0), (grey.width - 1, 0), (0, grey.height - 1))]
        ground = sorted(int(value) for value in corners if isinstance(value, int | float))[1]
        alpha = ImageChops.invert(grey) if ground >= LIGHT else grey
    if crop.is_whole:
        # As large as the pictures of the set: those leave a twelfth free on each side.
        alpha = alpha.crop(alpha.point(_IS_SOMETHING).getbbox())
        side = round(MASK_SIDE * MASK_SHARE)
    else:
        side = MASK_SIDE
    fitted = ImageOps.contain(alpha, (side, side), Image.Resampling.LANCZOS)
    square = Image.new("L", (MASK_SIDE, MASK_SIDE), 0)
    square.paste(fitted, ((MASK_SIDE - fitted.width) // 2, (MASK_SIDE - fitted.height) // 2))
    mask = Image.new("RGBA", square.size, (255, 255, 255, 0))
    mask.putalpha(square)
    return _png(mask), mask.size


def draw_photo(png: bytes, crop: Crop) -> tuple[bytes, tuple[int, int]]:
    """Return a photo to lie under stamps: softly blurred there, so that more dots would not be seen."""
    picture = _cut(png, crop).convert("RGB")
    picture.thumbnail((PHOTO_SIDE_MAX, PHOTO_SIDE_MAX), Image.Resampling.LANCZOS)
    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue(), picture.size


_PREPARE = {"logo": draw_logo, "stamp": draw_mask, "photo": draw_photo}


def draw_round(png: bytes) -> bytes:
    """Return a logo in the middle of a white square, for those who cut it to a circle."""
    with Image.open(io.BytesIO(png)) as opened:
        logo = ImageOps.contain(opened.convert("RGBA"), (round(ROUND_SIDE * ROUND_SHARE),) * 2)
    square = Image.new("RGBA", (ROUND_SIDE, ROUND_SIDE), (255, 255, 255, 255))
    square.alpha_composite(logo, ((ROUND_SIDE - logo.width) // 2, (ROUND_SIDE - logo.height) // 2))
    return _png(square.convert("RGB"))


def _by_digest(merchant_id: UUID, digest: str) -> Select[DesignPicture]:
    return select(DesignPicture).where(
        DesignPicture.merchant_id == merchant_id, DesignPicture.digest == digest
    )


async def find_picture(
    session: AsyncSession, merchant_id: UUID, digest: str, *, locked: Literal["", "together", "alone"] = ""
) -> DesignPicture | None:
    """Return a picture by its hash, or None. locked: held until the end, so that nobody removes it, or uses it."""
    statement = _by_digest(merchant_id, digest)
    if locked:
        statement = statement.with_for_update(read=locked == "together", key_share=locked == "together")
    row: DesignPicture | None = await session.scalar(statement)
    return row


async def find_free_picture(session: AsyncSession, merchant_id: UUID, digest: str) -> DesignPicture | None:
    """Hold a picture and return it, or None where somebody saves a design with it just now."""
    statement = _by_digest(merchant_id, digest).with_for_update(skip_locked=True)
    row: DesignPicture | None = await session.scalar(statement)
    return row


async def list_digests(session: AsyncSession, merchant_id: UUID, kind: Kind) -> list[str]:
    """Return the hashes of the merchant's pictures of a kind, newest first."""
    rows = await session.scalars(
        select(DesignPicture.digest)
        .where(DesignPicture.merchant_id == merchant_id, DesignPicture.kind == kind)
        .order_by(DesignPicture.id.desc())
        .limit(PICTURES_MAX)
    )
    return list(rows)


async def logo_bytes(session: AsyncSession, merchant_id: UUID, url: str) -> bytes | None:
    """Return the picture behind an address of ours, for wallets that carry pictures along (LOGO)."""
    found = _OWN_URL.fullmatch(url)
    if found is None or UUID(found[1]) != merchant_id:
        return None
    picture = await find_picture(session, merchant_id, found[2])
    return picture.png if picture else None
