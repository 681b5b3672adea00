"""The dashboard's pages about customers and their cards."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Request, Response
from markupsafe import Markup
from sqlalchemy.ext.asyncio import AsyncSession

from app.dependencies import ClockDep, MerchantDep, SessionDep, member
from app.kernel.audit import record_audit
from app.kernel.clock import Clock
from app.kernel.errors import NotFound
from app.kernel.i18n import gettext as _
from app.kernel.permissions import Principal
from app.kernel.points import CUSTOMER_PANEL, PageContext
from app.kernel.web.forms import redirect
from app.kernel.web.shell import render_member_page
from app.kernel.web.templates import is_htmx, render_fragment, render_text
from app.modules.cards.people import (
    PAGE_SIZE,
    SEARCH_LENGTH_MAX,
    list_consent_records,
    list_people,
    list_person_cards,
)
from app.modules.cards.queries import find_card_exactly
from app.modules.cards.service import block_card, revoke_card_links, unblock_card
from app.modules.customers.public import get_customer
from app.modules.merchants.public import get_merchant
from app.utils.id_generator import format_card_number
from app.utils.validators import clean_line

router = APIRouter(prefix="/dashboard", include_in_schema=False)
LIST_URL = "/dashboard/customers"


@router.get("/customers", dependencies=[member("customers.view", api_key=False)])
async def get_customers(
    request: Request, principal: MerchantDep, session: SessionDep, q: str = "", before: UUID | None = None
) -> Response:
    """List and search customers, the newest first."""
    text = clean_line(q)[:SEARCH_LENGTH_MAX]
    people = await list_people(session, principal.merchant_id, text=text, before=before)
    merchant = await get_merchant(session, principal.merchant_id)
    context: dict[str, Any] = {
        "page_title": _("Customers"),
        "people": people[:PAGE_SIZE],
        "q": text,
        "is_first": before is None,
        "next_url": _next_url(text, people[PAGE_SIZE - 1].id) if len(people) > PAGE_SIZE else None,
        "printed": format_card_number,
        "zone": merchant.time_zone,
    }
    if is_htmx(request):
        return render_fragment(request, "cards/_people.html", context)
    return await render_member_page(request, session, "cards/people.html", context)


def _next_url(text: str, last: UUID) -> str:
    query = {"before": str(last)} | ({"q": text} if text else {})
    return f"{LIST_URL}?{urlencode(query)}"


@router.get("/customers/{customer_id}", dependencies=[member("customers.view", api_key=False)])
async def get_customer_page(
    request: Request, customer_id: UUID, principal: MerchantDep, session: SessionDep, clock: ClockDep
) -> Response:
    """Show one customer: who, which cards, what was agreed, and what modules add."""
    customer = await get_customer(session, principal.merchant_id, customer_id)
    merchant = await get_merchant(session, principal.merchant_id)
    context = {
        "page_title": customer.name or _("A customer without a name"),
        "back_url": LIST_URL,
        "back_label": _("Customers"),
        "customer": customer,
        "cards": await list_person_cards(session, principal.merchant_id, [customer_id]),
        "consents": await list_consent_records(session, principal.merchant_id, customer_id),
        "panels": await _panels(request, session, principal, customer_id=customer_id, clock=clock),
        "may_edit": principal.may("customers.edit"),
        "printed": format_card_number,
        "zone": merchant.time_zone,
    }
    return await render_member_page(request, session, "cards/person.html", context)


async def _panels(
    request: Request, session: AsyncSession, principal: Principal, *, customer_id: UUID, clock: Clock
) -> list[dict[str, Any]]:
    modules_on = frozenset(principal.extra.get("modules_on", ()))
    page = PageContext(session, principal, clock.now(), modules_on, subject_id=customer_id)
    panels = sorted(await CUSTOMER_PANEL.gather(page), key=lambda panel: panel.order)
    return [
        # Rendered by our own environment, which escapes what it fills in.
        {"title": panel.title, "html": Markup(render_text(request, panel.template, panel.context))}  # noqa: S704
        for panel in panels
    ]


@router.post("/cards/{pass_id}/block", dependencies=[member("customers.edit", api_key=False)])
async def post_block(
    request: Request, pass_id: UUID, principal: MerchantDep, session: SessionDep, clock: ClockDep
) -> Response:
    """Stop a card from earning and redeeming."""
    words = _("The card is blocked.")
    return await _change(
        request, session, principal, pass_id, (block_card, "card.blocked", words), clock=clock
    )


@router.post("/cards/{pass_id}/unblock", dependencies=[member("customers.edit", api_key=False)])
async def post_unblock(
    request: Request, pass_id: UUID, principal: MerchantDep, session: SessionDep, clock: ClockDep
) -> Response:
    """Let a blocked card work again."""
    words = _("The card works again.")
    return await _change(
        request, session, principal, pass_id, (unblock_card, "card.unblocked", words), clock=clock
    )


@router.post("/cards/{pass_id}/revoke-links", dependencies=[member("customers.edit", api_key=False)])
async def post_revoke(
    request: Request, pass_id: UUID, principal: MerchantDep, session: SessionDep, clock: ClockDep
) -> Response:
    """End every link and cookie of a card; its holder gets a new one by e-mail or at the counter."""
    words = _("The card is closed on all devices.")
    return await _change(
        request, session, principal, pass_id, (revoke_card_links, "card.links_revoked", words), clock=clock
    )


async def _change(  # noqa: PLR0917 - the request's parts, then what is done
    request: Request,
    session: AsyncSession,
    principal: Principal,
    pass_id: UUID,
    what: tuple[Callable[..., Awaitable[object]], str, str],
    *,
    clock: Clock,
) -> Response:
    act, action, words = what
    card = await find_card_exactly(session, principal.merchant_id, pass_id)
    if card is None or card.status not in {"active", "blocked"}:
        raise NotFound("card")
    changed = await act(session, principal.merchant_id, pass_id, now=clock.now())
    if changed:
        await record_audit(
            session, principal, action=action, target_kind="card", target_id=pass_id, now=clock.now()
        )
    return redirect(request, f"{LIST_URL}/{card.customer_id}", flash=words if changed else None)
