"""What browsers and wallets fetch: a merchant's pictures, and colours as a stylesheet."""

from __future__ import annotations

import asyncio
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Query, Response

from app.db.session import set_tenant
from app.dependencies import SessionDep
from app.kernel.errors import NotFound
from app.kernel.permissions import public
from app.kernel.web.static import FOREVER
from app.modules.design.cards.pictures import draw_round, find_picture
from app.modules.wallets.public import css_over, readable_on

router = APIRouter(include_in_schema=False)
OPEN_PICTURE = {"cache-control": FOREVER, "cross-origin-resource-policy": "cross-origin"}

Digest = Annotated[str, Path(pattern="^[0-9a-f]{32}$")]
# Nothing that could end the address it stands in.
Token = Annotated[str, Query(max_length=400, pattern=r"^[A-Za-z0-9_.-]*$")]
Hex = Annotated[str, Path(pattern="^[0-9a-f]{6}$")]


@router.get(
    "/pictures/{merchant_id}/{digest}.png",
    dependencies=[public("A logo or stamp picture that stands on cards; nobody's data.")],
)
async def get_picture(merchant_id: UUID, digest: Digest, session: SessionDep) -> Response:
    """Return a picture; its address never shows another one."""
    await set_tenant(session, merchant_id)
    picture = await find_picture(session, merchant_id, digest)
    if picture is None:
        raise NotFound("picture")
    return Response(picture.png, media_type="image/png", headers=OPEN_PICTURE)


@router.get(
    "/pictures/{merchant_id}/{digest}/round.png",
    dependencies=[public("The same logo with room around it, for Google Wallet.")],
)
async def get_round_picture(merchant_id: UUID, digest: Digest, session: SessionDep) -> Response:
    """Return a logo in the middle of a square."""
    await set_tenant(session, merchant_id)
    picture = await find_picture(session, merchant_id, digest)
    if picture is None:
        raise NotFound("picture")
    png = await asyncio.to_thread(draw_round, picture.png)
    return Response(png, media_type="image/png", headers=OPEN_PICTURE)


@router.get(
    "/colors/{background}-{foreground}-{accent}.css",
    dependencies=[public("Three colours as a stylesheet, for previews; only #rrggbb ever gets in.")],
)
async def get_colors(background: Hex, foreground: Hex, accent: Hex, ground: Token = "") -> Response:
    """Return the colours as CSS variables of one class. ground: the picture under the card, by its address."""
    under = css_over(ground) if ground else ""
    seal = readable_on(f"#{accent}")
    css = (
        f".program-{background}-{foreground}-{accent} {{ --card-bg: #{background}; --card-fg: #{foreground};"
        f" --card-accent: #{accent}; --card-seal-ink: {seal};{under} }}\n"
    )
    return Response(css, media_type="text/css", headers={"cache-control": FOREVER})
