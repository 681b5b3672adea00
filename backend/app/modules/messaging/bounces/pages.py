"""The dashboard's page about addresses that mail does not reach."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request, Response

from app.dependencies import ClockDep, MerchantDep, SessionDep, member
from app.kernel.i18n import gettext as _
from app.kernel.outcomes import Refusal
from app.kernel.web.forms import redirect
from app.kernel.web.problems import refusal_text
from app.kernel.web.shell import render_member_page
from app.modules.messaging.bounces.service import count_suppressed, lift_suppression

router = APIRouter(include_in_schema=False)
URL = "/dashboard/messages/addresses"


@router.get(URL, dependencies=[member("messages.edit", api_key=False)])
async def get_addresses(request: Request, session: SessionDep, principal: MerchantDep) -> Response:
    """Show how many addresses are kept back, and why."""
    counts = await count_suppressed(session, principal.merchant_id)
    values = {"page_title": _("Addresses without mail"), "counts": counts}
    return await render_member_page(request, session, "messaging/addresses.html", values)


@router.post(f"{URL}/lift", dependencies=[member("messages.edit", api_key=False)])
async def post_lift(
    request: Request,
    session: SessionDep,
    principal: MerchantDep,
    clock: ClockDep,
    address: Annotated[str, Form(min_length=3, max_length=320)],
) -> Response:
    """Write to an address again."""
    refusal = await lift_suppression(session, principal, address=address, now=clock.now())
    if isinstance(refusal, Refusal):
        return redirect(request, URL, flash=refusal_text(refusal), kind="danger")
    return redirect(request, URL, flash=_("Mail goes to this address again."))
