"""The dashboard's pages about stores and their programmes."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from fastapi import APIRouter, Request, Response

from app.dependencies import ClockDep, MerchantDep, SessionDep, member
from app.kernel.errors import Invalid
from app.kernel.i18n import gettext as _
from app.kernel.idempotency import Replay
from app.kernel.outcomes import Refusal
from app.kernel.permissions import Principal
from app.kernel.points import STORE_SETTINGS, PageContext
from app.kernel.web.form_input import FormInput, read_form
from app.kernel.web.forms import redirect
from app.kernel.web.once import Once, answer_once
from app.kernel.web.shell import render_member_page, render_panels
from app.modules.merchants.public import list_time_zones
from app.modules.stores.presenting import (
    DAY_NAMES,
    PROGRAM_CONVERT,
    TYPE_NAMES,
    NewStoreForm,
    ProgramForm,
    StoreForm,
    card_preview,
    program_values,
    store_values,
    summary,
    theme_url,
)
from app.modules.stores.public import StoreView, get_store, list_stores
from app.modules.stores.service import change_program, change_store, count_sharing_stores, create_store
from app.utils.id_generator import new_id

router = APIRouter(prefix="/dashboard/stores", include_in_schema=False)
LIST_URL = "/dashboard/stores"
OnOff = Literal["on", "off"]
CloseOpen = Literal["close", "open"]


def store_url(store_id: UUID) -> str:
    """Return the address of a store's page."""
    return f"{LIST_URL}/{store_id}"


@router.get("", dependencies=[member("stores.view", api_key=False)])
async def get_stores_page(request: Request, principal: MerchantDep, session: SessionDep) -> Response:
    """List the stores."""
    stores = await list_stores(session, principal.merchant_id)
    context = {
        "page_title": _("Stores"),
        "stores": stores,
        "type_names": {name: _(title) for name, title in TYPE_NAMES.items()},
        "may_edit": principal.may("stores.edit"),
    }
    return await render_member_page(request, session, "stores/list.html", context)


async def _new_page(
    request: Request, session: Any, merchant_id: UUID, form: FormInput[NewStoreForm] | None = None
) -> Response:
    programs = {store.program.id: store for store in await list_stores(session, merchant_id)}
    context = {
        "page_title": _("New store"),
        "back_url": LIST_URL,
        "back_label": _("Stores"),
        "values": form.values if form else {"loyalty_type": "stamps"},
        "errors": form.errors if form else {},
        "programs": [(str(key), store.program.name) for key, store in programs.items()],
        "idempotency_key": new_id(),
    }
    status = 422 if form and form.errors else 200
    return await render_member_page(request, session, "stores/new.html", context, status_code=status)


@router.get("/new", dependencies=[member("stores.edit", api_key=False)])
async def get_new_store_page(request: Request, principal: MerchantDep, session: SessionDep) -> Response:
    """Show the form of a new store."""
    return await _new_page(request, session, principal.merchant_id)


@router.post("/new", dependencies=[member("stores.edit", api_key=False)])
async def post_new_store_page(
    request: Request, principal: MerchantDep, session: SessionDep, clock: ClockDep
) -> Response:
    """Open a store; the form sent twice opens one."""
    form = await read_form(request, NewStoreForm)
    made = await _open_store(session, principal, form, now=clock.now())
    if made is None:
        return await _new_page(request, session, principal.merchant_id, form)
    return redirect(request, store_url(made), flash=_("Your store is open."))


async def _open_store(
    session: Any, principal: Any, form: FormInput[NewStoreForm], *, now: Any
) -> UUID | None:
    if form.data is None:
        return None
    new = form.data.to_new()
    try:
        outcome = await answer_once(
            session,
            principal,
            Once("stores.create_form", form.key, form.data.model_dump(mode="json")),
            work=lambda: create_store(session, principal, new, now=now),
            answer=lambda store: {"id": str(store.id)},
            now=now,
        )
    except Invalid as error:
        form.refuse(error)
        return None
    if isinstance(outcome, Refusal):
        form.errors["name"] = _("This form was sent before with other values. Please load the page again.")
        return None
    return UUID((outcome.answer if isinstance(outcome, Replay) else outcome)["id"])


@router.get("/{store_id}", dependencies=[member("stores.view", api_key=False)])
async def get_store_page(
    request: Request, store_id: UUID, principal: MerchantDep, session: SessionDep, clock: ClockDep
) -> Response:
    """Show a store: its addresses, its programme, and what modules contribute."""
    store = await get_store(session, principal.merchant_id, store_id)
    context = {
        **_store_frame(store, title=store.name, back=LIST_URL, back_label=_("Stores")),
        "panels": await _panels(request, session, principal, store_id=store_id, now=clock.now()),
        "summary": summary(store),
        "view": card_preview(store, business_of(request)),
        "sharing": await count_sharing_stores(session, store),
        "may_edit": principal.may("stores.edit"),
        "may_change_rules": principal.may("programme.edit"),
    }
    return await render_member_page(request, session, "stores/store.html", context)


async def _panels(
    request: Request, session: Any, principal: Principal, *, store_id: UUID, now: datetime
) -> list[dict[str, Any]]:
    """Return what other modules show on a store's page, rendered from their own templates."""
    modules_on = frozenset(principal.extra.get("modules_on", ()))
    page = PageContext(session, principal, now, modules_on, subject_id=store_id)
    return render_panels(request, await STORE_SETTINGS.gather(page))


