"""The dashboard's page of who changed what."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter, Request, Response

from app.dependencies import MerchantDep, SessionDep, member
from app.kernel.i18n import gettext as _
from app.kernel.web.shell import render_member_page
from app.modules.accounts.changes.presenting import audit_rows
from app.modules.accounts.changes.queries import list_audit
from app.modules.accounts.keys.service import list_api_keys
from app.modules.merchants.public import get_merchant

router = APIRouter(prefix="/dashboard", include_in_schema=False)


@router.get("/audit", dependencies=[member("audit.view", api_key=False)])
async def get_audit_page(
    request: Request, principal: MerchantDep, session: SessionDep, before: UUID | None = None
) -> Response:
    """Show who changed what, newest first."""
    page = await list_audit(session, principal.merchant_id, before=before)
    merchant = await get_merchant(session, principal.merchant_id)
    keys = {key.id: key.name for key in await list_api_keys(session, principal.merchant_id)}
    context = {
        "page_title": _("Changes"),
        "page_text": _("Who changed what, and when. Nobody can edit this list."),
        "rows": audit_rows(page.entries, viewer_id=principal.id, key_names=keys),
        "time_zone": merchant.time_zone,
        "next_url": f"/dashboard/audit?before={page.next_before}" if page.next_before else None,
        "first_url": "/dashboard/audit" if before else None,
    }
    return await render_member_page(request, session, "accounts/audit.html", context)
