"""The dashboard page on which the sentence is written."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request, Response

from app.dependencies import MerchantDep, SessionDep, member
from app.kernel.web.forms import redirect
from app.kernel.web.shell import render_member_page
from tests.architecture.sample_module.service import find_note, save_note

router = APIRouter(prefix="/dashboard/fridays", include_in_schema=False)


@router.get("", dependencies=[member("fridays.edit", api_key=False)])
async def get_page(request: Request, principal: MerchantDep, session: SessionDep) -> Response:
    """Show the form with the sentence."""
    note = await find_note(session, principal.merchant_id)
    context = {"page_title": "Fridays", "note": note or ""}
    return await render_member_page(request, session, "fridays/page.html", context)


@router.post("", dependencies=[member("fridays.edit", api_key=False)])
async def post_page(
    request: Request, principal: MerchantDep, session: SessionDep, note: Annotated[str, Form(max_length=80)]
) -> Response:
    """Keep the sentence."""
    await save_note(session, principal.merchant_id, text=note)
    return redirect(request, "/dashboard/fridays", flash="Saved.")
