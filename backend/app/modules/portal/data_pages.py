"""What holders do with their own data: the address, the consent, the download, the devices."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response
from sqlalchemy.ext.asyncio import AsyncSession

from app.dependencies import ClockDep, SessionDep
from app.kernel.i18n import current
from app.kernel.i18n import gettext as _
from app.kernel.permissions import card_holder
from app.kernel.points import PERSONAL_DATA
from app.kernel.web.forms import redirect
from app.kernel.web.limits import limiter_of, rate_limit
from app.kernel.web.present import json_response
from app.kernel.web.templates import is_htmx, render_fragment
from app.modules.cards.public import (
    CardRef,
    DeviceCardDep,
    add_email,
    forget_card,
    remember_card,
    resend_confirmation,
    revoke_card_links,
)
from app.modules.customers.public import consent_text, get_customer, record_consent
from app.modules.portal.card_pages import card_path
from app.modules.portal.forms import FormDep, FormErrors, is_ticked, read_email

router = APIRouter(include_in_schema=False)


@router.post(
    "/card/{pass_id}/email",
    dependencies=[card_holder("Adds an address to one's own card."), rate_limit("card_link")],
)
async def post_email(
    request: Request, card: DeviceCardDep, form: FormDep, session: SessionDep, clock: ClockDep
) -> Response:
    """Take the address and write to it; it counts once the mailbox has answered."""
    offer = read_email(form, source="card_page")
    if isinstance(offer, FormErrors):
        return await _email_answer(request, session, card, mistakes=offer)
    await limiter_of(request).enforce("mail_address", f"{card.merchant_id}:{offer.email.lower()}")
    await add_email(session, card, offer=offer, now=clock.now())
    return await _email_answer(request, session, card)


@router.post(
    "/card/{pass_id}/email/again",
    dependencies=[card_holder("Sends the link to one's own address again."), rate_limit("card_link")],
)
async def post_email_again(
    request: Request, card: DeviceCardDep, session: SessionDep, clock: ClockDep
) -> Response:
    """Send the confirmation once more."""
    await limiter_of(request).enforce("mail_address", f"{card.merchant_id}:{card.customer_id}")
    await resend_confirmation(session, card, now=clock.now())
    return await _email_answer(request, session, card)


async def _email_answer(
    request: Request, session: AsyncSession, card: CardRef, *, mistakes: FormErrors | None = None
) -> Response:
    """Answer with the banner for htmx; a plain form goes back to the card with the words on top."""
    sent = _("We sent you a link. Please look in your mailbox.")
    if not is_htmx(request):
        text, kind = (next(iter(mistakes.errors.values())), "danger") if mistakes else (sent, "ok")
        return redirect(request, card_path(card.id), flash=text, kind=kind)
    context: dict[str, Any] = {
        "view": {"pass_id": card.id},
        "customer": await get_customer(session, card.merchant_id, card.customer_id),
        "consent_text": consent_text(current().language),
        "values": mistakes.values if mistakes else {},
        "errors": mistakes.errors if mistakes else {},
    }
    return render_fragment(request, "portal/_email.html", context, status_code=422 if mistakes else 200)


@router.post("/card/{pass_id}/consent", dependencies=[card_holder("Gives or takes back one's own consent.")])
async def post_consent(
    request: Request, card: DeviceCardDep, form: FormDep, session: SessionDep, clock: ClockDep
) -> Response:
    """Record the consent, or its end."""
    given = is_ticked(form, "given")
    changed = await record_consent(
        session, card.merchant_id, card.customer_id, given=given, source="card_page", now=clock.now()
    )
    words = _("We will not write any more.")
    if given:
        words = _("Thank you. Please look in your mailbox: the link there confirms it.")
        if changed:
            await resend_confirmation(session, card, now=clock.now())
    return redirect(request, card_path(card.id), flash=words)


@router.get("/card/{pass_id}/data.json", dependencies=[card_holder("Downloads one's own data.")])
async def get_data(card: DeviceCardDep, session: SessionDep) -> Response:
    """Return everything any module knows about the holder, as one file."""
    everything: dict[str, Any] = {}
    for name, handler in PERSONAL_DATA.items():
        everything[name] = await handler.export(session, card.merchant_id, card.customer_id)
    headers = {"content-disposition": 'attachment; filename="my-card.json"'}
    return json_response(everything, headers=headers)


@router.post(
    "/card/{pass_id}/sign-out-others", dependencies=[card_holder("Ends every other copy of one's card.")]
)
async def post_sign_out_others(
    request: Request, card: DeviceCardDep, session: SessionDep, clock: ClockDep
) -> Response:
    """End every link and cookie of the card besides this device's."""
    fresh = await revoke_card_links(session, card.merchant_id, card.id, now=clock.now())
    response = redirect(request, card_path(card.id), flash=_("The card is open on this device only."))
    remember_card(request, response, fresh)
    return response


@router.post("/card/{pass_id}/forget", dependencies=[card_holder("Removes one's card from this device.")])
async def post_forget(request: Request, card: DeviceCardDep) -> Response:
    """Drop the card from this device's cookie; the card itself stays."""
    response = redirect(request, "/cards", flash=_("The card is no longer on this device."))
    forget_card(request, response, card.id)
    return response