def business_of(request: Request) -> str:
    """Return what the merchant is called, as whoever recognised the member noted it."""
    return str(request.state.principal.extra.get("merchant_name") or "")


def _store_frame(store: StoreView, *, title: str, back: str, back_label: str) -> dict[str, Any]:
    return {
        "store": store,
        "theme_url": theme_url(store.program),
        "type_name": _(TYPE_NAMES[store.loyalty_type]),
        "page_title": title,
        "back_url": back,
        "back_label": back_label,
    }


async def _program_page(
    request: Request, session: Any, store: StoreView, form: FormInput[ProgramForm] | None = None
) -> Response:
    values = program_values(store.program)
    context = {
        **_store_frame(store, title=_("Programme"), back=store_url(store.id), back_label=store.name),
        "values": {**values, **form.values} if form else values,
        "errors": form.errors if form else {},
        "sharing": await count_sharing_stores(session, store),
        "view": card_preview(store, business_of(request)),
    }
    status = 422 if form and form.errors else 200
    return await render_member_page(request, session, "stores/programme.html", context, status_code=status)


@router.get("/{store_id}/programme", dependencies=[member("programme.edit", api_key=False)])
async def get_programme_page(
    request: Request, store_id: UUID, principal: MerchantDep, session: SessionDep
) -> Response:
    """Show the form of a programme's rules."""
    return await _program_page(request, session, await get_store(session, principal.merchant_id, store_id))


@router.post("/{store_id}/programme", dependencies=[member("programme.edit", api_key=False)])
async def post_programme_page(
    request: Request, store_id: UUID, principal: MerchantDep, session: SessionDep, clock: ClockDep
) -> Response:
    """Save a programme's rules."""
    store = await get_store(session, principal.merchant_id, store_id)
    form = await read_form(request, ProgramForm, convert=PROGRAM_CONVERT)
    if form.data is not None:
        try:
            async with session.begin_nested():
                changes = form.data.to_changes()
                await change_program(session, principal, store_id, changes=changes, now=clock.now())
        except Invalid as error:
            form.refuse(error)
    if form.errors:
        return await _program_page(request, session, store, form)
    return redirect(request, store_url(store_id), flash=_("Programme saved."))


async def _edit_page(
    request: Request, session: Any, store: StoreView, form: FormInput[StoreForm] | None = None
) -> Response:
    values = store_values(store)
    context = {
        **_store_frame(
            store, title=_("Details and opening hours"), back=store_url(store.id), back_label=store.name
        ),
        "values": {**values, **form.values} if form else values,
        "errors": form.errors if form else {},
        "days": [(day, _(name)) for day, name in DAY_NAMES.items()],
        "time_zones": [(zone, zone.replace("_", " ")) for zone in list_time_zones()],
    }
    status = 422 if form and form.errors else 200
    return await render_member_page(request, session, "stores/edit.html", context, status_code=status)


@router.get("/{store_id}/edit", dependencies=[member("stores.edit", api_key=False)])
async def get_edit_page(
    request: Request, store_id: UUID, principal: MerchantDep, session: SessionDep
) -> Response:
    """Show the form of a store's details."""
    return await _edit_page(request, session, await get_store(session, principal.merchant_id, store_id))


@router.post("/{store_id}/edit", dependencies=[member("stores.edit", api_key=False)])
async def post_edit_page(
    request: Request, store_id: UUID, principal: MerchantDep, session: SessionDep, clock: ClockDep
) -> Response:
    """Save a store's details."""
    store = await get_store(session, principal.merchant_id, store_id)
    form = await read_form(request, StoreForm)
    for day in DAY_NAMES.keys() & form.errors.keys():
        form.errors[day] = _("Times look like 08:00–12:00, 13:00–18:00.")
    if form.data is None:
        return await _edit_page(request, session, store, form)
    await change_store(session, principal, store_id, changes=form.data.to_changes(), now=clock.now())
    return redirect(request, store_url(store_id), flash=_("Store saved."))


@router.post("/{store_id}/phone-pins/{wish}", dependencies=[member("stores.edit", api_key=False)])
async def post_phone_pins(
    request: Request,
    store_id: UUID,
    wish: OnOff,
    principal: MerchantDep,
    session: SessionDep,
    clock: ClockDep,
) -> Response:
    """Switch PINs on customers' phones on or off."""
    changes = {"phone_pins": wish == "on"}
    await change_store(session, principal, store_id, changes=changes, now=clock.now())
    text = _("PINs on customers' phones are on.") if wish == "on" else _("PINs on customers' phones are off.")
    return redirect(request, store_url(store_id), flash=text)


@router.post("/{store_id}/{wish}", dependencies=[member("stores.edit", api_key=False)])
async def post_close_or_open(
    request: Request,
    store_id: UUID,
    wish: CloseOpen,
    principal: MerchantDep,
    session: SessionDep,
    clock: ClockDep,
) -> Response:
    """Close a store or open it again."""
    await change_store(session, principal, store_id, changes={"closed": wish == "close"}, now=clock.now())
    text = _("The store is closed.") if wish == "close" else _("The store is open again.")
    return redirect(request, store_url(store_id), flash=text)
