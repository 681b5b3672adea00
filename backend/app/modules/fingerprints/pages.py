"""The dashboard page about device fingerprints; open while the feature is on."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from sqlalchemy.ext.asyncio import AsyncSession

from app.dependencies import ClockDep, MerchantDep, SessionDep, member
from app.kernel.i18n import gettext as _
from app.kernel.permissions import Principal
from app.kernel.settings import get_settings
from app.kernel.web.form_input import FormInput, read_form, whole
from app.kernel.web.forms import redirect
from app.kernel.web.shell import render_member_page
from app.modules.fingerprints.service import change_settings, count_kept
from app.modules.fingerprints.settings import FingerprintSettings

router = APIRouter(prefix="/dashboard/fingerprints", include_in_schema=False)
CONVERT = dict.fromkeys(("days_kept", "cards_max"), whole)


async def _page(
    request: Request,
    session: AsyncSession,
    principal: Principal,
    form: FormInput[FingerprintSettings] | None = None,
) -> Response:
    settings = await get_settings(session, FingerprintSettings, merchant_id=principal.merchant_id)
    context = {
        "page_title": _("Device fingerprints"),
        "back_url": "/dashboard/fraud/settings",
        "back_label": _("Rules for unusual visits"),
        "values": {**settings.model_dump(), **(form.values if form else {})},
        "errors": form.errors if form else {},
        "kept": await count_kept(session, principal.merchant_id),
    }
    status = 422 if form and form.errors else 200
    return await render_member_page(
        request, session, "fingerprints/settings.html", context, status_code=status
    )


@router.get("", dependencies=[member("fingerprints.edit", api_key=False)])
async def get_page(request: Request, session: SessionDep, principal: MerchantDep) -> Response:
    """Show how long hashes are kept, and how many there are."""
    return await _page(request, session, principal)


@router.post("", dependencies=[member("fingerprints.edit", api_key=False)])
async def post_page(
    request: Request, session: SessionDep, principal: MerchantDep, clock: ClockDep
) -> Response:
    """Keep the settings."""
    form = await read_form(request, FingerprintSettings, convert=CONVERT)
    if form.data is None:
        return await _page(request, session, principal, form)
    await change_settings(session, principal, form.data, now=clock.now())
    return redirect(request, "/dashboard/fingerprints", flash=_("Saved."))
