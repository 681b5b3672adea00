"""The dashboard's overview of both wallets."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from fastapi import APIRouter, Request, Response
from sqlalchemy.ext.asyncio import AsyncSession

from app.dependencies import ClockDep, MerchantDep, SessionDep, member
from app.kernel.i18n import gettext as _
from app.kernel.permissions import Principal
from app.kernel.web.shell import render_member_page
from app.modules.merchants.public import get_merchant
from app.modules.wallets.google_wallet.rules import NOTIFICATIONS_MAX
from app.modules.wallets.overview.queries import CardCounts, count_cards, count_notified, count_waiting
from app.modules.wallets.overview.states import apple_state, google_state

router = APIRouter(prefix="/dashboard/wallets", include_in_schema=False)
URL = "/dashboard/wallets"
EDIT = "merchant.edit"


@router.get("", dependencies=[member(EDIT, api_key=False)])
async def get_wallets_page(
    request: Request, principal: MerchantDep, session: SessionDep, clock: ClockDep
) -> Response:
    """Show how both wallets stand."""
    context = await _overview(session, principal, now=clock.now())
    return await render_member_page(request, session, "wallets/overview.html", context)


def _share(counts: CardCounts) -> str:
    """Return how many of the active cards live in a wallet, in percent; few are not none."""
    percent = 100 * counts.either / counts.active if counts.active else 0
    return "<\u00a01\u00a0%" if 0 < percent < 1 else f"{percent:.0f}\u00a0%"


async def _overview(session: AsyncSession, principal: Principal, *, now: datetime) -> dict[str, Any]:
    merchant_id = principal.merchant_id
    merchant = await get_merchant(session, merchant_id)
    counts = await count_cards(session, merchant_id)
    notified = await count_notified(session, merchant_id, budget=NOTIFICATIONS_MAX, now=now)
    return {
        "page_title": _("Wallets"),
        "page_text": _("Your cards in the wallets of your customers’ phones."),
        "time_zone": merchant.time_zone,
        "counts": counts,
        "share": _share(counts),
        "waiting": await count_waiting(session, merchant_id),
        "notified": notified,
        "wallets": [
            await apple_state(session, merchant, counts, now=now),
            await google_state(session, merchant, counts, notified),
        ],
    }
