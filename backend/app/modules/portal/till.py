"""Giving a visit on the customer's phone: what the form brings, and what it is answered with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from app.dependencies import StoreRef
from app.kernel.errors import NotFound
from app.kernel.i18n import current
from app.kernel.i18n import gettext as _
from app.kernel.money import Money, currency_exponent, to_minor
from app.kernel.outcomes import Refusal
from app.modules.cards.public import CardRef
from app.modules.portal.forms import form_key
from app.modules.portal.presenting import RefusedText, refused_text
from app.modules.stores.public import StoreView, get_store
from app.modules.visits.public import (
    AwardCommand,
    AwardGranted,
    award_visit,
    explain_visit,
    list_tenders,
    name_tenders,
    read_tenders,
)
from app.utils.validators import parse_amount, typed_amount

QUANTITY_MAX = 100
STAMP_ROUTE, POINTS_ROUTE = "stamp", "points"


@dataclass(frozen=True, slots=True)
class TillForm:
    """What was typed. amount_text is shown again after a mistake; the PIN never is."""

    card: str
    staff_pin: str
    quantity: int
    amount: Decimal | None
    amount_text: str
    error: str = ""
    tenders: Mapping[str, Decimal] = field(default_factory=dict)


def read_till(form: Mapping[str, str], *, with_amount: bool, currency: str) -> TillForm:
    """Read the form of the PIN pad; error says what cannot be used."""
    text = form.get("amount", "").strip()
    pin = form.get("staff_pin", "").strip()
    quantity = _read_quantity(form.get("quantity", "1"))
    amount: Decimal | None = None
    error = ""
    if not (pin.isascii() and pin.isdecimal() and 4 <= len(pin) <= 6):
        error = _("A PIN has four to six digits.")
    if quantity is None:
        error = _("That number of stamps cannot be given.")
    if with_amount:
        try:
            amount = read_amount(text, currency=currency)
        except ValueError:
            error = _("Please type the amount like %(example)s.", example=example_amount(currency))
    tenders: dict[str, Decimal] = {}
    try:
        tenders = read_tenders(form) if with_amount else {}
    except ValueError:
        error = _("Please type the amount like %(example)s.", example=example_amount(currency))
    return TillForm(form.get("card", "")[:64], pin, quantity or 1, amount, text, error, tenders)


def read_amount(text: str, *, currency: str) -> Decimal:
    """Return the amount as people type it in any of our languages; raises ValueError."""
    amount = parse_amount(typed_amount(text))
    to_minor(amount, currency)
    return amount


def example_amount(currency: str, amount: str = "59.90") -> str:
    """Return an amount as the reader's language writes it, with the currency's decimals and without its name."""
    return current().format_number(Decimal(amount), decimals=currency_exponent(currency))


async def show_tenders(
    session: AsyncSession,
    store: StoreRef,
    *,
    card: CardRef | None,
    modules_on: frozenset[str],
    now: datetime,
) -> list[dict[str, str]]:
    """Return the inputs for what the card itself pays. card: the holder's own; of another's nothing is told."""
    if card is None:
        return [
            {"field": offer.field, "title": offer.title, "held": ""} for offer in name_tenders(modules_on)
        ]
    currency = (await get_store(session, store)).currency
    offers = await list_tenders(session, store.merchant_id, card.id, modules_on=modules_on, now=now)
    money = current().format_money
    return [
        {"field": one.field, "title": one.title, "held": money(Money(one.available_minor, currency))}
        for one in offers
    ]


def _read_quantity(text: str) -> int | None:
    if not (text.isascii() and text.isdecimal() and len(text) <= 3):
        return None
    return int(text) if 1 <= int(text) <= QUANTITY_MAX else None


async def give_visit(
    session: AsyncSession,
    store: StoreRef,
    form: TillForm,
    *,
    raw: Mapping[str, str],
    address: str,
    now: datetime,
) -> AwardGranted | Refusal:
    """Award what the form asks for; an unknown card is a refusal here, because the page says it in place."""
    command = AwardCommand(
        card=form.card,
        quantity=0 if form.amount is not None else form.quantity,
        amount=form.amount,
        route=POINTS_ROUTE if form.amount is not None else STAMP_ROUTE,
        address=address,
        source="customer_phone",
        staff_pin=form.staff_pin,
        idempotency_key=form_key(raw),
        tenders=form.tenders,
    )
    try:
        return await award_visit(session, store, command, now=now)
    except NotFound:
        return Refusal("not_found")


def explain_refusal(refusal: Refusal, view: StoreView, *, now: datetime) -> RefusedText:
    """Return the refusal in plain words; an unknown card is named as such."""
    if refusal.code == "not_found":
        return RefusedText("not_found", _("We could not find this card here."))
    return refused_text(refusal, now=now, zone=view.time_zone)


def given_facts(granted: AwardGranted, view: StoreView, *, now: datetime) -> dict[str, Any]:
    """Return what the result says: numbers of the answer, and why a purchase brought no stamp."""
    answer = granted.answer
    refused = answer.get("stamp_refused")
    return {
        "answer": answer,
        "given_by": granted.given_by,
        "why": explain_visit(answer["explanation"], points=answer["points_added"], currency=view.currency),
        "stamp_refused": refused_text(Refusal(refused), now=now, zone=view.time_zone).text if refused else "",
    }
