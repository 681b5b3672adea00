"""Taking back on the customer's phone what staff gave by mistake, with their PIN."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request, Response
from sqlalchemy.ext.asyncio import AsyncSession

from app.dependencies import ClockDep, SessionDep, StoreRef, bind_store
from app.kernel.errors import CODES, NotFound
from app.kernel.i18n import gettext as _
from app.kernel.outcomes import Refusal
from app.kernel.permissions import public, staff_pin
from app.kernel.web.forms import redirect
from app.kernel.web.limits import rate_limit
from app.kernel.web.problems import retry_headers
from app.kernel.web.proxies import client_address
from app.kernel.web.templates import is_htmx, render, render_fragment
from app.modules.merchants.public import get_merchant
from app.modules.portal.forms import FormDep, is_ticked
from app.modules.portal.pages import find_card_here
from app.modules.portal.presenting import RefusedText, refused_text, store_page
from app.modules.rewards.public import VoidCommand, void_redemption
from app.modules.stores.public import get_store
from app.modules.visits.public import void_visit
from app.utils.validators import clean_line

router = APIRouter(include_in_schema=False)

VOIDS = {"visits": void_visit, "redemptions": void_redemption}
REASON_LENGTH_MAX = 120


@router.get("/visits/{target_id}/void", dependencies=[public("Asks for a PIN."), rate_limit("identify")])
async def get_void_visit(request: Request, target_id: UUID, store: UUID, session: SessionDep) -> Response:
    """Ask for the PIN that takes a visit back; nothing is shown of the visit."""
    ref = await bind_store(request, session, store)
    return await _show(request, session, ref, what="visits", target_id=target_id)


@router.get("/redemptions/{target_id}/void", dependencies=[public("Asks for a PIN."), rate_limit("identify")])
async def get_void_redemption(
    request: Request, target_id: UUID, store: UUID, session: SessionDep
) -> Response:
    """Ask for the PIN that takes a redemption back."""
    ref = await bind_store(request, session, store)
    return await _show(request, session, ref, what="redemptions", target_id=target_id)


@router.post("/visits/{target_id}/void/form", dependencies=[staff_pin("Takes a visit back, by the PIN pad.")])
async def post_void_visit(
    request: Request, target_id: UUID, form: FormDep, session: SessionDep, clock: ClockDep
) -> Response:
    """Take a visit back, or say why not."""
    return await _void(request, session, form, what="visits", target_id=target_id, clock=clock)


@router.post(
    "/redemptions/{target_id}/void/form", dependencies=[staff_pin("Takes a redemption back, by the PIN pad.")]
)
async def post_void_redemption(
    request: Request, target_id: UUID, form: FormDep, session: SessionDep, clock: ClockDep
) -> Response:
    """Take a redemption back, or say why not."""
    return await _void(request, session, form, what="redemptions", target_id=target_id, clock=clock)


async def _void(
    request: Request,
    session: AsyncSession,
    form: Mapping[str, str],
    *,
    what: str,
    target_id: UUID,
    clock: ClockDep,
) -> Response:
    try:
        store = await bind_store(request, session, UUID(form.get("store", "")))
    except ValueError as error:
        raise NotFound("store") from error
    pin = form.get("staff_pin", "").strip()
    command = VoidCommand(
        target_id,
        (clean_line(form.get("reason", "")) or _("Mistake"))[:REASON_LENGTH_MAX],
        client_address(request),
        pin if pin.isascii() and pin.isdecimal() and 4 <= len(pin) <= 6 else "",
        force=is_ticked(form, "force"),
    )
    outcome = await VOIDS[what](session, store, command, now=clock.now())
    view = await get_store(session, store)
    if isinstance(outcome, Refusal):
        refused = refused_text(outcome, now=clock.now(), zone=view.time_zone)
        headers = retry_headers(request, outcome.retry_at)
        return await _show(
            request, session, store, what=what, target_id=target_id, refused=refused, headers=headers
        )
    here = await find_card_here(request, session, store, view)
    back = f"/card/{here.id}" if here else f"/join/{store.id}"
    return redirect(request, back, flash=_("It was taken back."))


async def _show(  # noqa: PLR0913 - the page's parts, passed once
    request: Request,
    session: AsyncSession,
    store: StoreRef,
    *,
    what: str,
    target_id: UUID,
    refused: RefusedText | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    view = await get_store(session, store)
    merchant = await get_merchant(session, store.merchant_id)
    context: dict[str, Any] = {
        **store_page(view, merchant.name),
        "what": what,
        "target_id": target_id,
        "refused": refused,
    }
    status = CODES[refused.code].status if refused else 200
    if is_htmx(request) and refused:
        return render_fragment(request, "portal/_void.html", context, status_code=status, headers=headers)
    return render(request, "portal/void.html", context, status_code=status, headers=headers)
