"""Shops and how much they use."""

from __future__ import annotations

from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Request, Response

from app.kernel.i18n import gettext as _
from app.modules.operators.access import look_of, operator_page, signed_in
from app.modules.operators.looking.shops import USAGE_DAYS, list_shops

router = APIRouter(include_in_schema=False, prefix="/operator")


@router.get("/shops", dependencies=[signed_in()])
async def get_shops(request: Request, q: str = "", after: UUID | None = None) -> Response:
    """Show the shops by name, with counts."""
    look = look_of(request)
    page = await list_shops(look.database, q=q, after=after, now=look.now)
    more = {"q": q, "after": page.next_id}
    context = {
        "page_title": _("Shops"),
        "page_text": _("Counts only. What a shop and its customers wrote stays with the shop."),
        "page": page,
        "q": q,
        "days": USAGE_DAYS,
        "next_url": f"/operator/shops?{urlencode(more)}" if page.next_id else None,
    }
    return operator_page(request, "operators/shops.html", context)
