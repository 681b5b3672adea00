"""The owner's page for closing the business and opening it again."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncSession

from app.dependencies import ClockDep, MerchantDep, SessionDep, member
from app.kernel.i18n import gettext as _
from app.kernel.outcomes import Refusal
from app.kernel.permissions import Principal
from app.kernel.web.form_input import FormInput, read_form
from app.kernel.web.forms import redirect
from app.kernel.web.problems import refusal_text
from app.kernel.web.shell import render_member_page
from app.modules.accounts.public import browser_of
from app.modules.closing.deleting import delete_store
from app.modules.closing.rules import OPEN_AGAIN_FOR
from app.modules.closing.service import URL, close_business, find_closing, open_again
from app.modules.merchants.public import get_merchant
from app.modules.second_factor.public import Proof, factors_of

router = APIRouter(prefix=URL, include_in_schema=False)
FIELD_OF = {"name_differs": "name", "password_wrong": "password", "code_wrong": "code"}
OWNER = member("business.close", api_key=False)


class CloseForm(BaseModel):
    """What the owner types before the business is closed."""

    model_config = ConfigDict(extra="forbid")
    name: str = Field(min_length=1, max_length=200)
    password: str = Field(min_length=1, max_length=1000)
    code: str = Field("", max_length=100)


async def _page(
    request: Request, session: AsyncSession, principal: Principal, form: FormInput[CloseForm] | None = None
) -> Response:
    merchant = await get_merchant(session, principal.merchant_id)
    assert principal.id is not None
    context = {
        "page_title": _("Close the business"),
        "closing": await find_closing(session, merchant.id),
        "merchant_name": merchant.name,
        "time_zone": merchant.time_zone,
        "days": OPEN_AGAIN_FOR.days,
        "factors": await factors_of(session, merchant.id, member_id=principal.id),
        "typed_name": form.values.get("name", "") if form else "",
        "errors": form.errors if form else {},
    }
    status = 422 if form and form.errors else 200
    return await render_member_page(request, session, "closing/closing.html", context, status_code=status)


@router.get("", dependencies=[OWNER])
async def get_closing(request: Request, principal: MerchantDep, session: SessionDep) -> Response:
    """Show what closing means, or until when it can be undone."""
    return await _page(request, session, principal)


@router.post("", dependencies=[OWNER])
async def post_closing(
    request: Request, principal: MerchantDep, session: SessionDep, clock: ClockDep
) -> Response:
    """Close the business, after its name, the password and the code."""
    form = await read_form(request, CloseForm)
    if form.data is None:
        return await _page(request, session, principal, form)
    data, proof = form.data, Proof(form.data.password, browser_of(request), form.data.code)
    refusal = await close_business(session, principal, proof, typed_name=data.name, now=clock.now())
    if isinstance(refusal, Refusal):
        form.errors[FIELD_OF.get(refusal.code, "password")] = refusal_text(refusal)
        return await _page(request, session, principal, form)
    return redirect(request, URL, flash=_("The business is closed."), kind="info")


@router.post("/open", dependencies=[OWNER])
async def post_open(
    request: Request, principal: MerchantDep, session: SessionDep, clock: ClockDep
) -> Response:
    """Open the business again."""
    await open_again(session, principal, now=clock.now())
    return redirect(request, URL, flash=_("The business is open again."))


@router.post("/stores/{store_id}/delete", dependencies=[member("stores.delete", api_key=False)])
async def post_delete_store(
    request: Request, store_id: UUID, principal: MerchantDep, session: SessionDep, clock: ClockDep
) -> Response:
    """Delete a store that was never used."""
    refusal = await delete_store(session, principal, store_id, now=clock.now())
    if refusal is not None:
        here = f"/dashboard/stores/{store_id}"
        return redirect(request, here, flash=refusal_text(refusal), kind="danger")
    return redirect(request, "/dashboard/stores", flash=_("The store is deleted."))
