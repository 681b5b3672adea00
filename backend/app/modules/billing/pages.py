"""The dashboard's page of the plan and what is used of it."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from app.dependencies import ClockDep, MerchantDep, SessionDep, member
from app.kernel.i18n import gettext as _
from app.kernel.web.shell import render_member_page
from app.modules.billing.queries import read_usage
from app.modules.merchants.public import get_merchant

router = APIRouter(prefix="/dashboard/usage", include_in_schema=False)


@router.get("", dependencies=[member("billing.view", api_key=False)])
async def get_usage_page(
    request: Request, principal: MerchantDep, session: SessionDep, clock: ClockDep
) -> Response:
    """Show what is used this month, the limits, and the months before."""
    merchant = await get_merchant(session, principal.merchant_id)
    context = {
        "page_title": _("Plan and usage"),
        "page_text": _("What your business uses, month by month. It is counted every hour."),
        "usage": await read_usage(session, principal.merchant_id, now=clock.now()),
        "time_zone": merchant.time_zone,
    }
    return await render_member_page(request, session, "billing/usage.html", context)
