"""The holder's own pages: correcting and deleting what is known, without an account."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response
from sqlalchemy.ext.asyncio import AsyncSession

from app.dependencies import ClockDep, SessionDep
from app.kernel.i18n import LANGUAGES, current
from app.kernel.i18n import gettext as _
from app.kernel.permissions import card_holder
from app.kernel.web.forms import redirect
from app.kernel.web.limits import limiter_of, rate_limit
from app.kernel.web.templates import render
from app.modules.cards.public import CardRef, DeviceCardDep, forget_card
from app.modules.customers.public import CustomerDetails, get_customer
from app.modules.merchants.public import get_merchant
from app.modules.privacy.forms import DetailsForm, read_details
from app.modules.privacy.requests import ask_erasure, correct_details

router = APIRouter(include_in_schema=False)


@router.get("/card/{pass_id}/details", dependencies=[card_holder("What is known about oneself.")])
async def get_details(request: Request, card: DeviceCardDep, session: SessionDep) -> Response:
    """Show what is known, to be corrected."""
    return await _details_page(request, session, card)


@router.post(
    "/card/{pass_id}/details",
    dependencies=[card_holder("Corrects what is known about oneself."), rate_limit("card_link")],
)
async def post_details(
    request: Request, card: DeviceCardDep, session: SessionDep, clock: ClockDep
) -> Response:
    """Keep the corrections; a confirmed address changes once its mailbox has agreed."""
    form = await read_details(request, today=clock.now().date())
    if not isinstance(form.details, CustomerDetails):
        return await _details_page(request, session, card, form=form)
    if form.details.email:
        await limiter_of(request).enforce("mail_address", f"{card.merchant_id}:{form.details.email.lower()}")
    mailed = await correct_details(session, card, wanted=form.details, now=clock.now())
    words = (
        _("Saved. For the email we sent you a link: please look in your mailbox.") if mailed else _("Saved.")
    )
    return redirect(request, f"/card/{card.id}", flash=words)


async def _frame(session: AsyncSession, card: CardRef) -> dict[str, Any]:
    merchant = await get_merchant(session, card.merchant_id)
    shop = {"name": merchant.name, "logo_url": None, "url": f"/card/{card.id}"}
    return {"shop": shop, "card": card, "merchant": merchant}


async def _details_page(
    request: Request, session: AsyncSession, card: CardRef, *, form: DetailsForm | None = None
) -> Response:
    customer = await get_customer(session, card.merchant_id, card.customer_id)
    born = customer.birthday
    known = {
        "name": customer.name,
        "email": customer.email,
        "phone": customer.phone,
        "locale": customer.locale,
        "birthday_day": born.day if born else "",
        "birthday_month": born.month if born else "",
        "birthday_year": (born.year or "") if born else "",
    }
    months = current().locale.months["stand-alone"]["wide"]
    context = {
        **await _frame(session, card),
        "customer": customer,
        "values": {**known, **(form.values if form else {})},
        "errors": form.errors if form else {},
        "months": [(str(month), months[month]) for month in range(1, 13)],
        "tongues": list(LANGUAGES.items()),
    }
    return render(request, "privacy/details.html", context, status_code=422 if form else 200)


@router.get("/card/{pass_id}/delete", dependencies=[card_holder("What deleting one's data means.")])
async def get_delete(request: Request, card: DeviceCardDep, session: SessionDep) -> Response:
    """Say what goes and what stays; nothing is deleted yet."""
    customer = await get_customer(session, card.merchant_id, card.customer_id)
    context = {**await _frame(session, card), "customer": customer, "stage": "ask"}
    return render(request, "privacy/delete.html", context)


@router.post(
    "/card/{pass_id}/delete",
    dependencies=[card_holder("Deletes one's data, or asks one's mailbox first."), rate_limit("card_link")],
)
async def post_delete(
    request: Request, card: DeviceCardDep, session: SessionDep, clock: ClockDep
) -> Response:
    """Delete everything at once where no mailbox was confirmed; else send it the question."""
    frame = await _frame(session, card)
    is_done = await ask_erasure(session, card, now=clock.now())
    context = {**frame, "stage": "done" if is_done else "asked"}
    response = render(request, "privacy/delete.html", context)
    if is_done:
        forget_card(request, response, card.id)
    return response
