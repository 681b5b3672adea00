"""Google Wallet over HTTP: the pictures Google fetches, the button's way, and Google's callbacks."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from uuid import UUID

from fastapi import APIRouter, Request, Response
from starlette.responses import RedirectResponse

from app.db.session import Database, tenant_scope
from app.dependencies import ClockDep
from app.kernel.adapters import Resources
from app.kernel.errors import Forbidden, NotFound, Unauthenticated, Unavailable
from app.kernel.observability import get_logger
from app.kernel.permissions import card_holder, public
from app.kernel.web.cookies import keyring_of
from app.kernel.web.csrf import csrf_exempt
from app.kernel.web.limits import rate_limit
from app.kernel.web.problems import error_responses
from app.modules.cards.public import CardRef, find_held_card, presented_tokens
from app.modules.wallets.google_wallet.adapters import Fault
from app.modules.wallets.google_wallet.callbacks import CallbackMessage, Forged, take_callback
from app.modules.wallets.google_wallet.images import Picture, draw_picture, read_picture
from app.modules.wallets.google_wallet.saving import tap
from app.modules.wallets.own_icons import learn_ground, learn_icon, owner_of

router = APIRouter(tags=["Google Wallet"])
PICTURE_CACHE = "public, max-age=31536000, immutable"

log = get_logger("stempel.google_wallet")


def resources_from(request: Request) -> Resources:
    """Return what the process holds."""
    resources: Resources = request.app.state.resources
    return resources


@router.get(
    "/wallet-pictures/{token}.png",
    include_in_schema=False,
    dependencies=[public("A picture that a wallet shows: a design and a count, nobody's data.")],
)
async def get_picture(request: Request, token: str) -> Response:
    """Return a picture whose address we made; 404 for any other."""
    picture = read_picture(keyring_of(request), token)
    if picture is None:
        raise NotFound("picture")
    picture = await _learn(request, picture)
    png = await asyncio.to_thread(draw_picture, picture)
    headers = {"cache-control": PICTURE_CACHE, "cross-origin-resource-policy": "cross-origin"}
    return Response(png, media_type="image/png", headers=headers)


async def _learn(request: Request, picture: Picture) -> Picture:
    """Read the merchant's own pictures that this one is drawn with."""
    for owner in {owner_of(picture.icon), owner_of(picture.ground)} - {None}:
        assert owner is not None
        async with tenant_scope(request.app.state.database, owner) as session:
            icon = await learn_icon(session, owner, picture.icon)
            picture = replace(picture, icon=icon, ground=await learn_ground(session, owner, picture.ground))
    return picture


async def held_card(request: Request, pass_id: UUID) -> CardRef:
    """Return the caller's own card, read in a transaction that ends here; raises Unauthenticated."""
    database: Database = request.app.state.database
    async with database.sessions() as session, session.begin():
        card = await find_held_card(session, pass_id, tokens=presented_tokens(request))
    if card is None:
        raise Unauthenticated
    return card


@router.get(
    "/passes/google/{pass_id}",
    status_code=303,
    responses=error_responses("unauthenticated", "wallet_unavailable", "unavailable"),
    dependencies=[card_holder("One's own card, for Google Wallet."), rate_limit("expensive")],
)
async def get_google_pass(request: Request, pass_id: UUID, clock: ClockDep) -> Response:
    """Bring the card to Google and go where it is saved; no transaction is open meanwhile."""
    card = await held_card(request, pass_id)
    tapped = await tap(resources_from(request), card, now=clock.now())
    token = request.query_params.get("t")
    url = f"{tapped.url}?t={token}" if tapped.is_stand_in and token else tapped.url
    return RedirectResponse(url, status_code=303)


@router.post(
    "/google/callbacks",
    status_code=200,
    responses=error_responses("forbidden", "unavailable"),
    dependencies=[public("Signed by Google; an unsigned or old message changes nothing.")],
)
@csrf_exempt
async def post_google_callback(request: Request, message: CallbackMessage, clock: ClockDep) -> Response:
    """Take Google's word that a pass was saved or deleted; a repeat is answered and not counted."""
    now, resources = clock.now(), resources_from(request)
    try:
        await take_callback(resources, message, now=now)
    except Forged as error:
        log.warning("google_callback_refused", reason=error.reason)
        raise Forbidden from error
    except Fault as error:
        raise Unavailable from error
    return Response(status_code=200)
