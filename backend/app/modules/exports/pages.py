"""The page of downloads."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import HTMLResponse, StreamingResponse

from app.dependencies import ClockDep, MerchantDep, SessionDep, member
from app.kernel.i18n import gettext as _
from app.kernel.outcomes import Refusal
from app.kernel.web.forms import redirect
from app.kernel.web.problems import refusal_text
from app.kernel.web.shell import render_member_page
from app.kernel.web.templates import is_htmx, render_fragment
from app.modules.exports.presenting import page_values
from app.modules.exports.service import MadeFile, get_ready_file, give_out, order_file
from app.modules.exports.writing import MEDIA_TYPES

router = APIRouter(include_in_schema=False)
BASE = "/dashboard/exports"


@router.get(BASE, response_class=HTMLResponse, dependencies=[member("exports.view", api_key=False)])
async def get_exports(
    request: Request, session: SessionDep, principal: MerchantDep, clock: ClockDep
) -> Response:
    """Show what can be downloaded, and the files that were asked for."""
    values: dict[str, Any] = await page_values(session, principal, now=clock.now())
    if is_htmx(request):
        return render_fragment(request, "exports/_files.html", values)
    return await render_member_page(
        request, session, "exports/exports.html", {**values, "page_title": _("Downloads")}
    )


@router.post(BASE + "/{table}", dependencies=[member("exports.view", api_key=False)])
async def post_export(
    table: str,
    request: Request,
    session: SessionDep,
    principal: MerchantDep,
    clock: ClockDep,
    form: Annotated[Literal["csv", "xlsx"], Form()] = "csv",
) -> Response:
    """Give a small table at once; put a large one on the list."""
    made = await order_file(session, principal, key=table, form=form, now=clock.now())
    if isinstance(made, MadeFile):
        headers = file_headers(table, made.form)
        return Response(made.content, media_type=MEDIA_TYPES[made.form], headers=headers)
    text = _("The file is being made. You get a mail when it is ready.")
    is_refused = isinstance(made, Refusal)
    flash = refusal_text(made) if isinstance(made, Refusal) else text
    return redirect(request, BASE, flash=flash, kind="danger" if is_refused else "ok")


@router.post(BASE + "/files/{export_id}", dependencies=[member("exports.view", api_key=False)])
async def post_fetch(
    export_id: UUID, request: Request, session: SessionDep, principal: MerchantDep, clock: ClockDep
) -> Response:
    """Give a file out, once; a link in a mail or a cache cannot."""
    file = await get_ready_file(session, principal, export_id, now=clock.now())
    pieces = give_out(request.app.state.database, principal.merchant_id, export_id)
    headers = {**file_headers(file.exporter, file.form), "content-length": str(file.size_bytes)}
    return StreamingResponse(pieces, media_type=MEDIA_TYPES[file.form], headers=headers)


def file_headers(name: str, form: str) -> dict[str, str]:
    """Return the headers of a file to be saved and never cached."""
    return {
        "content-disposition": f'attachment; filename="{name}.{form}"',
        "cache-control": "no-store",
    }
