"""Links from mailboxes, and asking for one."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from app.dependencies import ClockDep, SessionDep, StoreDep
from app.kernel.i18n import current
from app.kernel.i18n import gettext as _
from app.kernel.outcomes import Refusal
from app.kernel.permissions import public, signed_link
from app.kernel.web.forms import redirect
from app.kernel.web.limits import limiter_of, rate_limit
from app.kernel.web.problems import refusal_text
from app.kernel.web.templates import render
from app.modules.cards.public import (
    consume_card_link,
    cookie_tokens,
    find_card_link,
    remember_card,
    send_my_card,
)
from app.modules.merchants.public import get_merchant
from app.modules.portal.forms import FormDep, FormErrors, is_ticked, read_email
from app.modules.portal.pages import card_key
from app.modules.portal.presenting import store_page
from app.modules.stores.public import get_store

router = APIRouter(include_in_schema=False)


@router.get("/card/link/{token}", dependencies=[signed_link("The link in a mail."), rate_limit("open_link")])
async def get_link(request: Request, token: str, session: SessionDep, clock: ClockDep) -> Response:
    """Show what the link would do; programmes that read mails open it and change nothing."""
    link = await find_card_link(session, token, now=clock.now())
    if link is None:
        return _unusable(request)
    merchant = await get_merchant(session, link.merchant_id)
    made_here = any(card_key(text) in {link.pass_id, link.merge_from} for text in cookie_tokens(request))
    context = {
        "token": token,
        "link": link,
        "shop": {"name": merchant.name, "logo_url": None, "url": "#content"},
        "made_here": made_here,
    }
    return render(request, "portal/link.html", context)


@router.post(
    "/card/link/{token}", dependencies=[signed_link("The button behind it."), rate_limit("open_link")]
)
async def post_link(
    request: Request, token: str, form: FormDep, session: SessionDep, clock: ClockDep
) -> Response:
    """Use the link up: the card opens on this device."""
    elsewhere = is_ticked(form, "close_elsewhere")
    card = await consume_card_link(
        session, token, now=clock.now(), close_elsewhere=elsewhere, wants_mails=form.get("mails") != "no"
    )
    if isinstance(card, Refusal):
        return _unusable(request)
    response = redirect(request, f"/card/{card.id}", flash=_("Here is your card."))
    remember_card(request, response, card)
    return response


def _unusable(request: Request) -> Response:
    # Whoever taps the link in the mail again has the card on this device already, as a rule.
    context = {
        "status": 422,
        "code": "link_unusable",
        "title": refusal_text(Refusal("link_unusable")),
        "text": _(
            "Each link works once. If you used it on this device, your card is here; else ask for a new link."
        ),
        "action_label": _("My cards"),
        "action_url": "/cards",
    }
    return render(request, "error.html", context, status_code=422)


@router.get("/find/{store_id}", dependencies=[public("Asks for the link to one's card.")])
async def get_find(request: Request, store: StoreDep, session: SessionDep) -> Response:
    """Ask for the address that the card was made with."""
    view = await get_store(session, store)
    merchant = await get_merchant(session, store.merchant_id)
    context = {**store_page(view, merchant.name), "values": {}, "errors": {}, "sent": False}
    return render(request, "portal/find.html", context)


@router.post(
    "/find/{store_id}", dependencies=[public("Sends the link to the mailbox."), rate_limit("card_link")]
)
async def post_find(
    request: Request, store: StoreDep, form: FormDep, session: SessionDep, clock: ClockDep
) -> Response:
    """Write to the address; the answer is the same whether or not it has a card."""
    view = await get_store(session, store)
    merchant = await get_merchant(session, store.merchant_id)
    offer = read_email(form, source="find_page")
    context = {**store_page(view, merchant.name), "values": form, "errors": {}, "sent": True}
    if isinstance(offer, FormErrors):
        mistakes = {"errors": offer.errors, "sent": False}
        return render(request, "portal/find.html", {**context, **mistakes}, status_code=422)
    await limiter_of(request).enforce("mail_address", f"{store.merchant_id}:{offer.email.lower()}")
    await send_my_card(session, view, email=offer.email, locale=current().language, now=clock.now())
    return render(request, "portal/find.html", context)
