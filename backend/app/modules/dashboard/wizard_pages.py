"""The pages of the first steps. Each step can be opened again and shows what stands."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse
from sqlalchemy.ext.asyncio import AsyncSession

from app.dependencies import ClockDep, MerchantDep, SessionDep, member
from app.kernel.i18n import current
from app.kernel.i18n import gettext as _
from app.kernel.web.forms import redirect
from app.kernel.web.shell import render_member_page
from app.kernel.web.templates import is_htmx, render_fragment
from app.modules.dashboard.forms import Blanks, read_form
from app.modules.dashboard.queries import first_steps
from app.modules.dashboard.wizard import (
    LookForm,
    ProgramForm,
    StoreForm,
    TeamForm,
    add_first_member,
    around,
    find_first_store,
    open_first_store,
    program_step,
    set_program,
    stepper_steps,
)
from app.modules.design.public import (
    CARD_ICONS,
    PALETTES,
    POSTER_FORMATS,
    choose_look,
    design_url,
    posters_url,
)
from app.modules.qr.public import qr_svg
from app.modules.stores.public import StoreView

router = APIRouter(prefix="/dashboard/start", include_in_schema=False)


async def _show(
    request: Request, session: AsyncSession, step: str, title: str, context: dict[str, Any]
) -> HTMLResponse:
    status = 422 if context.get("errors") else 200
    values = {
        **context,
        "errors": Blanks(context.get("errors", {})),
        "values": Blanks(context.get("values", {})),
        "page_title": title,
        "steps": stepper_steps(step, done=True),
        **around(step),
    }
    return await render_member_page(
        request, session, f"dashboard/start_{step}.html", values, status_code=status
    )


@router.get("", response_class=HTMLResponse, dependencies=[member("stores.edit", api_key=False)])
async def get_store_step(request: Request, session: SessionDep, principal: MerchantDep) -> Response:
    """Ask for the first store, or show that it is there."""
    store = await find_first_store(session, principal.merchant_id)
    name = store.name if store else principal.extra.get("merchant_name", "")
    values = {
        "name": name,
        "loyalty_type": store.loyalty_type if store else "stamps",
        "address": store.address if store else "",
    }
    context = {"values": values, "store": store}
    return await _show(request, session, "store", _("Your first store"), context)


@router.post("", response_class=HTMLResponse, dependencies=[member("stores.edit", api_key=False)])
async def post_store_step(
    request: Request, session: SessionDep, principal: MerchantDep, clock: ClockDep
) -> Response:
    """Make the first store and go on."""
    form = await read_form(request, StoreForm)
    if isinstance(form, dict):
        context = {"values": dict(await request.form()), "errors": form, "store": None}
        return await _show(request, session, "store", _("Your first store"), context)
    await open_first_store(session, principal, form, now=clock.now())
    return redirect(request, "/dashboard/start/programme")


@router.get("/programme", response_class=HTMLResponse, dependencies=[member("programme.edit", api_key=False)])
async def get_program_step(request: Request, session: SessionDep, principal: MerchantDep) -> Response:
    """Ask what customers get, with defaults that are fine."""
    store = await find_first_store(session, principal.merchant_id)
    if store is None:
        return redirect(request, "/dashboard/start")
    step = await program_step(session, store)
    context = {"store": store, "values": step.values()}
    return await _show(request, session, "programme", _("What customers get"), context)


@router.post(
    "/programme", response_class=HTMLResponse, dependencies=[member("programme.edit", api_key=False)]
)
async def post_program_step(
    request: Request, session: SessionDep, principal: MerchantDep, clock: ClockDep
) -> Response:
    """Write the rules and the reward, and go on."""
    store = await find_first_store(session, principal.merchant_id)
    if store is None:
        return redirect(request, "/dashboard/start")
    form = await read_form(request, ProgramForm)
    if isinstance(form, dict):
        context = {"store": store, "values": dict(await request.form()), "errors": form}
        return await _show(request, session, "programme", _("What customers get"), context)
    await set_program(session, principal, store, form=form, now=clock.now())
    return redirect(request, "/dashboard/start/design")


@router.get("/design", response_class=HTMLResponse, dependencies=[member("programme.edit", api_key=False)])
async def get_design_step(request: Request, session: SessionDep, principal: MerchantDep) -> Response:
    """Ask for colours and the picture of a stamp, with a card that shows them."""
    store = await find_first_store(session, principal.merchant_id)
    if store is None:
        return redirect(request, "/dashboard/start")
    design = store.program.design
    values = {"palette": design.get("palette", "forest"), "icon": design.get("icon", "coffee")}
    return await _show(request, session, "design", _("How your card looks"), _look_context(store, values))


@router.post("/design", response_class=HTMLResponse, dependencies=[member("programme.edit", api_key=False)])
async def post_design_step(
    request: Request, session: SessionDep, principal: MerchantDep, clock: ClockDep
) -> Response:
    """Keep the look and go on."""
    store = await find_first_store(session, principal.merchant_id)
    if store is None:
        return redirect(request, "/dashboard/start")
    form = await read_form(request, LookForm)
    if isinstance(form, dict):
        context = _look_context(store, dict(await request.form()), errors=form)
        return await _show(request, session, "design", _("How your card looks"), context)
    now = clock.now()
    await choose_look(session, principal, store.id, palette=form.palette, icon=form.icon, now=now)
    return redirect(request, "/dashboard/start/poster")


def _look_context(
    store: StoreView, values: dict[str, Any], *, errors: dict[str, str] | None = None
) -> dict[str, Any]:
    return {
        "store": store,
        "values": values,
        "errors": errors or {},
        "palettes": list(PALETTES.values()),
        "icons": CARD_ICONS,
        "design_url": design_url(store.id),
    }


@router.get("/poster", response_class=HTMLResponse, dependencies=[member("stores.view", api_key=False)])
async def get_poster_step(request: Request, session: SessionDep, principal: MerchantDep) -> Response:
    """Show the posters that are ready, to print now or later."""
    store = await find_first_store(session, principal.merchant_id)
    if store is None:
        return redirect(request, "/dashboard/start")
    formats = [(name, _(title), _(text)) for name, title, text in POSTER_FORMATS]
    query = f"language={current().language}&v={store.program.design_version}"
    context = {"store": store, "formats": formats, "posters_url": posters_url(store.id), "query": query}
    return await _show(request, session, "poster", _("A poster for the counter"), context)


@router.get("/team", response_class=HTMLResponse, dependencies=[member("staff.edit", api_key=False)])
async def get_team_step(request: Request, session: SessionDep, principal: MerchantDep) -> Response:
    """Ask who gives the first stamp."""
    store = await find_first_store(session, principal.merchant_id)
    if store is None:
        return redirect(request, "/dashboard/start")
    progress = await first_steps(session, principal.merchant_id)
    context = {"store": store, "form_key": str(uuid4()), "drawn": None, "has_pin": progress.has_pin}
    return await _show(request, session, "team", _("A PIN for your team"), context)


@router.post("/team", response_class=HTMLResponse, dependencies=[member("staff.edit", api_key=False)])
async def post_team_step(
    request: Request, session: SessionDep, principal: MerchantDep, clock: ClockDep
) -> Response:
    """Add a member and show the PIN, once; the same form sent again goes on without one."""
    store = await find_first_store(session, principal.merchant_id)
    form = await read_form(request, TeamForm)
    if store is None:
        return redirect(request, "/dashboard/start")
    context: dict[str, Any] = {"store": store, "form_key": str(uuid4()), "has_pin": True, "drawn": None}
    if isinstance(form, dict):
        context |= {"values": dict(await request.form()), "errors": form, "has_pin": False}
        return await _show(request, session, "team", _("A PIN for your team"), context)
    drawn = await add_first_member(session, principal, store, form=form, now=clock.now())
    if drawn is None:
        return redirect(request, "/dashboard/start/try")
    return await _show(request, session, "team", _("A PIN for your team"), context | {"drawn": drawn})


@router.get("/try", response_class=HTMLResponse, dependencies=[member("stores.view", api_key=False)])
async def get_try_step(request: Request, session: SessionDep, principal: MerchantDep) -> Response:
    """Show the join code and what to do with it; its list is asked for until the first stamp is there."""
    store = await find_first_store(session, principal.merchant_id)
    if store is None:
        return redirect(request, "/dashboard/start")
    context = {
        "store": store,
        "join_code": qr_svg(store.join_url, title=_("Code to join %(store)s", store=store.name)),
        "stamp_qr": qr_svg(_earn_url(store), title=_("Code to collect at %(store)s", store=store.name)),
        "stamp_url": _earn_url(store),
        "progress": await first_steps(session, principal.merchant_id),
    }
    if is_htmx(request):
        return render_fragment(request, "dashboard/_try.html", context)
    return await _show(request, session, "try", _("Try it out"), context)


def _earn_url(store: StoreView) -> str:
    """Return what the counter's code leads to: a card of several stores names no store of its own."""
    return store.points_url if store.loyalty_type == "points" else store.stamp_url
