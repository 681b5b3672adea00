"""The list of customers: found, filtered, tagged."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request, Response
from sqlalchemy.ext.asyncio import AsyncSession

from app.dependencies import ClockDep, MerchantDep, SessionDep, member
from app.kernel.i18n import current, ngettext
from app.kernel.i18n import gettext as _
from app.kernel.outcomes import Refusal
from app.kernel.permissions import Principal
from app.kernel.web.forms import redirect
from app.kernel.web.problems import refusal_text
from app.kernel.web.shell import render_member_page
from app.kernel.web.templates import is_htmx, render_fragment
from app.modules.crm.listing import PAGE_SIZE, list_people
from app.modules.crm.presenting import (
    ACTIVITY_WORDS,
    CONSENT_WORDS,
    COUNTED_MAX,
    ORDER_WORDS,
    URL,
    WALLET_WORDS,
    ListQuery,
    chips,
    month_names,
    options,
    read_query,
)
from app.modules.crm.tagging import remove_tag, tag_many
from app.modules.customers.public import TAG_LENGTH_MAX, count_audience, list_tags
from app.modules.merchants.public import get_merchant
from app.modules.stores.public import list_stores
from app.utils.id_generator import format_card_number
from app.utils.validators import clean_line

router = APIRouter(prefix=URL, include_in_schema=False)


@router.get("", dependencies=[member("customers.view", api_key=False)])
async def get_customers(
    request: Request, principal: MerchantDep, session: SessionDep, clock: ClockDep, after: str = ""
) -> Response:
    """List, search and filter customers."""
    query = read_query(request.query_params)
    context = await _people(session, principal, query, after=after, now=clock.now())
    # The search field swaps the table alone; a link followed by htmx gets it, too.
    if is_htmx(request):
        return render_fragment(request, "crm/_people.html", context)
    frame = await _frame(session, principal, query)
    return await render_member_page(request, session, "crm/people.html", {**frame, **context})


async def _people(
    session: AsyncSession, principal: Principal, query: ListQuery, *, after: str, now: datetime
) -> dict[str, Any]:
    merchant_id, audience = principal.merchant_id, query.audience(principal)
    page = await list_people(session, merchant_id, audience, order=query.order, after=after, now=now)
    count = await count_audience(session, merchant_id, audience, now=now, most=COUNTED_MAX + 1)
    merchant = await get_merchant(session, merchant_id)
    shown = current().format_number(min(count, COUNTED_MAX))
    words = ngettext("%(num)s customer", "%(num)s customers", count, num=shown)
    stores = await list_stores(session, merchant_id)
    tags = await list_tags(session, merchant_id)
    return {
        "people": page.people,
        "count_words": _("more than %(what)s", what=words) if count > COUNTED_MAX else words,
        "query": query,
        "chips": chips(query, stores=stores, tags=tags),
        "is_filtered": query.address(order=None) != URL,
        "clear_url": URL,
        "first_url": query.address() if after else None,
        "next_url": _with(query.address(), after=page.next) if page.next else None,
        "page_size": PAGE_SIZE,
        "printed": format_card_number,
        "zone": merchant.time_zone,
        "may_edit": principal.may("customers.edit"),
    }


def _with(url: str, *, after: str) -> str:
    return f"{url}{'&' if '?' in url else '?'}after={after}"


async def _frame(session: AsyncSession, principal: Principal, query: ListQuery) -> dict[str, Any]:
    stores = await list_stores(session, principal.merchant_id)
    seen = [store for store in stores if not principal.store_ids or store.id in principal.store_ids]
    tags = await list_tags(session, principal.merchant_id)
    return {
        "page_title": _("Customers"),
        "stores": [("", _("all stores")), *((store.id, store.name) for store in seen)],
        "consents": options(CONSENT_WORDS, _("any")),
        "wallets": options(WALLET_WORDS, _("any")),
        "activities": options(ACTIVITY_WORDS, _("any")),
        "months": [("", _("any month")), *month_names()],
        "orders": [(key, _(word)) for key, word in ORDER_WORDS.items()],
        "tags": tags,
        "tag_options": [("", _("any tag")), *((tag.id, tag.name) for tag in tags)],
        "tag_length": TAG_LENGTH_MAX,
        "may_remove_tags": principal.may("customers.edit") and not principal.store_ids,
        "may_import": principal.may("customers.import"),
    }


@router.post("/tag", dependencies=[member("customers.edit", api_key=False)])
async def post_tag_many(
    request: Request, principal: MerchantDep, session: SessionDep, clock: ClockDep
) -> Response:
    """Give a tag to the customers that were ticked, or to all that the filters mean."""
    form = await request.form()
    texts = {name: str(value) for name, value in form.items()}
    query, name = read_query(texts), clean_line(texts.get("tag_name", ""))[:TAG_LENGTH_MAX]
    picked = [key for key in map(_id, form.getlist("customer")) if key]
    everyone = query.audience(principal) if texts.get("whom") == "all" else None
    if not name or (everyone is None and not picked):
        words = _("Tick customers and give the tag a name.")
        return redirect(request, query.address(), flash=words, kind="warn")
    outcome = await tag_many(session, principal, name, picked=picked, everyone=everyone, now=clock.now())
    words, kind = _tagged(outcome, name)
    return redirect(request, query.address(), flash=words, kind=kind)


def _id(value: object) -> UUID | None:
    try:
        return UUID(str(value))
    except ValueError:
        return None


def _tagged(outcome: int | Refusal, name: str) -> tuple[str, str]:
    if isinstance(outcome, Refusal):
        return refusal_text(outcome), "danger"
    return (
        ngettext(
            "%(num)s customer carries “%(tag)s” now.",
            "%(num)s customers carry “%(tag)s” now.",
            outcome,
            num=current().format_number(outcome),
            tag=name,
        ),
        "ok",
    )


@router.post("/tags/{tag_id}/delete", dependencies=[member("customers.edit", api_key=False)])
async def post_delete_tag(
    request: Request, tag_id: UUID, principal: MerchantDep, session: SessionDep, clock: ClockDep
) -> Response:
    """Remove a tag, from everybody."""
    await remove_tag(session, principal, tag_id, now=clock.now())
    return redirect(request, URL, flash=_("The tag is gone."))
