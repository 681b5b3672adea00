"""The dashboard's page of the business's settings."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request, Response

from app.dependencies import ClockDep, MerchantDep, SessionDep, member
from app.kernel.errors import Invalid
from app.kernel.i18n import LANGUAGES
from app.kernel.i18n import gettext as _
from app.kernel.web.form_input import FormInput, read_form
from app.kernel.web.forms import redirect
from app.kernel.web.shell import render_member_page
from app.modules.merchants.features import list_features, switch_feature
from app.modules.merchants.presenting import COLOR_DEFAULTS, CURRENCIES, PALETTE_NAMES, SettingsForm
from app.modules.merchants.public import get_merchant, list_time_zones
from app.modules.merchants.service import change_merchant

router = APIRouter(prefix="/dashboard", include_in_schema=False)


async def _settings_page(
    request: Request, session: Any, merchant_id: UUID, form: FormInput[Any] | None = None
) -> Response:
    merchant = await get_merchant(session, merchant_id)
    stored = {
        **{name: getattr(merchant, name) for name in ("name", "locale", "time_zone", "currency")},
        **COLOR_DEFAULTS,
        **merchant.branding,
    }
    stored["palette"] = merchant.branding.get("palette") or (
        "own" if merchant.branding.get("background_color") else "forest"
    )
    context = {
        "page_title": _("Settings"),
        "page_text": _("What your business is called and how it looks."),
        "values": {**stored, **form.values} if form else stored,
        "errors": form.errors if form else {},
        "locales": list(LANGUAGES.items()),
        "time_zones": [(zone, zone.replace("_", " ")) for zone in list_time_zones()],
        "currencies": [(code, code) for code in sorted({*CURRENCIES, merchant.currency})],
        "palettes": [(name, _(title)) for name, title in PALETTE_NAMES],
    }
    status = 422 if form and form.errors else 200
    return await render_member_page(request, session, "merchants/settings.html", context, status_code=status)


@router.get("/settings", dependencies=[member("merchant.edit", api_key=False)])
async def get_settings_page(request: Request, principal: MerchantDep, session: SessionDep) -> Response:
    """Show the business's settings."""
    return await _settings_page(request, session, principal.merchant_id)


@router.post("/settings", dependencies=[member("merchant.edit", api_key=False)])
async def post_settings_page(
    request: Request, principal: MerchantDep, session: SessionDep, clock: ClockDep
) -> Response:
    """Save the business's settings."""
    form = await read_form(request, SettingsForm)
    if form.data is not None:
        try:
            await change_merchant(session, principal, form.data.to_changes(), now=clock.now())
        except Invalid as error:
            form.refuse(error)
    if form.errors:
        return await _settings_page(request, session, principal.merchant_id, form)
    return redirect(request, "/dashboard/settings", flash=_("Settings saved."))


@router.get("/features", dependencies=[member("merchant.edit", api_key=False)])
async def get_features_page(request: Request, principal: MerchantDep, session: SessionDep) -> Response:
    """Show the features with their switches."""
    context = {
        "page_title": _("Features"),
        "page_text": _("Switch on what your shop needs. What you switch off keeps its data."),
        "features": await list_features(session, principal.merchant_id),
    }
    return await render_member_page(request, session, "merchants/features.html", context)


@router.post("/features/{name}", dependencies=[member("merchant.edit", api_key=False)])
async def post_feature(
    request: Request, name: str, principal: MerchantDep, session: SessionDep, clock: ClockDep
) -> Response:
    """Switch a feature on or off."""
    is_on = (await request.form()).get("is_on") == "1"
    await switch_feature(session, principal, name, is_on=is_on, now=clock.now())
    return redirect(request, "/dashboard/features", flash=_("Switched on.") if is_on else _("Switched off."))
