"""Queues, given-up work and failing wallets."""

from __future__ import annotations

from urllib.parse import urlencode

from fastapi import APIRouter, Request, Response

from app.db.session import system_scope
from app.dependencies import ClockDep, SessionDep
from app.kernel.i18n import gettext as _
from app.kernel.jobs import find_schedule_delay, list_failing, list_queues
from app.kernel.operating import OPERATOR_SIGN
from app.kernel.web.form_input import read_form
from app.kernel.web.forms import redirect
from app.modules.operators.access import OperatorDep, look_of, operator_page, signed_in
from app.modules.operators.looking.shops import name_shops
from app.modules.operators.looking.signs import in_words
from app.modules.operators.presenting import dead_rows, failing_rows, queue_rows
from app.modules.operators.schemas import KindForm
from app.modules.operators.work import Choice, changed_text, dead_page, drop_work, retry_work

router = APIRouter(include_in_schema=False, prefix="/operator")
GIVEN_UP = "/operator/given-up"
WALLET_JOBS = "wallets."
WALLET_SIGNS = "wallets"


@router.get("/queues", dependencies=[signed_in()])
async def get_queues(request: Request) -> Response:
    """Show every kind of work in the queue, the longest waiting first."""
    look = look_of(request)
    async with system_scope(look.database) as session:
        lines = await list_queues(session, now=look.now)
        delay = await find_schedule_delay(session, now=look.now)
    context = {
        "page_title": _("Queues"),
        "page_text": _("Mails, wallet updates, clean-up: what the worker does after the answer was given."),
        "rows": queue_rows(lines),
        "delay": in_words(delay) if delay is not None else None,
    }
    return operator_page(request, "operators/queues.html", context)


@router.get("/given-up", dependencies=[signed_in()])
async def get_given_up(request: Request, kind: str = "", before: int = 0) -> Response:
    """Show given-up work with its reasons."""
    async with system_scope(look_of(request).database) as session:
        page = await dead_page(session, kind=kind, before=before)
    more = {"kind": kind, "before": page.next_before}
    context = {
        "page_title": _("Given up"),
        "page_text": _(
            "Work that failed for good. Nothing is lost: put the reason right and queue it again."
        ),
        "rows": dead_rows(page.jobs, page.names),
        "kinds": page.kinds,
        "kind": kind,
        "chosen": sum(one.jobs for one in page.kinds if kind in {"", one.name}),
        "next_url": f"{GIVEN_UP}?{urlencode(more)}" if page.next_before else None,
    }
    return operator_page(request, "operators/given_up.html", context)


async def _chosen(request: Request) -> Choice | None:
    form = (await read_form(request, KindForm)).data
    return Choice(kind=form.kind) if form is not None else None


@router.post("/given-up/retry", dependencies=[signed_in()])
async def post_retry_all(
    request: Request, operator: OperatorDep, session: SessionDep, clock: ClockDep
) -> Response:
    """Queue all given-up work again, or all of one kind."""
    done = await retry_work(session, operator, await _chosen(request), now=clock.now())
    return redirect(request, GIVEN_UP, flash=changed_text("retried", done))


@router.post("/given-up/drop", dependencies=[signed_in()])
async def post_drop_all(
    request: Request, operator: OperatorDep, session: SessionDep, clock: ClockDep
) -> Response:
    """Drop all given-up work for good, or all of one kind."""
    done = await drop_work(session, operator, await _chosen(request), now=clock.now())
    return redirect(request, GIVEN_UP, flash=changed_text("dropped", done))


@router.post("/given-up/{job_id}/retry", dependencies=[signed_in()])
async def post_retry(
    request: Request, job_id: int, operator: OperatorDep, session: SessionDep, clock: ClockDep
) -> Response:
    """Queue one given-up job again."""
    done = await retry_work(session, operator, Choice(job_id=job_id), now=clock.now())
    return redirect(request, GIVEN_UP, flash=changed_text("retried", done))


@router.post("/given-up/{job_id}/drop", dependencies=[signed_in()])
async def post_drop(
    request: Request, job_id: int, operator: OperatorDep, session: SessionDep, clock: ClockDep
) -> Response:
    """Drop one given-up job for good."""
    done = await drop_work(session, operator, Choice(job_id=job_id), now=clock.now())
    return redirect(request, GIVEN_UP, flash=changed_text("dropped", done))


@router.get("/wallets", dependencies=[signed_in()])
async def get_wallets(request: Request) -> Response:
    """Show whose wallets fail and why, and how the installation's own credentials fare."""
    look, ask = look_of(request), OPERATOR_SIGN.find(WALLET_SIGNS)
    async with system_scope(look.database) as session:
        found = await list_failing(session, prefix=WALLET_JOBS)
        names = await name_shops(session, {one.merchant_id for one in found if one.merchant_id})
    context = {
        "page_title": _("Wallets"),
        "page_text": _("Cards in Apple and Google Wallet. The card in the browser never depends on them."),
        "rows": failing_rows(found, names),
        "signs": await ask(look) if ask else [],
    }
    return operator_page(request, "operators/wallets.html", context)
