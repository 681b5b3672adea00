"""What links in mails lead to: preferences, the one-click unsubscribe, and confirming a request."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response
from sqlalchemy.ext.asyncio import AsyncSession

from app.dependencies import ClockDep, SessionDep
from app.kernel.i18n import gettext as _
from app.kernel.outcomes import Refusal
from app.kernel.permissions import signed_link
from app.kernel.web.csrf import csrf_exempt
from app.kernel.web.forms import redirect
from app.kernel.web.limits import rate_limit
from app.kernel.web.problems import refusal_text
from app.kernel.web.templates import render
from app.modules.customers.public import CustomerView, consent_text, list_opt_outs
from app.modules.merchants.public import get_merchant
from app.modules.privacy.requests import confirm_request, find_request
from app.modules.privacy.unsubscribing import find_subscriber, offered_pairs, save_preferences, unsubscribe

router = APIRouter(include_in_schema=False)


def _unusable(request: Request) -> Response:
    context = {"status": 422, "code": "link_unusable", "title": refusal_text(Refusal("link_unusable"))}
    return render(request, "error.html", context, status_code=422)


@router.get(
    "/mail/preferences/{token}",
    dependencies=[signed_link("What a customer wants to hear."), rate_limit("open_link")],
)
async def get_preferences(request: Request, token: str, session: SessionDep) -> Response:
    """Show what is wanted, by purpose and channel; programmes that read mails open it and change nothing."""
    customer = await find_subscriber(session, token)
    if customer is None:
        return _unusable(request)
    return render(request, "privacy/preferences.html", await _preferences(session, customer, token))


async def _preferences(session: AsyncSession, customer: CustomerView, token: str) -> dict[str, Any]:
    merchant = await get_merchant(session, customer.merchant_id)
    unwanted = await list_opt_outs(session, merchant.id, customer.id)
    off = {"email"} if not customer.email_consent else set()
    return {
        "shop": {"name": merchant.name, "logo_url": None, "url": "#content"},
        "token": token,
        "customer": customer,
        "consent_text": consent_text(customer.locale),
        "wanted": {f"{p}:{c}" for p, c in offered_pairs() if (p, c) not in unwanted and c not in off},
        "action": f"/mail/preferences/{token}",
    }


@router.post(
    "/mail/preferences/{token}",
    dependencies=[signed_link("Keeps what a customer wants to hear."), rate_limit("open_link")],
)
async def post_preferences(request: Request, token: str, session: SessionDep, clock: ClockDep) -> Response:
    """Keep the choices."""
    form = await request.form()
    pairs = offered_pairs()
    wanted = frozenset(pair for pair in pairs if form.get(f"{pair[0]}:{pair[1]}") == "true")
    consent = form.get("consent") == "true"
    customer = await save_preferences(session, token, wanted=wanted, consent=consent, now=clock.now())
    if customer is None:
        return _unusable(request)
    return redirect(request, f"/mail/preferences/{token}", flash=_("Saved. It counts from now on."))


@router.post(
    "/mail/preferences/{token}/stop",
    dependencies=[signed_link("Ends all reminders and promotions by mail."), rate_limit("open_link")],
)
async def post_stop(request: Request, token: str, session: SessionDep, clock: ClockDep) -> Response:
    """Take the consent back: the one button of the page."""
    customer = await unsubscribe(session, token, source="unsubscribe_link", now=clock.now())
    if customer is None:
        return _unusable(request)
    return redirect(request, f"/mail/preferences/{token}", flash=_("We will not write any more."))


@router.post(
    "/mail/preferences/{token}/one-click",
    dependencies=[signed_link("The one-click unsubscribe of mail programmes (RFC 8058).")],
)
@csrf_exempt
async def post_one_click(token: str, session: SessionDep, clock: ClockDep) -> Response:
    """Take the consent back for a mail programme, which brings no cookie and reads no page (RFC 8058)."""
    customer = await unsubscribe(session, token, source="one_click", now=clock.now())
    return Response(status_code=200 if customer else 422)


@router.get(
    "/privacy/confirm/{token}",
    dependencies=[signed_link("A request about one's data, from the mailbox."), rate_limit("open_link")],
)
async def get_confirm(request: Request, token: str, session: SessionDep, clock: ClockDep) -> Response:
    """Show what was asked for; the button behind it does it."""
    wish = await find_request(session, token, now=clock.now())
    if wish is None:
        return _unusable(request)
    merchant = await get_merchant(session, wish.merchant_id)
    shop = {"name": merchant.name, "logo_url": None, "url": "#content"}
    return render(
        request, "privacy/confirm.html", {"shop": shop, "wish": wish, "token": token, "done": False}
    )


@router.post(
    "/privacy/confirm/{token}",
    dependencies=[signed_link("Does what the request asks for, once."), rate_limit("open_link")],
)
async def post_confirm(request: Request, token: str, session: SessionDep, clock: ClockDep) -> Response:
    """Delete everything, or change the address."""
    wish = await confirm_request(session, token, now=clock.now())
    if isinstance(wish, Refusal):
        return _unusable(request)
    merchant = await get_merchant(session, wish.merchant_id)
    shop = {"name": merchant.name, "logo_url": None, "url": "#content"}
    return render(request, "privacy/confirm.html", {"shop": shop, "wish": wish, "token": token, "done": True})
