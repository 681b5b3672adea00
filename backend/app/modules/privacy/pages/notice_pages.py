"""The privacy notice that everybody may read before taking a card."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from app.dependencies import ClockDep, SessionDep, StoreDep
from app.kernel.permissions import public
from app.kernel.web.templates import render
from app.modules.merchants.public import get_merchant
from app.modules.privacy.processing.notice import make_notice

router = APIRouter(include_in_schema=False)


@router.get("/privacy/{store_id}", dependencies=[public("The privacy notice of a business.")])
async def get_notice(request: Request, store: StoreDep, session: SessionDep, clock: ClockDep) -> Response:
    """Show who is responsible, and what happens with the data."""
    merchant = await get_merchant(session, store.merchant_id)
    shop = {"name": merchant.name, "logo_url": None, "url": f"/join/{store.id}"}
    context = {**await make_notice(session, merchant, now=clock.now()), "shop": shop}
    return render(request, "privacy/notice.html", context)
