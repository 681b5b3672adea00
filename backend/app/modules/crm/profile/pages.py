"""One customer's page, and what can be done on it."""

from __future__ import annotations

from datetime import date
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request, Response
from sqlalchemy.ext.asyncio import AsyncSession

from app.dependencies import ClockDep, MerchantDep, SessionDep, member
from app.kernel.i18n import LANGUAGES, current
from app.kernel.i18n import gettext as _
from app.kernel.outcomes import Refusal
from app.kernel.permissions import Principal
from app.kernel.web.form_input import FormInput, read_form, whole, yes
from app.kernel.web.forms import redirect
from app.kernel.web.present import json_response
from app.kernel.web.problems import refusal_text
from app.kernel.web.shell import render_member_page
from app.kernel.web.templates import is_htmx, render_fragment
from app.modules.crm.listing import list_person_cards
from app.modules.crm.presenting import URL
from app.modules.crm.profile import service
from app.modules.crm.profile.presenting import (
    CorrectionForm,
    DetailsForm,
    describe,
    frame,
    notes_of,
    panels_of,
    person_title,
    person_url,
)
from app.modules.crm.profile.service import Correction, get_living_person, get_person
from app.modules.crm.profile.timeline import list_events
from app.modules.crm.rules import REASONS
from app.modules.customers.public import (
    TAG_LENGTH_MAX,
    Birthday,
    CustomerView,
    export_person,
    list_tags,
    list_tags_of,
    parse_birthday,
)
from app.modules.merchants.public import get_merchant
from app.utils.id_generator import format_card_number

router = APIRouter(prefix=URL + "/{customer_id}", include_in_schema=False)


@router.get("", dependencies=[member("customers.view", api_key=False)])
async def get_customer_page(
    request: Request,
    customer_id: UUID,
    principal: MerchantDep,
    session: SessionDep,
    clock: ClockDep,
    after: str = "",
) -> Response:
    """Show one customer: who, which cards, what happened, what was agreed, and what modules add."""
    customer = await get_person(session, principal, customer_id, now=clock.now())
    events = await _events(session, customer, after)
    if is_htmx(request):
        return render_fragment(request, "crm/_events.html", events)
    context = await _profile(request, session, principal, customer=customer)
    return await render_member_page(request, session, "crm/person.html", {**context, **events})


async def _events(session: AsyncSession, customer: CustomerView, after: str) -> dict[str, Any]:
    page = await list_events(session, customer.merchant_id, customer.id, after=after)
    merchant = await get_merchant(session, customer.merchant_id)
    base = person_url(customer.id)
    return {
        "events": [describe(event) for event in page.events],
        "is_first": not after,
        "more_url": f"{base}?after={page.next.replace('+', '%2B')}" if page.next else None,
        "base": base,
        "zone": merchant.time_zone,
    }


async def _profile(
    request: Request, session: AsyncSession, principal: Principal, *, customer: CustomerView
) -> dict[str, Any]:
    is_living = customer.erased_at is None
    return {
        "page_title": person_title(customer),
        "back_url": URL,
        "back_label": _("Customers"),
        "customer": customer,
        "cards": await list_person_cards(session, principal.merchant_id, [customer.id]),
        "tags": (await list_tags_of(session, principal.merchant_id, [customer.id])).get(customer.id, []),
        "known_tags": await list_tags(session, principal.merchant_id),
        "tag_length": TAG_LENGTH_MAX,
        "notes": await notes_of(session, customer),
        "language": LANGUAGES.get(customer.locale, customer.locale),
        "panels": await panels_of(request, session, customer.id),
        "may_edit": is_living and principal.may("customers.edit"),
        "may_adjust": is_living and principal.may("customers.adjust"),
        "may_erase": is_living and principal.may("customers.erase"),
        "printed": format_card_number,
    }


@router.get("/correct", dependencies=[member("customers.adjust", api_key=False)])
async def get_correct_page(
    request: Request, customer_id: UUID, principal: MerchantDep, session: SessionDep, clock: ClockDep
) -> Response:
    """Show the form that corrects a balance."""
    customer = await get_living_person(session, principal, customer_id, now=clock.now())
    return await _correct_page(request, session, customer)


