"""Redeeming on the customer's phone: the reward, the PIN, and the full screen shown to staff."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request, Response
from sqlalchemy.ext.asyncio import AsyncSession

from app.dependencies import ClockDep, SessionDep, StoreDep
from app.kernel.clock import Clock
from app.kernel.errors import CODES, NotFound
from app.kernel.i18n import current
from app.kernel.i18n import gettext as _
from app.kernel.outcomes import Refusal
from app.kernel.permissions import card_holder, staff_pin
from app.kernel.web.forms import redirect
from app.kernel.web.problems import retry_headers
from app.kernel.web.proxies import client_address
from app.kernel.web.templates import is_htmx, render, render_fragment
from app.modules.cards.public import CardRef, DeviceCardDep, find_card
from app.modules.customers.public import consent_text, get_customer
from app.modules.portal.forms import FormDep, form_key
from app.modules.portal.pages import PageCardDep, find_card_here, unknown_card
from app.modules.portal.presenting import RefusedText, card_page, refused_text
from app.modules.portal.queries import RedemptionView, find_redemption
from app.modules.rewards.public import RedeemCommand, redeem_reward
from app.modules.staff.public import staff_names
from app.modules.stores.public import StoreView, get_store, list_program_stores
from app.modules.wallets.public import CardReward, card_view
from app.utils.security import new_token

router = APIRouter(include_in_schema=False)

# How long the full screen moves as proof; later it only says when the reward was given.
SHOWN_FOR = timedelta(minutes=10)


@router.get("/card/{pass_id}/redeem/{reward_id}", dependencies=[card_holder("Redeems from one's own card.")])
async def get_redeem(
    request: Request,
    reward_id: UUID,
    card: PageCardDep,
    session: SessionDep,
    clock: ClockDep,
    store: UUID | None = None,
) -> Response:
    """Show the reward and the PIN pad; first the store, where the card works in several."""
    if card is None:
        return unknown_card(request)
    stores = await _open_stores(session, card)
    chosen = next((place for place in stores if place.id == store), stores[0] if len(stores) == 1 else None)
    return await _show(request, session, card, reward_id=reward_id, chosen=chosen, clock=clock)


async def _open_stores(session: AsyncSession, card: CardRef) -> list[StoreView]:
    stores = await list_program_stores(session, card.merchant_id, card.program_id)
    return [store for store in stores if store.closed_at is None]


async def _show(  # noqa: PLR0913 - the page's parts, passed once
    request: Request,
    session: AsyncSession,
    card: CardRef,
    *,
    reward_id: UUID,
    chosen: StoreView | None,
    clock: Clock,
    refused: RefusedText | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    view = await card_view(session, card.merchant_id, card.id, locale=current().language, now=clock.now())
    reward = _reward_of(view.rewards, reward_id)
    context: dict[str, Any] = {
        **card_page(view),
        "reward": reward,
        "store": chosen,
        "stores": await _open_stores(session, card),
        "refused": refused,
        "key": new_token(),
    }
    status = CODES[refused.code].status if refused else 200
    if is_htmx(request) and refused:
        return render_fragment(request, "portal/_redeem.html", context, status_code=status, headers=headers)
    return render(request, "portal/redeem.html", context, status_code=status, headers=headers)


def _reward_of(rewards: tuple[CardReward, ...], reward_id: UUID) -> CardReward:
    for reward in rewards:
        if reward.id == reward_id:
            return reward
    raise NotFound("reward")


@router.post(
    "/rewards/{store_id}/redeem/form", dependencies=[staff_pin("Gives a reward out, by the PIN pad.")]
)
async def post_redeem_form(
    request: Request, store: StoreDep, form: FormDep, session: SessionDep, clock: ClockDep
) -> Response:
    """Give the reward out and show it full-screen, or say why not."""
    view = await get_store(session, store)
    card = await find_card(session, store.merchant_id, form.get("card", "")[:64])
    here = await find_card_here(request, session, store, view)
    if card is None or here is None or card.id != here.id:
        return unknown_card(request)
    command = _command(request, card, form)
    outcome = await redeem_reward(session, store, command, now=clock.now())
    if not isinstance(outcome, Refusal):
        return redirect(request, f"/card/{card.id}/redeemed/{outcome.answer['redemption_id']}")
    refused = refused_text(outcome, now=clock.now(), zone=view.time_zone)
    headers = retry_headers(request, outcome.retry_at)
    return await _show(
        request, session, card, reward_id=command.reward_id, chosen=view, clock=clock, refused=refused,
        headers=headers,
    )  # fmt: skip


def _command(request: Request, card: CardRef, form: Mapping[str, str]) -> RedeemCommand:
    """Return what the form asks for; raises NotFound for a reward id that is none."""
    try:
        reward_id = UUID(form.get("reward_id", ""))
    except ValueError as error:
        raise NotFound("reward") from error
    pin = form.get("staff_pin", "").strip()
    return RedeemCommand(
        str(card.id),
        reward_id,
        address=client_address(request),
        source="customer_phone",
        # A field that cannot hold a PIN is a wrong PIN: it is counted like one.
        staff_pin=pin if pin.isascii() and pin.isdecimal() and 4 <= len(pin) <= 6 else "",
        idempotency_key=form_key(form),
    )


@router.get(
    "/card/{pass_id}/redeemed/{redemption_id}",
    dependencies=[card_holder("Shows a redemption of one's own card.")],
)
async def get_redeemed(
    request: Request, redemption_id: UUID, card: DeviceCardDep, session: SessionDep, clock: ClockDep
) -> Response:
    """Show the redemption full-screen with a moving clock, so that a screenshot is of no use."""
    redemption = await find_redemption(session, card.merchant_id, redemption_id)
    if redemption is None or redemption.pass_id != card.id:
        raise NotFound("redemption")
    context = await _redeemed_context(session, card, redemption, now=clock.now())
    return render(request, "portal/redeemed.html", context)


async def _redeemed_context(
    session: AsyncSession, card: CardRef, redemption: RedemptionView, *, now: datetime
) -> dict[str, Any]:
    view = await card_view(session, card.merchant_id, card.id, locale=current().language, now=now)
    names = await staff_names(session, card.merchant_id, [redemption.staff_id] if redemption.staff_id else [])
    return {
        **card_page(view),
        "redemption": redemption,
        "given_by": names.get(redemption.staff_id) if redemption.staff_id else None,
        "now": now,
        "is_fresh": not redemption.voided and now - redemption.redeemed_at < SHOWN_FOR,
        "customer": await get_customer(session, card.merchant_id, card.customer_id),
        "consent_text": consent_text(current().language),
        "email_title": _("Want your next reward reminder by email?"),
        "values": {},
        "errors": {},
    }
