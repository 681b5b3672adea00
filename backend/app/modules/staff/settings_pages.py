"""The dashboard page of a store's PIN and shift settings."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncSession

from app.dependencies import ClockDep, MerchantDep, SessionDep, StoreRef, member
from app.kernel.i18n import gettext as _
from app.kernel.i18n import ngettext
from app.kernel.web.form_input import FormInput, read_form, whole
from app.kernel.web.forms import redirect
from app.kernel.web.shell import render_member_page
from app.modules.staff import renewal
from app.modules.staff.api import MemberStoreDep
from app.modules.staff.service import StaffSettings
from app.modules.stores.public import get_store

router = APIRouter(prefix="/dashboard/staff", include_in_schema=False)
WEEKS = (0, 4, 8, 12, 26, 52)
NAMES = ("pin_digits", "idle_lock_minutes", "pin_renewal_weeks", "pin_renewal_grace_days")
CONVERT = dict.fromkeys(NAMES, whole)


class SettingsForm(BaseModel):
    """The form of a store's PINs and shifts."""

    model_config = ConfigDict(extra="forbid")
    pin_digits: int = Field(6, ge=4, le=6)
    idle_lock_minutes: int = Field(30, ge=1, le=720)
    pin_renewal_weeks: int = Field(0, ge=0, le=52)
    pin_renewal_grace_days: int = Field(7, ge=1, le=30)

    def to_settings(self) -> StaffSettings:
        """Return the settings; digits other than four are six."""
        digits = 4 if self.pin_digits == 4 else 6
        return StaffSettings.model_validate({**self.model_dump(), "pin_digits": digits})


def _weeks_text(weeks: int) -> str:
    return ngettext("every %(num)d week", "every %(num)d weeks", weeks, num=weeks) if weeks else _("never")


async def _page(
    request: Request, session: AsyncSession, store: StoreRef, form: FormInput[SettingsForm] | None = None
) -> Response:
    view = await get_store(session, store)
    settings = await renewal.find_settings(session, store)
    weeks = sorted({*WEEKS, settings.pin_renewal_weeks})
    context = {
        "page_title": _("PINs and shifts"),
        "page_text": view.name,
        "back_url": f"/dashboard/staff/{store.id}",
        "back_label": _("Staff"),
        "store": view,
        "values": settings.model_dump(include=set(NAMES)) | (form.values if form else {}),
        "errors": form.errors if form else {},
        "weeks": [(str(number), _weeks_text(number)) for number in weeks],
    }
    status = 422 if form and form.errors else 200
    return await render_member_page(request, session, "staff/settings.html", context, status_code=status)


@router.get("/{store_id}/settings", dependencies=[member("staff.edit", api_key=False)])
async def get_settings_page(request: Request, store: MemberStoreDep, session: SessionDep) -> Response:
    """Show how long PINs are, how often they are renewed, and when a shift locks itself."""
    return await _page(request, session, store)


@router.post("/{store_id}/settings", dependencies=[member("staff.edit", api_key=False)])
async def post_settings_page(
    request: Request, store: MemberStoreDep, principal: MerchantDep, session: SessionDep, clock: ClockDep
) -> Response:
    """Keep a store's settings."""
    form = await read_form(request, SettingsForm, convert=CONVERT)
    if form.data is None:
        return await _page(request, session, store, form)
    wanted = form.data.to_settings()
    await renewal.change_settings(session, store, wanted, by=principal, now=clock.now())
    return redirect(request, f"/dashboard/staff/{store.id}/settings", flash=_("Saved."))
