"""The dashboard pages about a team and its devices. PINs and codes are shown once, in the answer itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from fastapi import APIRouter, Request, Response
from markupsafe import Markup
from sqlalchemy.ext.asyncio import AsyncSession

from app.dependencies import ClockDep, MerchantDep, SessionDep, StoreRef, member
from app.kernel.errors import Conflict
from app.kernel.i18n import current, msg
from app.kernel.i18n import gettext as _
from app.kernel.idempotency import Replay
from app.kernel.permissions import Principal
from app.kernel.web.form_input import FormInput, read_form
from app.kernel.web.forms import redirect
from app.kernel.web.once import Once, answer_once
from app.kernel.web.shell import render_member_page
from app.modules.qr.public import qr_svg
from app.modules.staff import devices, queries, renewal, service
from app.modules.staff import pairing as pairing_cases
from app.modules.staff.api import MemberStoreDep, pairing_url
from app.modules.staff.pairing import Pairing
from app.modules.staff.reach import find_staff_names
from app.modules.staff.rules import ALERT
from app.modules.staff.schemas import DeviceRequest, StaffChange, StaffRequest
from app.modules.staff.service import DrawnPin
from app.modules.stores.public import get_store, list_stores
from app.utils.id_generator import new_id

router = APIRouter(prefix="/dashboard", include_in_schema=False)
ROLE_NAMES = {"cashier": msg("Cashier"), "manager": msg("Manager"), "analyst": msg("Analyst")}
Wish = Literal["draw", "remove"]


@dataclass
class TeamShown:
    """What an action adds to the team page: PINs shown once, or what was wrong in the form."""

    pins: list[DrawnPin] = field(default_factory=list)
    form: FormInput[StaffRequest] | None = None
    error: str = ""


@router.get("/staff", dependencies=[member("staff.view", api_key=False)])
async def get_first_team(request: Request, principal: MerchantDep, session: SessionDep) -> Response:
    """Lead to the team of the first store; the page itself leads to the others."""
    stores = await list_stores(session, principal.merchant_id)
    if not stores:
        return redirect(
            request, "/dashboard/stores", flash=_("Open a store first: staff belong to one."), kind="info"
        )
    return redirect(request, f"/dashboard/staff/{stores[0].id}")


@router.get("/devices", dependencies=[member("staff.view", api_key=False)])
async def get_first_devices(request: Request, principal: MerchantDep, session: SessionDep) -> Response:
    """Lead to the devices of the first store."""
    stores = await list_stores(session, principal.merchant_id)
    if not stores:
        text = _("Open a store first: devices belong to one.")
        return redirect(request, "/dashboard/stores", flash=text, kind="info")
    return redirect(request, f"/dashboard/devices/{stores[0].id}")


async def _store_tabs(session: AsyncSession, store: StoreRef, page: str) -> list[dict[str, Any]]:
    return [
        {"name": row.name, "url": f"/dashboard/{page}/{row.id}", "is_here": row.id == store.id}
        for row in await list_stores(session, store.merchant_id)
        if row.closed_at is None or row.id == store.id
    ]


async def _team_page(
    request: Request, session: AsyncSession, store: StoreRef, *, now: datetime, shown: TeamShown | None = None
) -> Response:
    shown = shown or TeamShown()
    view = await get_store(session, store)
    wrong = await queries.count_wrong_lately(session, store.merchant_id, store.id, now=now)
    form = shown.form
    due = await renewal.list_due(session, store, time_zone=view.time_zone, now=now)
    ends_at = min((row.renewal.ends_at for row in due), default=None)
    context = {
        "page_title": _("Staff"),
        "due": len(due),
        "due_until": current().format_date(ends_at, zone=view.time_zone) if ends_at else "",
        "page_text": view.name,
        "store": view,
        "tabs": await _store_tabs(session, store, "staff"),
        "team": await service.list_members(session, store),
        "roles": [(name, _(title)) for name, title in ROLE_NAMES.items()],
        "role_names": {name: _(title) for name, title in ROLE_NAMES.items()},
        "has_shared_pin": await service.has_shared_pin(session, store),
        "wrong_lately": wrong if wrong >= ALERT.wrong_max else 0,
        "may_edit": request.state.principal.may("staff.edit"),
        "may_switch": request.state.principal.may("stores.edit"),
        "pins": shown.pins,
        "error": shown.error,
        "values": form.values if form and form.errors else {},
        "errors": form.errors if form else {},
        "idempotency_key": new_id(),
    }
    status = 422 if form and form.errors else 200
    return await render_member_page(request, session, "staff/team.html", context, status_code=status)


@router.get("/staff/{store_id}", dependencies=[member("staff.view", api_key=False)])
async def get_team(request: Request, store: MemberStoreDep, session: SessionDep, clock: ClockDep) -> Response:
    """List the team of a store."""
    return await _team_page(request, session, store, now=clock.now())


@router.post("/staff/{store_id}", dependencies=[member("staff.edit", api_key=False)])
async def post_member(
    request: Request, store: MemberStoreDep, principal: MerchantDep, session: SessionDep, clock: ClockDep
) -> Response:
    """Add a person; the form sent twice adds one, and shows the PIN the first time only."""
    form = await read_form(request, StaffRequest)
    shown = TeamShown(form=form)
    if form.data is not None:
        shown = await _add_member(session, store, principal, form, now=clock.now())
    return await _team_page(request, session, store, now=clock.now(), shown=shown)


async def _add_member(
    session: AsyncSession,
    store: StoreRef,
    principal: Principal,
    form: FormInput[StaffRequest],
    *,
    now: datetime,
) -> TeamShown:
    assert form.data is not None
    body, shown = form.data, TeamShown()

    async def work() -> DrawnPin:
        made = await service.create_member(
            session, store, name=body.name, role=body.role, by=principal, now=now
        )
        shown.pins.append(made)
        return made

    once = Once(f"staff_form:{store.id}", form.key, body.model_dump())
    try:
        outcome = await answer_once(
            session, principal, once, work=work, answer=lambda made: {"id": str(made.staff_id)}, now=now
        )
    except Conflict:
        return TeamShown(error=_("This team is full."))
    if isinstance(outcome, Replay):
        return TeamShown(
            error=_("This form was sent already: the PIN was shown then. Draw a new one if it is lost.")
        )
    return shown


@router.post("/staff/{store_id}/members/{staff_id}", dependencies=[member("staff.edit", api_key=False)])
async def post_member_change(
    request: Request,
    store: MemberStoreDep,
    staff_id: UUID,
    principal: MerchantDep,
    session: SessionDep,
    clock: ClockDep,
) -> Response:
    """Rename a member or give another role."""
    form = await read_form(request, StaffChange)
    if form.data is None:
        shown = TeamShown(error=_("A name is needed."))
        return await _team_page(request, session, store, now=clock.now(), shown=shown)
    change = service.MemberChange(form.data.name, form.data.role)
    await service.change_member(session, staff_id, change, by=principal, now=clock.now())
    return redirect(request, f"/dashboard/staff/{store.id}", flash=_("Saved."))


@router.post("/staff/{store_id}/members/{staff_id}/leave", dependencies=[member("staff.edit", api_key=False)])
async def post_leave(
    request: Request,
    store: MemberStoreDep,
    staff_id: UUID,
    principal: MerchantDep,
    session: SessionDep,
    clock: ClockDep,
) -> Response:
    """Let a member go."""
    await service.end_membership(session, staff_id, by=principal, now=clock.now())
    flash = _("Their PINs and shifts have ended.")
    return redirect(request, f"/dashboard/staff/{store.id}", flash=flash)


@router.post("/staff/{store_id}/members/{staff_id}/pin", dependencies=[member("staff.edit", api_key=False)])
async def post_member_pin(
    request: Request,
    store: MemberStoreDep,
    staff_id: UUID,
    principal: MerchantDep,
    session: SessionDep,
    clock: ClockDep,
) -> Response:
    """Draw a member's PIN anew and show it once."""
    drawn = await service.rotate_pin(session, store, staff_id, by=principal, now=clock.now())
    return await _team_page(request, session, store, now=clock.now(), shown=TeamShown([drawn]))