async def _correct_page(
    request: Request,
    session: AsyncSession,
    customer: CustomerView,
    *,
    form: FormInput[CorrectionForm] | None = None,
    refusal: Refusal | None = None,
) -> Response:
    context = {
        **frame(customer, _("Correct the balance")),
        "cards": await list_person_cards(session, customer.merchant_id, [customer.id]),
        "reasons": [(key, _(word)) for key, word in REASONS.items()],
        "values": form.values if form else {},
        "errors": form.errors if form else {},
        "problem": refusal_text(refusal) if refusal else "",
        "asks_force": refusal is not None and refusal.code == "below_zero",
        "printed": format_card_number,
    }
    status = 422 if refusal or (form and form.errors) else 200
    return await render_member_page(request, session, "crm/correct.html", context, status_code=status)


@router.post("/correct", dependencies=[member("customers.adjust", api_key=False)])
async def post_correct(
    request: Request, customer_id: UUID, principal: MerchantDep, session: SessionDep, clock: ClockDep
) -> Response:
    """Move a card's stamps or points by hand; the form sent twice moves them once."""
    customer = await get_living_person(session, principal, customer_id, now=clock.now())
    form = await read_form(request, CorrectionForm, convert=_NUMBERS)
    if form.data is None or not (form.data.stamps or form.data.points):
        form.errors.setdefault("amount", _("Say how many to give or to take."))
        return await _correct_page(request, session, customer, form=form)
    correction = Correction(**form.data.model_dump())
    outcome = await service.correct_card(
        session, principal, customer_id, correction=correction, key=form.key, now=clock.now()
    )
    if isinstance(outcome, Refusal):
        return await _correct_page(request, session, customer, form=form, refusal=outcome)
    return redirect(request, person_url(customer_id), flash=_("The balance is corrected."))


def _number(value: str) -> int | str:
    return whole(value.replace("−", "-").replace("+", "")) if value.strip() else 0


_NUMBERS = {"stamps": _number, "points": _number, "force": yes}


@router.get("/edit", dependencies=[member("customers.edit", api_key=False)])
async def get_edit_page(
    request: Request, customer_id: UUID, principal: MerchantDep, session: SessionDep, clock: ClockDep
) -> Response:
    """Show the form of what is known of a customer."""
    customer = await get_living_person(session, principal, customer_id, now=clock.now())
    return await _edit_page(request, session, customer)


async def _edit_page(
    request: Request,
    session: AsyncSession,
    customer: CustomerView,
    *,
    form: FormInput[DetailsForm] | None = None,
) -> Response:
    values = {
        "name": customer.name,
        "email": customer.email,
        "phone": customer.phone,
        "birthday": str(customer.birthday).removeprefix("--") if customer.birthday else "",
        "locale": customer.locale,
    }
    context = {
        **frame(customer, _("Change details")),
        "values": form.values if form else values,
        "errors": form.errors if form else {},
        "languages_known": list(LANGUAGES.items()),
    }
    status = 422 if form and form.errors else 200
    return await render_member_page(request, session, "crm/edit.html", context, status_code=status)


@router.post("/edit", dependencies=[member("customers.edit", api_key=False)])
async def post_edit(
    request: Request, customer_id: UUID, principal: MerchantDep, session: SessionDep, clock: ClockDep
) -> Response:
    """Change what is known of a customer; a new address is asked to confirm itself."""
    now = clock.now()
    customer = await get_living_person(session, principal, customer_id, now=now)
    form = await read_form(request, DetailsForm)
    birthday = _birthday(form, today=now.date())
    if form.data is None or form.errors:
        return await _edit_page(request, session, customer, form=form)
    details = form.data.to_details(birthday)
    changed = await service.edit_person(session, principal, customer_id, details=details, now=now)
    asked = "email" in changed and details.email
    words = _("Changed. We asked the new address to confirm itself.") if asked else _("Changed.")
    return redirect(request, person_url(customer_id), flash=words)


def _birthday(form: FormInput[DetailsForm], *, today: date) -> Birthday | None:
    text = str(form.values.get("birthday", "")).strip()
    if not text:
        return None
    try:
        return parse_birthday(text, today=today)
    except ValueError:
        form.errors["birthday"] = _("Write it as 1990-05-17, or 05-17 without the year.")
        return None


@router.get("/data.json", dependencies=[member("customers.edit", api_key=False)])
async def get_data(
    customer_id: UUID, principal: MerchantDep, session: SessionDep, clock: ClockDep
) -> Response:
    """Return everything any module knows about a customer, as one file, for whoever asked the shop for it."""
    customer = await get_person(session, principal, customer_id, now=clock.now())
    everything = await export_person(session, principal.merchant_id, customer.id)
    headers = {
        "content-disposition": 'attachment; filename="customer.json"',
        "cache-control": "no-store",
        "content-language": current().language,
    }
    return json_response(everything, headers=headers)
