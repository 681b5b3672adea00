"""The pages of imports: a file, what its columns mean, a trial, the import, and its undoing."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request, Response
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.datastructures import UploadFile

from app.dependencies import ClockDep, MerchantDep, SessionDep, member
from app.kernel.clock import Clock
from app.kernel.i18n import gettext as _
from app.kernel.outcomes import Refusal
from app.kernel.permissions import Principal
from app.kernel.web.forms import redirect
from app.kernel.web.problems import refusal_text
from app.kernel.web.shell import render_member_page
from app.kernel.web.templates import is_htmx, render_fragment
from app.modules.crm.importing.presenting import (
    IMPORTS,
    import_url,
    matching,
    preview,
    problem_lines,
    read_plan,
    run_line,
    run_page,
)
from app.modules.crm.importing.reading import FILE_BYTES_MAX, Unreadable, read_sheet, refused
from app.modules.crm.importing.service import (
    PREVIEW_ROWS,
    PROBLEMS_SHOWN,
    discard,
    get_run,
    keep_upload,
    list_rows,
    list_runs,
    plan_of,
    start_check,
    start_import,
    start_undo,
)
from app.modules.crm.models import ImportRun
from app.modules.crm.presenting import URL
from app.modules.merchants.public import get_merchant
from app.modules.stores.public import list_stores
from app.utils.validators import clean_line

router = APIRouter(prefix=IMPORTS, include_in_schema=False)
MAY = "customers.import"


@router.get("", dependencies=[member(MAY, api_key=False)])
async def get_imports(request: Request, principal: MerchantDep, session: SessionDep) -> Response:
    """Ask for a file, and list the imports so far."""
    return await _imports_page(request, session, principal)


async def _imports_page(
    request: Request, session: AsyncSession, principal: Principal, *, error: str = ""
) -> Response:
    merchant = await get_merchant(session, principal.merchant_id)
    context = {
        "page_title": _("Import customers"),
        "back_url": URL,
        "back_label": _("Customers"),
        "runs": [run_line(run) for run in await list_runs(session, principal.merchant_id)],
        "zone": merchant.time_zone,
        "error": error,
    }
    status = 422 if error else 200
    return await render_member_page(request, session, "crm/imports.html", context, status_code=status)


@router.post("", dependencies=[member(MAY, api_key=False)])
async def post_upload(
    request: Request, principal: MerchantDep, session: SessionDep, clock: ClockDep
) -> Response:
    """Read a file and keep its rows; the same file again leads to its import."""
    try:
        name, data = await _uploaded(request)
        sheet = await read_sheet(data)
    except Unreadable as error:
        fields: Any = refused(error).extra["fields"]
        return await _imports_page(request, session, principal, error=fields["file"])
    run_id, known = await keep_upload(session, principal, sheet, name=name, data=data, now=clock.now())
    words = _("This file was here before: this is its import.") if known else None
    return redirect(request, import_url(run_id), flash=words, kind="info")


async def _uploaded(request: Request) -> tuple[str, bytes]:
    file = (await request.form()).get("file")
    if not isinstance(file, UploadFile):
        raise Unreadable("empty")
    data = await file.read(FILE_BYTES_MAX + 1)
    await file.close()
    return clean_line(file.filename or "") or _("a file"), data


@router.get("/{run_id}", dependencies=[member(MAY, api_key=False)])
async def get_import(
    request: Request, run_id: UUID, principal: MerchantDep, session: SessionDep, clock: ClockDep
) -> Response:
    """Show an import where it stands: to be planned, tried, under way, done."""
    run = await get_run(session, principal.merchant_id, run_id)
    if is_htmx(request):
        return render_fragment(request, "crm/_import_state.html", await _state(session, run))
    return await _import_page(request, session, run, clock=clock)


async def _state(session: AsyncSession, run: ImportRun) -> dict[str, Any]:
    merchant = await get_merchant(session, run.merchant_id)
    problems = []
    if run.counts.get("invalid"):
        problems = problem_lines(await list_rows(session, run, outcome="invalid", limit=PROBLEMS_SHOWN))
    page = run_page(run)
    return {"run": page, "counts": page["counts"], "problems": problems, "zone": merchant.time_zone}


async def _import_page(
    request: Request,
    session: AsyncSession,
    run: ImportRun,
    *,
    clock: Clock,
    given: dict[str, str] | None = None,
    errors: dict[str, str] | None = None,
) -> Response:
    stores = await list_stores(session, run.merchant_id)
    plan = plan_of(run)
    rows = await list_rows(session, run, outcome=None, limit=PREVIEW_ROWS)
    context = {
        **await _state(session, run),
        "page_title": run.file_name,
        "back_url": IMPORTS,
        "back_label": _("Import customers"),
        "header": run.header,
        "matching": matching(run, given),
        "preview": preview(run, rows, today=clock.now().date()) if run_page(run)["is_open"] else [],
        "stores": [("", _("no cards")), *((store.id, store.name) for store in stores if not store.closed_at)],
        "store": given.get("store", "") if given is not None else (plan.store_id or ""),
        "stated": bool(given.get("stated") if given is not None else plan.statement),
        "statement": given.get("statement", "") if given is not None else plan.statement,
        "errors": errors or {},
    }
    status = 422 if errors else 200
    return await render_member_page(request, session, "crm/import.html", context, status_code=status)


@router.post("/{run_id}/check", dependencies=[member(MAY, api_key=False)])
async def post_check(
    request: Request, run_id: UUID, principal: MerchantDep, session: SessionDep, clock: ClockDep
) -> Response:
    """Keep what the columns mean, and try the whole file without writing anybody."""
    form = {name: str(value) for name, value in (await request.form()).items()}
    run = await get_run(session, principal.merchant_id, run_id)
    plan, errors = read_plan(form, run, await list_stores(session, principal.merchant_id))
    if errors:
        return await _import_page(request, session, run, clock=clock, given=form, errors=errors)
    await start_check(session, principal, run_id, plan=plan, now=clock.now())
    return redirect(request, import_url(run_id))


@router.post("/{run_id}/start", dependencies=[member(MAY, api_key=False)])
async def post_start(
    request: Request, run_id: UUID, principal: MerchantDep, session: SessionDep, clock: ClockDep
) -> Response:
    """Bring the customers in."""
    refusal = await start_import(session, principal, run_id, now=clock.now())
    return _answer(request, run_id, refusal)


@router.post("/{run_id}/undo", dependencies=[member(MAY, api_key=False)])
async def post_undo(
    request: Request, run_id: UUID, principal: MerchantDep, session: SessionDep, clock: ClockDep
) -> Response:
    """Take back whom the import made and who never came."""
    refusal = await start_undo(session, principal, run_id, now=clock.now())
    return _answer(request, run_id, refusal)


def _answer(request: Request, run_id: UUID, refusal: Refusal | None) -> Response:
    words = refusal_text(refusal) if refusal else None
    return redirect(request, import_url(run_id), flash=words, kind="danger")


@router.post("/{run_id}/discard", dependencies=[member(MAY, api_key=False)])
async def post_discard(
    request: Request, run_id: UUID, principal: MerchantDep, session: SessionDep, clock: ClockDep
) -> Response:
    """Forget a file that was not started."""
    await discard(session, principal, run_id, now=clock.now())
    return redirect(request, IMPORTS, flash=_("The file is forgotten."))