@router.post("/staff/{store_id}/pins", dependencies=[member("staff.edit", api_key=False)])
async def post_all_pins(
    request: Request, store: MemberStoreDep, principal: MerchantDep, session: SessionDep, clock: ClockDep
) -> Response:
    """Draw all PINs of the store anew and show them once."""
    drawn = await service.rotate_all_pins(session, store, by=principal, now=clock.now())
    return await _team_page(request, session, store, now=clock.now(), shown=TeamShown(drawn))


@router.post("/staff/{store_id}/renew", dependencies=[member("staff.edit", api_key=False)])
async def post_renew(
    request: Request, store: MemberStoreDep, principal: MerchantDep, session: SessionDep, clock: ClockDep
) -> Response:
    """Draw the PINs that are due by the schedule, and show them once."""
    zone = (await get_store(session, store)).time_zone
    drawn = await renewal.renew_due_pins(session, store, time_zone=zone, by=principal, now=clock.now())
    error = "" if drawn else _("No PIN is due at the moment.")
    return await _team_page(request, session, store, now=clock.now(), shown=TeamShown(drawn, error=error))


@router.post("/staff/{store_id}/shared-pin/{wish}", dependencies=[member("staff.edit", api_key=False)])
async def post_shared_pin(
    request: Request,
    store: MemberStoreDep,
    wish: Wish,
    principal: MerchantDep,
    session: SessionDep,
    clock: ClockDep,
) -> Response:
    """Draw the shared PIN, or take it away."""
    now = clock.now()
    if wish == "remove":
        await service.remove_shared_pin(session, store, by=principal, now=now)
        return redirect(request, f"/dashboard/staff/{store.id}", flash=_("The shop PIN has ended."))
    drawn = await service.rotate_shared_pin(session, store, by=principal, now=now)
    return await _team_page(request, session, store, now=now, shown=TeamShown([drawn]))


