"""The pages of figures and their files."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import HTMLResponse

from app.dependencies import ClockDep, MerchantDep, SessionDep, member
from app.kernel.audit import record_audit
from app.kernel.errors import NotFound
from app.kernel.i18n import gettext as _
from app.kernel.reports import Report, Table
from app.kernel.settings import save_settings
from app.kernel.spreadsheets import csv_bytes, xlsx_bytes
from app.kernel.web.forms import redirect
from app.kernel.web.shell import page_context_of, render_member_page
from app.modules.analytics.presenting import shown_report, table_rows, xlsx_formats
from app.modules.analytics.reading import BASE, Asked, Page, filters_of, load_report, read_page, tabs_of
from app.modules.analytics.settings import AnalyticsSettings

router = APIRouter(include_in_schema=False)
FIRST = "overview"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
AskedQuery = Annotated[Asked, Query()]


@router.get(BASE, response_class=HTMLResponse, dependencies=[member("analytics.view", api_key=False)])
async def get_analytics(request: Request) -> Response:
    """Lead to the first page of figures."""
    return redirect(request, f"{BASE}/{FIRST}")


@router.get(
    BASE + "/{report}", response_class=HTMLResponse, dependencies=[member("analytics.view", api_key=False)]
)
async def get_report(report: str, request: Request, session: SessionDep, asked: AskedQuery) -> Response:
    """Show a page of figures."""
    context = page_context_of(request, session)
    page = await read_page(report, asked, context)
    made = await load_report(page)
    values: dict[str, Any] = {
        **shown_report(made, page.context.currency),
        **await filters_of(page),
        "tabs": tabs_of(context, report, asked),
        "report": report,
        "view": page.view,
        # The first of the pages is called what the menu calls all of them.
        "page_title": _("Figures") if report == FIRST else _(page.view.title),
    }
    return await render_member_page(request, session, "analytics/report.html", values)


@router.get(BASE + "/{report}/{table}.{form}", dependencies=[member("analytics.view", api_key=False)])
async def get_table(
    report: str, table: str, form: Literal["csv", "xlsx"], request: Request, session: SessionDep, asked: AskedQuery
) -> Response:  # fmt: skip
    """Give a table of a page as a file."""
    page = await read_page(report, asked, page_context_of(request, session))
    found = find_table(await load_report(page), table)
    return table_file(found, page, form)


@router.post(f"{BASE}/liability/cost", dependencies=[member("analytics.edit", api_key=False)])
async def post_reward_cost(
    request: Request,
    session: SessionDep,
    principal: MerchantDep,
    clock: ClockDep,
    form: Annotated[AnalyticsSettings, Form()],
) -> Response:
    """Keep what a reward costs."""
    await save_settings(session, form, merchant_id=principal.merchant_id)
    await record_audit(
        session,
        principal,
        action="analytics.reward_cost_changed",
        target_kind="merchant",
        target_id=principal.merchant_id,
        now=clock.now(),
    )
    return redirect(request, f"{BASE}/liability", flash=_("Saved."))


def find_table(report: Report, key: str) -> Table:
    """Return a report's table; raises NotFound."""
    for block in report.blocks:
        if block.table is not None and block.table.key == key:
            return block.table
    raise NotFound("table")


def table_file(table: Table, page: Page, form: str) -> Response:
    """Answer with a table as a file."""
    rows = table_rows(table, page.context.currency)
    period = page.context.period
    name = f"{page.key}-{table.key}-{period.start}-{period.end}.{form}"
    headers = {"content-disposition": f'attachment; filename="{name}"', "cache-control": "no-store"}
    if form == "csv":
        return Response(csv_bytes(rows), media_type="text/csv; charset=utf-8", headers=headers)
    content = xlsx_bytes(_(page.view.title), rows, formats=xlsx_formats(table.columns))
    return Response(content, media_type=XLSX, headers=headers)
