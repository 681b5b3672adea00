"""The card in the browser: its page, the part that moves by itself, and all cards of a device."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request, Response
from markupsafe import Markup
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.session import Database, tenant_scope
from app.dependencies import ClockDep, SessionDep
from app.kernel.adapters import resources_of
from app.kernel.clock import Clock
from app.kernel.i18n import current
from app.kernel.i18n import gettext as _
from app.kernel.permissions import card_holder
from app.kernel.points import CARD_BLOCK, CardContext
from app.kernel.web.cookies import keyring_of, settings_of
from app.kernel.web.devices import current_device
from app.kernel.web.limits import rate_limit
from app.kernel.web.shell import render_panels
from app.kernel.web.sse import event_stream
from app.kernel.web.templates import render, render_fragment
from app.modules.cards.public import CardHolderDep, CardRef, card_token, held_cards, held_merchants
from app.modules.customers.public import consent_text, get_customer
from app.modules.merchants.public import get_merchant
from app.modules.portal.live import CardWatcher, card_events
from app.modules.portal.pages import PageCardDep, exchange_token, unknown_card
from app.modules.portal.presenting import card_page, points_to_go, stamps_to_go
from app.modules.portal.queries import list_history
from app.modules.qr.public import qr_svg, secret_qr_svg
from app.modules.stores.public import StoreView, list_program_stores
from app.modules.wallets.public import card_view

router = APIRouter(include_in_schema=False)


@router.get("/card/{pass_id}", dependencies=[card_holder("One's own card.")])
async def get_card_page(
    request: Request, card: PageCardDep, session: SessionDep, clock: ClockDep
) -> Response:
    """Show the card with everything about it."""
    if card is None:
        return unknown_card(request)
    moved = exchange_token(request, card)
    if moved is not None:
        return moved
    customer = await get_customer(session, card.merchant_id, card.customer_id)
    context = {
        **await card_state_context(session, card, clock=clock),
        "customer": customer,
        "consent_text": consent_text(current().language),
        **await _beside_the_state(request, session, card, clock=clock),
        "errors": {},
        "values": {},
    }
    return render(request, "portal/card.html", context)


@router.get("/card/{pass_id}/state", dependencies=[card_holder("The moving part of one's own card.")])
async def get_card_state(
    request: Request, card: CardHolderDep, session: SessionDep, clock: ClockDep
) -> Response:
    """Return the part of the page that changes with a visit; 304 while nothing did."""
    context = await card_state_context(session, card, clock=clock)
    view = context["view"]
    etag = f'"{view.revision}-{view.design_version}-{view.locale}"'
    if request.headers.get("if-none-match") == etag:
        return Response(status_code=304, headers={"etag": etag})
    return render_fragment(request, "portal/_moving.html", context, headers={"etag": etag})


@router.get(
    "/card/{pass_id}/live", dependencies=[card_holder("Changes of one's own card."), rate_limit("live")]
)
async def get_card_live(
    request: Request, card: CardHolderDep, session: SessionDep, revision: int = 0
) -> Response:
    """Stream an event for every change of the card; revision: what the page shows."""
    watcher, key = resources_of(session).get(CardWatcher), (card.merchant_id, card.id)
    watcher.check_room(key)  # a refusal after the first bytes could only break the connection
    drain = request.app.state.drain
    return event_stream(card_events(watcher, key, revision=revision), drain=drain)


@router.get("/cards", dependencies=[card_holder("All cards this device keeps.")])
async def get_cards(request: Request, session: SessionDep, clock: ClockDep) -> Response:
    """Show every card of the device, of any merchant, the last used first."""
    database = resources_of(session).get(Database)
    cards: list[dict[str, Any]] = []
    for merchant_id in held_merchants(request):
        # One transaction a merchant: a transaction belongs to one tenant.
        async with tenant_scope(database, merchant_id) as tenant:
            for card in await held_cards(request, tenant, merchant_id):
                view = await card_view(
                    tenant, merchant_id, card.id, locale=current().language, now=clock.now()
                )
                cards.append(card_page(view))
    return render(request, "portal/cards.html", {"cards": cards})


async def _beside_the_state(
    request: Request, session: AsyncSession, card: CardRef, *, clock: Clock
) -> dict[str, Any]:
    stores = await list_program_stores(session, card.merchant_id, card.program_id)
    return {
        "till_links": _till_links(card, stores),
        "notice_path": f"/privacy/{stores[0].id}" if stores else None,
        "panels": await _panels(request, session, card, clock=clock),
        "phone_code": None if current_device().is_phone else _phone_code(request, card),
    }


def _phone_code(request: Request, card: CardRef) -> Markup:
    """Return the code that opens the card on one's phone; it carries the card's token, as an installed app does."""
    base = settings_of(request).public_url.rstrip("/")
    url = f"{base}{card_path(card.id)}?t={card_token(keyring_of(request), card)}"
    return Markup(secret_qr_svg(url, title=_("Your card, for your phone")))  # noqa: S704 (drawn by us)


def _till_links(card: CardRef, stores: Sequence[StoreView]) -> list[tuple[str, str]]:
    """Return the PIN pads this card may be stamped at, by the store's name; none where only devices stamp."""
    if card.status != "active":
        return []
    return [
        (f"/{'points' if store.loyalty_type == 'points' else 'stamp'}/{store.id}", store.name)
        for store in stores
        if store.phone_pins and store.closed_at is None
    ]


async def card_state_context(session: AsyncSession, card: CardRef, *, clock: Clock) -> dict[str, Any]:
    """Return what portal/_moving.html shows."""
    now, language = clock.now(), current().language
    view = await card_view(session, card.merchant_id, card.id, locale=language, now=now)
    merchant = await get_merchant(session, card.merchant_id)
    return {
        **card_page(view),
        "card_rewards": [
            {
                "reward": reward,
                "left": stamps_to_go(reward.missing)
                if reward.kind == "stamps"
                else points_to_go(reward.missing),
            }
            for reward in view.rewards
        ],
        "code": Markup(qr_svg(view.barcode_text, title=_("Your card’s code"))),  # noqa: S704 (drawn by us)
        "history": await list_history(session, card.merchant_id, card.id),
        "zone": view.time_zone,
        "currency": merchant.currency,
        "shown_at": now,
    }


async def _panels(
    request: Request, session: AsyncSession, card: CardRef, *, clock: Clock
) -> list[dict[str, Any]]:
    merchant = await get_merchant(session, card.merchant_id)
    context = CardContext(
        session=session,
        merchant_id=card.merchant_id,
        pass_id=card.id,
        locale=current().language,
        now=clock.now(),
        modules_on=merchant.modules_on,
    )
    return render_panels(request, await CARD_BLOCK.gather(context))


def card_path(pass_id: UUID) -> str:
    """Return the path of a card's page."""
    return f"/card/{pass_id}"
