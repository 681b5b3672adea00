"""What each shop uses and the plan it has: counts only, like everything the operator sees of a shop."""

from __future__ import annotations

from datetime import datetime
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.session import Database, tenant_scope
from app.dependencies import ClockDep, SessionDep
from app.kernel.adapters import resources_of
from app.kernel.errors import NotFound
from app.kernel.i18n import gettext as _
from app.kernel.operating import Look
from app.kernel.web.form_input import read_form
from app.kernel.web.forms import redirect
from app.modules.billing.public import Plans, Usage, give_plan, read_usage
from app.modules.operators.access import OperatorDep, look_of, operator_page, signed_in
from app.modules.operators.journal import record_entry
from app.modules.operators.looking.shops import list_shops
from app.modules.operators.signing_in.service import OperatorRef

router = APIRouter(include_in_schema=False, prefix="/operator/usage")
URL = "/operator/usage"


class PlanForm(BaseModel):
    """The plan a shop is given; empty: the default one."""

    model_config = ConfigDict(extra="forbid")
    plan: str = Field("", max_length=100)


@router.get("", dependencies=[signed_in()])
async def get_usage(request: Request, q: str = "", after: UUID | None = None) -> Response:
    """Show what the shops use this month, by name."""
    look = look_of(request)
    page = await list_shops(look.database, q=q, after=after, now=look.now)
    more = {"q": q, "after": page.next_id}
    plans = look.resources.get(Plans)
    default = plans.plan_for("")
    context = {
        "page_title": _("Plans and usage"),
        "page_text": _("What each shop uses this month, counted every hour, and the plan it has."),
        "rows": [(shop, await _usage_of(look, shop.id)) for shop in page.shops],
        "plans": [(name, plan.title) for name, plan in plans.plans.items()],
        "default_title": default.title if default else "",
        "q": q,
        "next_url": f"{URL}?{urlencode(more)}" if page.next_id else None,
    }
    return operator_page(request, "operators/usage.html", context)


async def _usage_of(look: Look, merchant_id: UUID) -> Usage:
    """Read a shop's usage in a short transaction of its own."""
    async with tenant_scope(look.database, merchant_id) as session:
        return await read_usage(session, merchant_id, now=look.now)


@router.post("/{merchant_id}/plan", dependencies=[signed_in()])
async def post_plan(
    request: Request, merchant_id: UUID, operator: OperatorDep, session: SessionDep, clock: ClockDep
) -> Response:
    """Give a shop a plan."""
    form = await read_form(request, PlanForm)
    if form.data is None:
        raise NotFound("plan")
    await _give(session, operator, merchant_id, form.data.plan, now=clock.now())
    return redirect(request, URL, flash=_("The plan is in effect."))


async def _give(  # noqa: PLR0917 (who gives whom what)
    session: AsyncSession, operator: OperatorRef, merchant_id: UUID, plan: str, *, now: datetime
) -> None:
    """Give the plan in the shop's own transaction, and note it in the operators' record; raises NotFound."""
    database = resources_of(session).get(Database)
    async with tenant_scope(database, merchant_id) as shop:
        if not await give_plan(shop, merchant_id, plan, now=now):
            raise NotFound("plan")
    facts = {"merchant": str(merchant_id), "plan": plan}
    record_entry(session, operator.name, action="plan.given", facts=facts, now=now)
