"""The buttons of a customer's page: notes, tags, consent, blocking, merging, erasing."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Form, Request, Response
from sqlalchemy.ext.asyncio import AsyncSession

from app.dependencies import ClockDep, MerchantDep, SessionDep, member
from app.kernel.clock import Clock
from app.kernel.i18n import gettext as _
from app.kernel.outcomes import Refusal
from app.kernel.permissions import Principal
from app.kernel.web.form_input import read_form
from app.kernel.web.forms import redirect
from app.kernel.web.problems import refusal_text
from app.kernel.web.shell import render_member_page
from app.modules.cards.public import block_card, list_cards_of_customer, revoke_card_links, unblock_card
from app.modules.crm.changes import service as small
from app.modules.crm.listing import list_people, list_person_cards
from app.modules.crm.presenting import URL, read_query
from app.modules.crm.profile import service
from app.modules.crm.profile.presenting import NoteForm, frame, merge_balances, person_title, person_url
from app.modules.crm.profile.service import get_living_person
from app.modules.crm.rules import confirms_erasure
from app.modules.crm.tagging import tag_many, untag
from app.modules.customers.public import TAG_LENGTH_MAX, CustomerView
from app.utils.id_generator import format_card_number
from app.utils.validators import clean_line

router = APIRouter(prefix=URL + "/{customer_id}", include_in_schema=False)
card_router = APIRouter(prefix="/dashboard/cards", include_in_schema=False)
MERGE_SHOWN = 10
TypedText = Annotated[str, Form(max_length=300)]


@router.post("/notes", dependencies=[member("customers.edit", api_key=False)])
async def post_note(
    request: Request, customer_id: UUID, principal: MerchantDep, session: SessionDep, clock: ClockDep
) -> Response:
    """Keep a note about a customer."""
    form = await read_form(request, NoteForm)
    if form.data is None:
        return redirect(
            request, person_url(customer_id), flash=_("The note is empty or too long."), kind="warn"
        )
    await small.write_note(session, principal, customer_id, text=form.data.text, now=clock.now())
    return redirect(request, person_url(customer_id), flash=_("The note is kept."))


@router.post("/notes/{note_id}/delete", dependencies=[member("customers.edit", api_key=False)])
async def post_delete_note(
    request: Request,
    customer_id: UUID,
    note_id: UUID,
    principal: MerchantDep,
    session: SessionDep,
    clock: ClockDep,
) -> Response:
    """Remove a note."""
    await small.remove_note(session, principal, customer_id, note_id=note_id, now=clock.now())
    return redirect(request, person_url(customer_id), flash=_("The note is gone."))


@router.post("/tags", dependencies=[member("customers.edit", api_key=False)])
async def post_tag(
    request: Request,
    customer_id: UUID,
    principal: MerchantDep,
    session: SessionDep,
    clock: ClockDep,
    tag_name: TypedText = "",
) -> Response:
    """Let a customer carry a tag."""
    customer = await get_living_person(session, principal, customer_id, now=clock.now())
    name = clean_line(tag_name)[:TAG_LENGTH_MAX]
    if not name:
        return redirect(request, person_url(customer_id))
    outcome = await tag_many(session, principal, name, picked=[customer.id], everyone=None, now=clock.now())
    words = refusal_text(outcome) if isinstance(outcome, Refusal) else None
    return redirect(request, person_url(customer_id), flash=words, kind="danger")


@router.post("/tags/{tag_id}/remove", dependencies=[member("customers.edit", api_key=False)])
async def post_untag(
    request: Request,
    customer_id: UUID,
    tag_id: UUID,
    principal: MerchantDep,
    session: SessionDep,
    clock: ClockDep,
) -> Response:
    """Take a tag off a customer."""
    await get_living_person(session, principal, customer_id, now=clock.now())
    await untag(session, principal, customer_id, tag_id=tag_id, now=clock.now())
    return redirect(request, person_url(customer_id))


@router.post("/unsubscribe", dependencies=[member("customers.edit", api_key=False)])
async def post_unsubscribe(
    request: Request, customer_id: UUID, principal: MerchantDep, session: SessionDep, clock: ClockDep
) -> Response:
    """Record that a customer told the shop to stop writing."""
    await service.withdraw_consent(session, principal, customer_id, now=clock.now())
    return redirect(request, person_url(customer_id), flash=_("No more promotions go there."))


@router.get("/merge", dependencies=[member("customers.edit", api_key=False)])
async def get_merge_page(
    request: Request,
    customer_id: UUID,
    principal: MerchantDep,
    session: SessionDep,
    clock: ClockDep,
    source: UUID | None = None,
) -> Response:
    """Look for the duplicate of a customer, or show what joining it would make."""
    customer = await get_living_person(session, principal, customer_id, now=clock.now())
    context = frame(customer, _("Join with a duplicate"))
    context |= await _candidates(request, session, principal, clock=clock, kept=customer)
    if source is not None and source != customer_id:
        other = await get_living_person(session, principal, source, now=clock.now())
        context |= await _preview(session, kept=customer, other=other)
    return await render_member_page(request, session, "crm/merge.html", context)


async def _candidates(
    request: Request, session: AsyncSession, principal: Principal, *, clock: Clock, kept: CustomerView
) -> dict[str, Any]:
    query = read_query({"q": request.query_params.get("q", "")})
    people: Sequence[Any] = ()
    if query.q:
        page = await list_people(
            session,
            principal.merchant_id,
            query.audience(principal),
            order="newest",
            after="",
            now=clock.now(),
        )
        people = [person for person in page.people if person.id != kept.id][:MERGE_SHOWN]
    return {"q": query.q, "people": people, "other": None, "balances": [], "printed": format_card_number}


async def _preview(session: AsyncSession, *, kept: CustomerView, other: CustomerView) -> dict[str, Any]:
    source = await list_person_cards(session, kept.merchant_id, [other.id])
    target = await list_person_cards(session, kept.merchant_id, [kept.id])
    return {
        "other": other,
        "other_title": person_title(other),
        "balances": merge_balances(source, target),
        "addresses_differ": bool(
            kept.email and other.email and kept.email.lower() != other.email.lower() and other.email_consent
        ),
    }


@router.post("/merge", dependencies=[member("customers.edit", api_key=False)])
async def post_merge(
    request: Request,
    customer_id: UUID,
    source: Annotated[UUID, Form()],
    principal: MerchantDep,
    session: SessionDep,
    clock: ClockDep,
) -> Response:
    """Join a duplicate to the customer; a second press finds nothing more to join."""
    await service.merge_persons(session, principal, source_id=source, target_id=customer_id, now=clock.now())
    return redirect(request, person_url(customer_id), flash=_("The two are one customer now."))


@router.get("/erase", dependencies=[member("customers.erase", api_key=False)])
async def get_erase_page(
    request: Request, customer_id: UUID, principal: MerchantDep, session: SessionDep, clock: ClockDep
) -> Response:
    """Say what is deleted, what stays, and ask to type who it is."""
    customer = await get_living_person(session, principal, customer_id, now=clock.now())
    return await _erase_page(request, session, customer)


async def _erase_page(
    request: Request, session: AsyncSession, customer: CustomerView, *, error: str = ""
) -> Response:
    cards = await list_person_cards(session, customer.merchant_id, [customer.id])
    number = format_card_number(cards[0].card_number) if cards else ""
    context = {
        **frame(customer, _("Delete this customer")),
        "to_type": customer.name or number or customer.email or "",
        "error": error,
    }
    status = 422 if error else 200
    return await render_member_page(request, session, "crm/erase.html", context, status_code=status)


@router.post("/erase", dependencies=[member("customers.erase", api_key=False)])
async def post_erase(
    request: Request,
    customer_id: UUID,
    principal: MerchantDep,
    session: SessionDep,
    clock: ClockDep,
    typed: TypedText = "",
) -> Response:
    """Delete everything that says who the customer is."""
    customer = await get_living_person(session, principal, customer_id, now=clock.now())
    cards = await list_cards_of_customer(session, principal.merchant_id, customer_id)
    numbers = [card.card_number for card in cards]
    if not confirms_erasure(typed, name=customer.name, email=customer.email, numbers=numbers):
        return await _erase_page(request, session, customer, error=_("That is not this customer."))
    await service.erase_customer(session, principal, customer_id, now=clock.now())
    words = _("Deleted. Visits and totals stay, without a person.")
    return redirect(request, URL, flash=words)


@card_router.post("/{pass_id}/block", dependencies=[member("customers.edit", api_key=False)])
async def post_block(
    request: Request, pass_id: UUID, principal: MerchantDep, session: SessionDep, clock: ClockDep
) -> Response:
    """Stop a card from earning and redeeming."""
    what = (block_card, "card.blocked", _("The card is blocked."))
    return await _change(request, session, principal, pass_id, what=what, clock=clock)


@card_router.post("/{pass_id}/unblock", dependencies=[member("customers.edit", api_key=False)])
async def post_unblock(
    request: Request, pass_id: UUID, principal: MerchantDep, session: SessionDep, clock: ClockDep
) -> Response:
    """Let a blocked card work again."""
    what = (unblock_card, "card.unblocked", _("The card works again."))
    return await _change(request, session, principal, pass_id, what=what, clock=clock)


@card_router.post("/{pass_id}/revoke-links", dependencies=[member("customers.edit", api_key=False)])
async def post_revoke(
    request: Request, pass_id: UUID, principal: MerchantDep, session: SessionDep, clock: ClockDep
) -> Response:
    """End every link and cookie of a card; its holder gets a new one by e-mail or at the counter."""
    what = (revoke_card_links, "card.links_revoked", _("The card is closed on all devices."))
    return await _change(request, session, principal, pass_id, what=what, clock=clock)


async def _change(  # noqa: PLR0917 - the request's parts, then what is done
    request: Request,
    session: AsyncSession,
    principal: Principal,
    pass_id: UUID,
    *,
    what: tuple[Callable[..., Awaitable[object]], str, str],
    clock: Clock,
) -> Response:
    act, action, words = what
    customer_id, changed = await small.switch_card(
        session, principal, pass_id, act=act, action=action, now=clock.now()
    )
    return redirect(request, person_url(customer_id), flash=words if changed else None)
