"""Signing in, the overview, the machine and the record of what operators did."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request, Response

from app.db.session import system_scope
from app.dependencies import ClockDep, SessionDep
from app.kernel.backups import last_backup
from app.kernel.errors import CODES
from app.kernel.i18n import gettext as _
from app.kernel.outcomes import Refusal
from app.kernel.permissions import public
from app.kernel.web.cookies import delete_cookie, set_cookie
from app.kernel.web.form_input import read_form
from app.kernel.web.forms import redirect, safe_next
from app.kernel.web.limits import rate_limit
from app.kernel.web.problems import refusal_text, retry_headers
from app.kernel.web.templates import render
from app.modules.accounts.public import DEVICE_COOKIE, DEVICE_COOKIE_AGE, browser_of
from app.modules.operators.access import HOME, SIGN_IN, OperatorDep, look_of, operator_page, signed_in
from app.modules.operators.demo import demo_code
from app.modules.operators.journal import list_entries
from app.modules.operators.looking.machine import list_slow, list_versions, read_database, read_disk
from app.modules.operators.looking.signs import gather_signs
from app.modules.operators.presenting import backup_facts, database_facts, disk_facts, entry_rows, overall
from app.modules.operators.rules import SESSION_LIFETIME
from app.modules.operators.schemas import SignInForm
from app.modules.operators.signing_in.service import (
    OPERATOR_COOKIE,
    Credentials,
    OperatorSignedIn,
    sign_in,
    sign_out,
)

router = APIRouter(include_in_schema=False)


async def _sign_in_page(
    request: Request, session: SessionDep, form: Any = None, *, refusal: Refusal | None = None, target: str
) -> Response:
    status, headers = (422, {}) if form is not None else (200, {})
    if refusal is not None:
        status, headers = CODES[refusal.code].status, retry_headers(request, refusal.retry_at)
    context = {
        "next": target,
        "name": form.values.get("name", "") if form is not None else "",
        "errors": form.errors if form is not None else {},
        "problem": refusal_text(refusal) if refusal is not None else "",
        "demo_code": await demo_code(session, now=request.app.state.clock.now()),
    }
    return render(request, "operators/sign_in.html", context, status_code=status, headers=headers)


@router.get(SIGN_IN, dependencies=[public("The operator's sign-in form")])
async def get_sign_in(request: Request, session: SessionDep, next: str = "") -> Response:  # noqa: A002
    """Show the sign-in form."""
    return await _sign_in_page(request, session, target=safe_next(next, default=HOME))


@router.post(SIGN_IN, dependencies=[public("The operator's sign-in form"), rate_limit("sign_in")])
async def post_sign_in(request: Request, session: SessionDep, clock: ClockDep) -> Response:
    """Take the form; whatever was wrong, there is one answer."""
    form = await read_form(request, SignInForm)
    target = safe_next(str(form.values.get("next", "")), default=HOME)
    if form.data is None:
        return await _sign_in_page(request, session, form, target=target)
    typed = Credentials(form.data.name, form.data.password, form.data.code, browser_of(request))
    outcome = await sign_in(session, typed, now=clock.now())
    if isinstance(outcome, Refusal):
        return await _sign_in_page(request, session, form, refusal=outcome, target=target)
    return _with_session(request, redirect(request, target), outcome)


def _with_session(request: Request, response: Response, opened: OperatorSignedIn) -> Response:
    set_cookie(request, response, OPERATOR_COOKIE, opened.token, max_age=SESSION_LIFETIME)
    set_cookie(request, response, DEVICE_COOKIE, opened.device, max_age=DEVICE_COOKIE_AGE)
    return response


@router.post("/operator/sign-out", dependencies=[signed_in()])
async def post_sign_out(
    request: Request, operator: OperatorDep, session: SessionDep, clock: ClockDep
) -> Response:
    """End the session and forget the cookie."""
    await sign_out(session, operator, now=clock.now())
    response = redirect(request, SIGN_IN, flash=_("You are signed out."))
    delete_cookie(request, response, OPERATOR_COOKIE)
    return response


@router.get(HOME, dependencies=[signed_in()])
async def get_overview(request: Request) -> Response:
    """Show what needs somebody now, what soon, and what is well."""
    signs = await gather_signs(look_of(request))
    context = {"page_title": _("Overview"), "signs": signs, "overall": overall(signs)}
    return operator_page(request, "operators/overview.html", context)


@router.get("/operator/machine", dependencies=[signed_in()])
async def get_machine(request: Request) -> Response:
    """Show database, disk, backups, versions and the statements that take most time."""
    look = look_of(request)
    async with system_scope(look.database) as session:
        facts, backup = await read_database(session), await last_backup(session)
        slow = await list_slow(session) if facts.has_statements else None
    context = {
        "page_title": _("Machine"),
        "database": database_facts(facts),
        "disk": disk_facts(read_disk(look.settings.data_dir)),
        "backup": backup_facts(backup, now=look.now),
        "versions": [*list_versions(), ("PostgreSQL", facts.server), (_("Tables"), facts.schema)],
        "slow": slow,
        "has_statements": facts.has_statements,
    }
    return operator_page(request, "operators/machine.html", context)


@router.get("/operator/record", dependencies=[signed_in()])
async def get_record(request: Request, session: SessionDep, before: UUID | None = None) -> Response:
    """Show what operators did, the newest first."""
    rows, next_url = entry_rows(await list_entries(session, before=before))
    context = {"page_title": _("Record"), "rows": rows, "next_url": next_url, "is_first": before is None}
    return operator_page(request, "operators/record.html", context)
