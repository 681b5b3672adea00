"""Joining: one screen, nothing required, and then the card itself."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from fastapi import APIRouter, Request, Response
from sqlalchemy.ext.asyncio import AsyncSession

from app.dependencies import ClockDep, SessionDep, StoreDep
from app.kernel.errors import AppError, NotFound
from app.kernel.i18n import current
from app.kernel.metering import find_refusal
from app.kernel.outcomes import Refusal
from app.kernel.permissions import public
from app.kernel.web.forms import redirect
from app.kernel.web.limits import rate_limit
from app.kernel.web.templates import render
from app.modules.cards.public import CardRef, create_card_once, remember_card
from app.modules.customers.public import CustomerDetails, consent_text
from app.modules.merchants.public import get_merchant
from app.modules.portal.forms import FormDep, FormErrors, form_key, read_join
from app.modules.portal.pages import find_card_here
from app.modules.portal.presenting import (
    points_to_go,
    stamps_to_go,
    store_page,
    store_picture,
    store_texts,
)
from app.modules.rewards.public import list_rewards
from app.modules.stores.public import StoreView, get_store
from app.utils.security import new_token

router = APIRouter(include_in_schema=False)


@router.get("/join/{store_id}", dependencies=[public("The way to a card.")])
async def get_join(request: Request, store: StoreDep, session: SessionDep) -> Response:
    """Show the form; a device that has a card of the programme is led to it."""
    view = await get_store(session, store)
    if "new" not in request.query_params:
        card = await find_card_here(request, session, store, view)
        if card is not None:
            return redirect(request, f"/card/{card.id}")
    return await _show(request, session, view)


@router.post("/join/{store_id}", dependencies=[public("Anybody may take a card."), rate_limit("join")])
async def post_join(
    request: Request, store: StoreDep, form: FormDep, session: SessionDep, clock: ClockDep
) -> Response:
    """Make the card and show it; a mistake comes back beside its field."""
    view = await get_store(session, store)
    details = read_join(form, locale=current().language, today=clock.now().date())
    if isinstance(details, FormErrors):
        return await _show(request, session, view, mistakes=details)
    card = await _create(session, view, details, key=form_key(form), now=clock.now())
    response = redirect(request, f"/card/{card.id}")
    remember_card(request, response, card)
    return response


async def _create(
    session: AsyncSession, store: StoreView, details: CustomerDetails, *, key: str | None, now: datetime
) -> CardRef:
    repeat = ("form", key) if key else None
    made = await create_card_once(session, store, details, source="join_page", repeat=repeat, now=now)
    # The form went back in the browser and came again with other details: that is a new card.
    if isinstance(made, Refusal):
        made = await create_card_once(session, store, details, source="join_page", repeat=None, now=now)
    assert not isinstance(made, Refusal)
    return made.card


async def _show(
    request: Request, session: AsyncSession, store: StoreView, *, mistakes: FormErrors | None = None
) -> Response:
    if store.closed_at is not None:
        raise NotFound("store")
    now = request.app.state.clock.now()
    if refused := await find_refusal(session, store.merchant_id, "cards", takes=False, now=now):
        raise AppError(code=refused.code)
    merchant = await get_merchant(session, store.merchant_id)
    reward, needed = await _first_reward(session, store)
    values: Mapping[str, str] = mistakes.values if mistakes else {}
    context: dict[str, Any] = {
        **store_page(store, merchant.name),
        **store_texts(store, merchant.locale),
        "picture": store_picture(store, merchant.name, reward=reward, needed=needed, locale=merchant.locale),
        "reward": reward,
        "values": values,
        "errors": mistakes.errors if mistakes else {},
        "consent_text": consent_text(current().language),
        "key": new_token(),
        "months": [(str(m), current().locale.months["stand-alone"]["wide"][m]) for m in range(1, 13)],
    }
    return render(request, "portal/join.html", context, status_code=422 if mistakes else 200)


async def _first_reward(session: AsyncSession, store: StoreView) -> tuple[str, str]:
    """Return the nearest reward of a fresh card, and what it takes."""
    rewards = await list_rewards(session, store.merchant_id, store.program.id)
    active = sorted((r for r in rewards if r.active), key=lambda r: (r.kind != "stamps", r.threshold))
    if not active:
        return "", ""
    first = active[0]
    words = stamps_to_go if first.kind == "stamps" else points_to_go
    return first.title, words(first.threshold)
