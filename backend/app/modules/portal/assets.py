"""What browsers load besides pages: a programme's colours, a card's manifest, the service worker."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request, Response

from app.db.session import set_tenant
from app.dependencies import ClockDep, SessionDep
from app.kernel.adapters import resources_of
from app.kernel.i18n import current
from app.kernel.permissions import card_holder, public
from app.kernel.web.cookies import keyring_of
from app.kernel.web.present import json_response
from app.kernel.web.static import FOREVER, StaticFiles, static_response
from app.modules.cards.public import CardHolderDep, card_token
from app.modules.merchants.public import get_merchant
from app.modules.stores.public import get_program
from app.modules.wallets.public import CardView, card_colors, card_view, ground_css, readable_on
from app.utils.security import Keyring

SHORT = "public, max-age=300"

router = APIRouter(include_in_schema=False)


@router.get("/theme/{program_id}.css", dependencies=[public("The colours of a programme's card.")])
async def get_theme(program_id: UUID, session: SessionDep, m: UUID, v: int = 0) -> Response:
    """Return the card's colours as CSS variables, for the page and for the card's picture among others.

    Only #rrggbb ever gets in.
    """
    await set_tenant(session, m)
    program = await get_program(session, m, program_id)
    colors = card_colors(program.design, (await get_merchant(session, m)).branding)
    css = (
        f":root, .program-{program_id} {{ --card-bg: {colors.background}; --card-fg: {colors.foreground};"
        f" --card-accent: {colors.accent}; --card-seal-ink: {readable_on(colors.accent)};"
        f"{ground_css(resources_of(session).get(Keyring), colors)} }}\n"
    )
    # An address with a version that is not this one must not keep these colours for ever.
    kept = FOREVER if v == program.design_version else SHORT
    return Response(css, media_type="text/css", headers={"cache-control": kept})


@router.get("/card/{pass_id}/manifest.webmanifest", dependencies=[card_holder("One's own card as an app.")])
async def get_manifest(
    request: Request, card: CardHolderDep, session: SessionDep, clock: ClockDep
) -> Response:
    """Return the manifest of the card: installed on a phone it opens this card.

    The start address carries the card's token, because an installed app may have a cookie jar of its own.
    """
    view = await card_view(session, card.merchant_id, card.id, locale=current().language, now=clock.now())
    start_url = f"/card/{card.id}?t={card_token(keyring_of(request), card)}"
    response = json_response(card_manifest(view, request.app.state.static, start_url=start_url))
    response.headers["content-type"] = "application/manifest+json"
    return response


def card_manifest(view: CardView, static: StaticFiles, *, start_url: str) -> dict[str, Any]:
    """Return what a browser needs to install the card as an app."""
    sizes = {"192x192": "img/icon-192.png", "512x512": "img/icon-512.png"}
    icons = [{"src": static.url(name), "sizes": size, "type": "image/png"} for size, name in sizes.items()]
    maskable = {"src": static.url("img/icon-maskable-512.png"), "sizes": "512x512", "type": "image/png"}
    return {
        "id": f"/card/{view.pass_id}",
        "name": view.merchant_name,
        "short_name": view.merchant_name[:12],
        "start_url": start_url,
        "scope": "/",
        "display": "standalone",
        "lang": view.locale,
        "background_color": view.colors.background,
        "theme_color": view.colors.background,
        "icons": [*icons, {**maskable, "purpose": "maskable"}],
    }


@router.get("/sw.js", dependencies=[public("The service worker that shows a card without a network.")])
async def get_service_worker(request: Request) -> Response:
    """Return the worker from the root, so that its scope is the whole site."""
    return static_response(request, "js/card-worker.js", cache="no-cache")
