"""The store's QR code: whose card is this, then the PIN pad that staff use on the customer's phone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request, Response
from sqlalchemy.ext.asyncio import AsyncSession

from app.dependencies import ClockDep, SessionDep, StoreDep, StoreRef
from app.kernel.clock import Clock
from app.kernel.errors import CODES
from app.kernel.i18n import current, ngettext
from app.kernel.outcomes import Refusal
from app.kernel.permissions import public, staff_pin
from app.kernel.web.forms import redirect, safe_next
from app.kernel.web.limits import limiter_of
from app.kernel.web.problems import retry_headers
from app.kernel.web.proxies import address_key, client_address
from app.kernel.web.templates import is_htmx, render, render_fragment
from app.modules.cards.public import CardRef, find_card, read_card_token, read_token, remember_card
from app.modules.merchants.public import get_merchant
from app.modules.portal.forms import FormDep
from app.modules.portal.pages import find_card_here
from app.modules.portal.presenting import RefusedText, card_page, store_page
from app.modules.portal.till import (
    TillForm,
    example_amount,
    explain_refusal,
    give_visit,
    given_facts,
    read_till,
    show_tenders,
)
from app.modules.stores.public import StoreView, get_store
from app.modules.visits.public import AwardGranted
from app.modules.wallets.public import card_view
from app.utils.id_generator import format_card_number
from app.utils.security import new_token

router = APIRouter(include_in_schema=False)

# Which page a programme's QR code leads to; a hybrid shop has both.
PATHS = {"stamps": ("stamp",), "points": ("points",), "hybrid": ("points", "stamp")}


@dataclass(frozen=True)
class Till:
    """One request at the till. own: the card is on this device, and its state may be shown."""

    request: Request
    session: AsyncSession
    store: StoreRef
    view: StoreView
    mode: str
    card: CardRef | None = None
    own: bool = False


@router.get("/stamp/{store_id}", dependencies=[public("The store's QR code.")])
async def get_stamp(request: Request, store: StoreDep, session: SessionDep) -> Response:
    """Find the visitor's card and show the PIN pad for stamps."""
    return await _open(Till(request, session, store, await get_store(session, store), "stamp"))


@router.get("/points/{store_id}", dependencies=[public("The store's QR code.")])
async def get_points(request: Request, store: StoreDep, session: SessionDep) -> Response:
    """Find the visitor's card and show the amount and the PIN pad."""
    return await _open(Till(request, session, store, await get_store(session, store), "points"))


@router.post("/stamp/{store_id}/form", dependencies=[staff_pin("Stamps, by the PIN pad.")])
async def post_stamp_form(
    request: Request, store: StoreDep, form: FormDep, session: SessionDep, clock: ClockDep
) -> Response:
    """Give stamps, or say why not."""
    till = Till(request, session, store, await get_store(session, store), "stamp")
    return await _give(till, form, clock=clock)


@router.post("/points/{store_id}/form", dependencies=[staff_pin("Points, by the PIN pad.")])
async def post_points_form(
    request: Request, store: StoreDep, form: FormDep, session: SessionDep, clock: ClockDep
) -> Response:
    """Give points for a purchase (and a stamp in a hybrid shop), or say why not."""
    till = Till(request, session, store, await get_store(session, store), "points")
    return await _give(till, form, clock=clock)


async def _open(till: Till) -> Response:
    paths = PATHS[till.view.loyalty_type]
    if till.mode not in paths:
        here = f"/{paths[0]}/{till.store.id}"
        query = f"?{till.request.url.query}" if till.request.url.query else ""
        # A query that cannot be one of ours is left behind.
        return redirect(till.request, safe_next(here + query, default=here))
    moved = await _exchange(till)
    if moved is not None:
        return moved
    identified = await _identify(till)
    if identified.card is None:
        typed = till.request.query_params.get("card")
        return await _page(identified, "portal/identify.html", {"typed": (typed or "")[:64]})
    return await _page(identified, "portal/till.html", {"form": None, "refused": None})


async def _exchange(till: Till) -> Response | None:
    """Move a signed link's card into the cookie; another merchant's token is no token here."""
    text = till.request.query_params.get("t", "")
    parts = read_token(text)
    if parts is None or parts.merchant_id != till.store.merchant_id:
        return None
    card = await read_card_token(till.session, text)
    if card is None:
        return None
    # By its number: the device's own card stays the first one, and may be another than the link's.
    response = redirect(till.request, f"{till.request.url.path}?card={card.card_number}")
    remember_card(till.request, response, card, behind_own=True)
    return response


