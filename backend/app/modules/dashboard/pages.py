"""The dashboard's own pages: home, its feed, the list of visits."""

from __future__ import annotations

from datetime import date
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import HTMLResponse
from markupsafe import Markup
from pydantic import BeforeValidator

from app.dependencies import ClockDep, MerchantDep, SessionDep, member
from app.kernel.errors import CODES
from app.kernel.i18n import gettext as _
from app.kernel.points import Panel
from app.kernel.web.forms import redirect
from app.kernel.web.problems import refusal_text
from app.kernel.web.shell import page_context_of, render_member_page
from app.kernel.web.templates import is_htmx, render_fragment, render_text
from app.modules.dashboard.home import feed_items, home_page
from app.modules.dashboard.rules import day_part
from app.modules.dashboard.visits_list import VisitQuery, VoidWish, shown_visit, undo_visit, visits_page
from app.modules.merchants.public import get_merchant
from app.modules.stores.public import list_stores

router = APIRouter(include_in_schema=False)

_Blank = BeforeValidator(lambda value: None if value == "" else value)
# Where the live feed stands among the contributed blocks.
FEED_ORDER = 100
OptionalId = Annotated[UUID | None, Query(), _Blank]
# A zone's midnight at the very ends of the calendar cannot be told in UTC.
OptionalDay = Annotated[date | None, Query(ge=date(1970, 1, 1), le=date(9998, 12, 31)), _Blank]


def greeting(part: str) -> str:
    """Return the heading of the home page."""
    if part == "morning":
        return _("Good morning")
    return _("Good afternoon") if part == "afternoon" else _("Good evening")


def home_parts(request: Request, blocks: list[Panel]) -> dict[str, list[Markup]]:
    """Return the contributed blocks as text, in two parts: above and below the live feed."""
    drawn = [(block.order, Markup(render_text(request, block.template, block.context))) for block in blocks]  # noqa: S704
    return {
        "blocks": [text for order, text in drawn if order < FEED_ORDER],
        "later_blocks": [text for order, text in drawn if order >= FEED_ORDER],
    }


@router.get("/dashboard", response_class=HTMLResponse, dependencies=[member("dashboard.view", api_key=False)])
async def get_home(
    request: Request, session: SessionDep, principal: MerchantDep, clock: ClockDep
) -> Response:
    """Show the home page; before there is a store, the first steps."""
    stores = await list_stores(session, principal.merchant_id)
    if not stores and principal.may("stores.edit"):
        return redirect(request, "/dashboard/start")
    merchant = await get_merchant(session, principal.merchant_id)
    values = await home_page(page_context_of(request, session), stores, time_zone=merchant.time_zone)
    title = greeting(day_part(clock.now(), merchant.time_zone))
    context = {**values, **home_parts(request, values["blocks"]), "page_title": title, "now": clock.now()}
    return await render_member_page(request, session, "dashboard/home.html", context)


@router.get(
    "/dashboard/feed", response_class=HTMLResponse, dependencies=[member("dashboard.view", api_key=False)]
)
async def get_feed(request: Request, session: SessionDep, principal: MerchantDep) -> Response:
    """Show the feed alone, for the home page's poll."""
    page = page_context_of(request, session)
    merchant = await get_merchant(session, principal.merchant_id)
    stores = await list_stores(session, principal.merchant_id)
    context = {"feed": await feed_items(page, stores, time_zone=merchant.time_zone)}
    return render_fragment(request, "dashboard/_feed.html", context)


@router.get(
    "/dashboard/visits", response_class=HTMLResponse, dependencies=[member("visits.view", api_key=False)]
)
async def get_visits(
    request: Request,
    session: SessionDep,
    principal: MerchantDep,
    store: OptionalId = None,
    staff: OptionalId = None,
    day: OptionalDay = None,
    before: OptionalId = None,
) -> Response:
    """Show the visits, newest first."""
    values = await visits_page(session, principal, VisitQuery(store, staff, day, before))
    context = {**values, "page_title": _("Visits")}
    if is_htmx(request):
        return render_fragment(request, "dashboard/_visits.html", context)
    return await render_member_page(request, session, "dashboard/visits.html", context)


@router.post(
    "/dashboard/visits/{visit_id}/void",
    response_class=HTMLResponse,
    dependencies=[member("visits.void", api_key=False)],
)
async def post_void(
    visit_id: UUID,
    request: Request,
    session: SessionDep,
    principal: MerchantDep,
    clock: ClockDep,
    reason: Annotated[str, Form(max_length=200)] = "",
    force: Annotated[bool, Form()] = False,
) -> Response:
    """Take a visit back; with htmx only its row is drawn anew."""
    refusal = await undo_visit(session, principal, VoidWish(visit_id, reason, force), now=clock.now())
    text = refusal_text(refusal) if refusal else _("The visit was undone.")
    if not is_htmx(request):
        return redirect(request, "/dashboard/visits", flash=text, kind="danger" if refusal else "ok")
    values = {**await shown_visit(session, principal, visit_id), "refusal": refusal, "refusal_text": text}
    status = CODES[refusal.code].status if refusal else 200
    return render_fragment(request, "dashboard/_visit_row.html", values, status_code=status)
