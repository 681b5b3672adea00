"""The invitation a friend opens, and the page on which a holder sees how far their friends are."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response
from sqlalchemy.ext.asyncio import AsyncSession

from app.dependencies import ClockDep, SessionDep, StoreDep, StoreRef
from app.kernel.errors import NotFound
from app.kernel.i18n import current
from app.kernel.permissions import card_holder, public
from app.kernel.points import CardContext
from app.kernel.web.forms import redirect
from app.kernel.web.limits import rate_limit
from app.kernel.web.templates import render
from app.modules.cards.public import CardHolderDep, CardRef
from app.modules.merchants.public import get_merchant
from app.modules.referrals import links
from app.modules.referrals.models import ReferralLink
from app.modules.referrals.queries import find_link
from app.modules.referrals.showing import friends_page, promise_words
from app.modules.stores.public import ProgramView, get_program, get_store

router = APIRouter(include_in_schema=False)
Code = Annotated[str, Path(max_length=64)]


def theme_url(program: ProgramView) -> str:
    """Return the stylesheet with the colours of a programme's cards."""
    return f"/theme/{program.id}.css?m={program.merchant_id}&v={program.design_version}"


async def find_invitation(session: AsyncSession, store: StoreRef, code: str) -> ReferralLink | None:
    """Return the link while it is good for something: known here, and the feature on."""
    if not await links.is_on(session, store.merchant_id):
        return None
    return await find_link(session, store.merchant_id, [code])


@router.get(
    "/invite/{store_id}/{code}", dependencies=[public("A friend's invitation."), rate_limit("open_link")]
)
async def get_invitation(request: Request, store: StoreDep, code: Code, session: SessionDep) -> Response:
    """Show what the friend gets; an invitation that is over leads to the plain way to a card."""
    link = await find_invitation(session, store, code)
    if link is None:
        return redirect(request, f"/join/{store.id}")
    context = await _invitation(request, session, store, link)
    return render(request, "referrals/invitation.html", {**context, "action": request.url.path})


async def _invitation(
    request: Request, session: AsyncSession, store: StoreRef, link: ReferralLink
) -> dict[str, Any]:
    view = await get_store(session, store)
    if view.closed_at is not None:
        raise NotFound("store")
    merchant = await get_merchant(session, store.merchant_id)
    return {
        **await promise_words(session, store.merchant_id),
        "store": view,
        "shop_name": merchant.name,
        "shop": {
            "name": merchant.name,
            "logo_url": view.program.design.get("logo_url"),
            "url": f"/join/{view.id}",
        },
        "theme_url": theme_url(view.program),
        "is_own": await links.is_own_link(request, session, link),
        "own_url": f"/card/{link.pass_id}/friends",
    }


@router.post(
    "/invite/{store_id}/{code}", dependencies=[public("Anybody may take it up."), rate_limit("open_link")]
)
async def post_invitation(request: Request, store: StoreDep, code: Code, session: SessionDep) -> Response:
    """Remember the invitation in this browser and go on to the card."""
    response = redirect(request, f"/join/{store.id}")
    link = await find_invitation(session, store, code)
    if link is not None and not await links.is_own_link(request, session, link):
        await links.take_up(request, response, session, link)
    return response


@router.get(
    "/card/{pass_id}/friends", dependencies=[card_holder("How far the friends are that one brought along.")]
)
async def get_friends(
    request: Request, card: CardHolderDep, session: SessionDep, clock: ClockDep
) -> Response:
    """Show the link to share, its code, and the friends without anything about them."""
    merchant = await get_merchant(session, card.merchant_id)
    if links.FEATURE not in merchant.modules_on:
        raise NotFound("page")
    context = _card_context(session, card, clock.now(), merchant.modules_on)
    program = await get_program(session, card.merchant_id, card.program_id)
    shop = {"name": merchant.name, "logo_url": program.design.get("logo_url"), "url": f"/card/{card.id}"}
    page = {**await friends_page(context), "card": card, "shop": shop, "theme_url": theme_url(program)}
    return render(request, "referrals/friends.html", page)


def _card_context(session: AsyncSession, card: CardRef, now: Any, modules_on: frozenset[str]) -> CardContext:
    return CardContext(session, card.merchant_id, card.id, current().language, now, modules_on)