async def _identify(till: Till) -> Till:
    """Find the card: the typed number where there is one, else the last used card of this device."""
    here = await find_card_here(till.request, till.session, till.store, till.view)
    typed = till.request.query_params.get("card", "")
    if not typed:
        return Till(till.request, till.session, till.store, till.view, till.mode, here, own=here is not None)
    # Typing numbers is counted, opening the page is not: the shop's Wi-Fi is one address, which a stranger in it
    # could else use up for every customer.
    await limiter_of(till.request).enforce("identify", address_key(client_address(till.request)))
    card = await find_card(till.session, till.store.merchant_id, typed[:64])
    if card is not None and card.program_id != till.view.program.id:
        card = None
    own = card is not None and here is not None and card.id == here.id
    return Till(till.request, till.session, till.store, till.view, till.mode, card, own=own)


async def _give(till: Till, raw: Mapping[str, str], *, clock: Clock) -> Response:
    form = read_till(raw, with_amount=till.mode == "points", currency=till.view.currency)
    here = await find_card_here(till.request, till.session, till.store, till.view)
    card = await find_card(till.session, till.store.merchant_id, form.card)
    own = card is not None and here is not None and here.id == card.id
    till = Till(till.request, till.session, till.store, till.view, till.mode, card, own=own)
    if form.error:
        return await _refuse(till, form, RefusedText("invalid", form.error), headers={})
    outcome = await give_visit(
        till.session, till.store, form, raw=raw, address=client_address(till.request), now=clock.now()
    )
    if isinstance(outcome, Refusal):
        headers = retry_headers(till.request, outcome.retry_at)
        refused = explain_refusal(outcome, till.view, now=clock.now())
        return await _refuse(till, form, refused, headers=headers)
    return await _given(till, outcome, clock=clock)


async def _refuse(
    till: Till, form: TillForm, refused: RefusedText, *, headers: Mapping[str, str]
) -> Response:
    status = CODES[refused.code].status
    template = "portal/_till.html" if is_htmx(till.request) else "portal/till.html"
    context = {"form": form, "refused": refused}
    return await _page(till, template, context, status=status, headers=headers)


async def _given(till: Till, granted: AwardGranted, *, clock: Clock) -> Response:
    facts = given_facts(granted, till.view, now=clock.now())
    if not is_htmx(till.request):
        back = f"/card/{till.card.id}" if till.own and till.card else f"/{till.mode}/{till.store.id}"
        return redirect(till.request, back, flash=given_text(granted.answer))
    context: dict[str, Any] = {**facts, "given_text": given_text(granted.answer)}
    if till.own and till.card is not None:
        shown = await card_view(
            till.session, till.card.merchant_id, till.card.id, locale=current().language, now=clock.now()
        )
        context |= card_page(shown)
    return await _page(till, "portal/_given.html", context)


def given_text(answer: Mapping[str, Any]) -> str:
    """Return "1 stamp and 12 points" with a plus, in the language in effect."""
    number = current().format_number
    stamps, points = int(answer["stamps_added"]), int(answer["points_added"])
    parts = []
    if stamps:
        parts.append(ngettext("+%(number)s stamp", "+%(number)s stamps", stamps, number=number(stamps)))
    if points or not stamps:
        parts.append(ngettext("+%(number)s point", "+%(number)s points", points, number=number(points)))
    return " · ".join(parts)


async def _page(
    till: Till,
    template: str,
    context: Mapping[str, Any],
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> Response:
    merchant = await get_merchant(till.session, till.store.merchant_id)
    values = {
        **store_page(till.view, merchant.name),
        "mode": till.mode,
        "other_modes": [mode for mode in PATHS[till.view.loyalty_type] if mode != till.mode],
        "card": till.card,
        "own": till.own,
        "number": format_card_number(till.card.card_number) if till.card else "",
        "most": till.view.program.stamps_per_visit,
        "currency": till.view.currency,
        "tenders": await show_tenders(
            till.session,
            till.store,
            card=till.card if till.own else None,
            modules_on=merchant.modules_on,
            now=till.request.app.state.clock.now(),
        ),
        "amount_example": example_amount(till.view.currency, "0"),
        "key": new_token(),
        **context,
    }
    answer = render_fragment if template.startswith("portal/_") else render
    return answer(till.request, template, values, status_code=status, headers=headers)