async def _devices_page(
    request: Request,
    session: AsyncSession,
    store: StoreRef,
    *,
    pairing: Pairing | None = None,
    form: FormInput[DeviceRequest] | None = None,
    error: str = "",
) -> Response:
    view = await get_store(session, store)
    rows = await pairing_cases.list_devices(session, store.merchant_id, store_id=store.id)
    names = await find_staff_names(
        session, store.merchant_id, [row.shift_staff_id for row in rows if row.shift_staff_id]
    )
    url = pairing_url(session, pairing.token) if pairing else ""
    words = current()
    context = {
        "page_title": _("Devices"),
        "page_text": view.name,
        "store": view,
        "tabs": await _store_tabs(session, store, "devices"),
        "devices": [
            {
                "row": row,
                "shift": names.get(row.shift_staff_id, "") if row.shift_staff_id else "",
                "seen": words.format_datetime(row.last_seen_at, zone=view.time_zone)
                if row.last_seen_at
                else "",
            }
            for row in rows
        ],
        "may_edit": request.state.principal.may("devices.edit"),
        "pairing": pairing,
        "pairing_url": url,
        "staff_address": pairing_url(session, "").partition("/pair")[0],
        "pairing_qr": Markup(qr_svg(url)) if url else "",  # noqa: S704 - drawn by us, attributes only
        "pairing_until": words.format_time(pairing.expires_at, zone=view.time_zone) if pairing else "",
        "error": error,
        "errors": form.errors if form else {},
        "idempotency_key": new_id(),
    }
    status = 422 if form and form.errors else 200
    return await render_member_page(request, session, "staff/devices.html", context, status_code=status)


@router.get("/devices/{store_id}", dependencies=[member("staff.view", api_key=False)])
async def get_devices_page(request: Request, store: MemberStoreDep, session: SessionDep) -> Response:
    """List the devices of a store."""
    return await _devices_page(request, session, store)


@router.post("/devices/{store_id}", dependencies=[member("devices.edit", api_key=False)])
async def post_device_form(
    request: Request, store: MemberStoreDep, principal: MerchantDep, session: SessionDep, clock: ClockDep
) -> Response:
    """Add a device and show its pairing code once; the form sent twice adds one."""
    form = await read_form(request, DeviceRequest)
    if form.data is None:
        return await _devices_page(request, session, store, form=form)
    pairing = await _add_device(session, store, principal, form, now=clock.now())
    error = (
        "" if pairing else _("This form was sent already. Make a new code below if the first one is lost.")
    )
    return await _devices_page(request, session, store, pairing=pairing, error=error)


async def _add_device(
    session: AsyncSession,
    store: StoreRef,
    principal: Principal,
    form: FormInput[DeviceRequest],
    *,
    now: datetime,
) -> Pairing | None:
    """Add the device of a form, and return its pairing; None where the form was sent before."""
    assert form.data is not None
    name, made = form.data.name, list[Pairing]()

    async def work() -> Pairing:
        made.append(await pairing_cases.create_device(session, store, name=name, by=principal, now=now))
        return made[0]

    once = Once(f"device_form:{store.id}", form.key, form.data.model_dump())
    await answer_once(
        session, principal, once, work=work, answer=lambda one: {"id": str(one.device_id)}, now=now
    )
    return made[0] if made else None


@router.post("/devices/{device_id}/pairing", dependencies=[member("devices.edit", api_key=False)])
async def post_pairing_form(
    request: Request, device_id: UUID, principal: MerchantDep, session: SessionDep, clock: ClockDep
) -> Response:
    """Make a new pairing code and show it once."""
    pairing = await pairing_cases.renew_pairing_code(session, device_id, by=principal, now=clock.now())
    device = await devices.get_device(session, principal.merchant_id, device_id)
    return await _devices_page(
        request, session, StoreRef(principal.merchant_id, device.store_id), pairing=pairing
    )


@router.post("/devices/{device_id}/revoke", dependencies=[member("devices.edit", api_key=False)])
async def post_revoke(
    request: Request, device_id: UUID, principal: MerchantDep, session: SessionDep, clock: ClockDep
) -> Response:
    """Shut a device out."""
    device = await devices.get_device(session, principal.merchant_id, device_id)
    await pairing_cases.revoke_device(session, device_id, by=principal, now=clock.now())
    return redirect(request, f"/dashboard/devices/{device.store_id}", flash=_("The device is shut out."))
