"""The dashboard's pages about cashback: how it works, and credit given or taken by hand."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field, StringConstraints
from sqlalchemy.ext.asyncio import AsyncSession

from app.dependencies import ClockDep, MerchantDep, SessionDep, member
from app.kernel.clock import Clock
from app.kernel.errors import Invalid, NotFound
from app.kernel.i18n import current
from app.kernel.i18n import gettext as _
from app.kernel.money import currency_exponent, to_minor
from app.kernel.outcomes import Refusal
from app.kernel.permissions import Principal
from app.kernel.settings import get_settings
from app.kernel.web.form_input import FormInput, decimal_text, read_form, whole
from app.kernel.web.forms import redirect
from app.kernel.web.problems import refusal_text
from app.kernel.web.shell import render_member_page
from app.modules.cards.public import CardRef, get_card
from app.modules.cashback import service, showing
from app.modules.cashback.earning import percent_text
from app.modules.cashback.queries import count_purses, credit_of
from app.modules.cashback.rules import RATE_BP_MAX, decide_cashback
from app.modules.cashback.settings import EXPIRY_MONTHS_MAX, HAND_MAX_MOST_MINOR, CashbackSettings
from app.modules.customers.public import AudienceFilter, is_meant
from app.modules.merchants.public import get_merchant
from app.modules.stores.public import list_stores
from app.utils.id_generator import format_card_number, new_id
from app.utils.validators import parse_amount, typed_amount

router = APIRouter(prefix="/dashboard/cashback", include_in_schema=False)
URL = "/dashboard/cashback"
STATEMENT_LINES = 200
# An everyday purchase in each currency, for the example: 59.90, or 5,990 where there are no cents.
EXAMPLE_MINOR = 5_990


class SettingsForm(BaseModel):
    """How cashback works, as typed. percent: of a purchase, with up to two decimals."""

    percent: Annotated[Decimal, Field(ge=0, le=RATE_BP_MAX // 100, decimal_places=2)]
    rounding: Literal["half_even", "half_up", "down", "up"] = "half_even"
    expiry_months: Annotated[int, Field(ge=0, le=EXPIRY_MONTHS_MAX)] = 12
    hand_max: Annotated[str, StringConstraints(max_length=20)] = ""

    def to_settings(self, before: CashbackSettings, currency: str) -> CashbackSettings:
        """Return them as they are kept; an empty limit stays as it was. Raises Invalid for what is no limit."""
        most = before.hand_max_minor
        if self.hand_max.strip():
            most = _read_money(self.hand_max, currency, name="hand_max")
        if not 1 <= most <= HAND_MAX_MOST_MINOR:
            largest = showing.money_text(HAND_MAX_MOST_MINOR, currency)
            text = _("More than nothing, and at most %(amount)s.", amount=largest)
            raise Invalid(extra={"fields": {"hand_max": text}})
        return CashbackSettings(
            rate_bp=int(self.percent * 100),
            rounding=self.rounding,
            expiry_months=self.expiry_months,
            hand_max_minor=most,
        )


class CreditForm(BaseModel):
    """Credit to give or to take by hand, as typed."""

    direction: Literal["give", "take"] = "give"
    amount: Annotated[str, StringConstraints(min_length=1, max_length=20)]
    reason: Literal["goodwill", "returned", "mistake"] = "goodwill"

    def to_adjustment(self, card: CardRef, currency: str) -> service.Adjustment:
        """Return it for the use case; raises Invalid for what is no amount of the currency."""
        amount = _read_money(self.amount, currency, name="amount")
        return service.Adjustment(card.id, amount if self.direction == "give" else -amount, self.reason)


def _read_money(typed: str, currency: str, *, name: str) -> int:
    """Return a typed amount in minor units; raises Invalid beside its field for what is none of the currency."""
    try:
        return to_minor(parse_amount(typed_amount(typed)), currency)
    except ValueError as error:
        text = _("This is no amount of %(currency)s.", currency=currency)
        raise Invalid(extra={"fields": {name: text}}) from error


def _percent_typed(rate_bp: int) -> str:
    digits = 0 if rate_bp % 100 == 0 else 1 if rate_bp % 10 == 0 else 2
    return current().format_number(Decimal(rate_bp) / 100, decimals=digits)


def _money_typed(minor: int, currency: str) -> str:
    """Return an amount as it stands in a field."""
    digits = currency_exponent(currency)
    return current().format_number(Decimal(minor).scaleb(-digits), decimals=digits)


def _example(settings: CashbackSettings, currency: str) -> str:
    """Return what an everyday purchase gives back, in words."""
    minor = EXAMPLE_MINOR if currency_exponent(currency) < 3 else EXAMPLE_MINOR * 10
    earned = decide_cashback(minor, 0, rate_bp=settings.rate_bp, rounding=settings.rounding)
    return _(
        "A purchase of %(amount)s gives %(back)s back.",
        amount=showing.money_text(minor, currency),
        back=showing.money_text(earned.amount_minor, currency),
    )


async def _overview(
    request: Request,
    session: AsyncSession,
    principal: Principal,
    clock: Clock,
    form: FormInput[SettingsForm] | None = None,
) -> Response:
    merchant = await get_merchant(session, principal.merchant_id)
    settings = await get_settings(session, CashbackSettings, merchant_id=merchant.id)
    owed, cards = await count_purses(session, merchant.id, now=clock.now())
    stores = await list_stores(session, merchant.id)
    stored = {
        **settings.model_dump(),
        "percent": _percent_typed(settings.rate_bp),
        "hand_max": _money_typed(settings.hand_max_minor, merchant.currency),
    }
    context: dict[str, Any] = {
        "page_title": _("Cashback"),
        "page_text": _("A part of every purchase comes back as money to spend in your shop."),
        "rate": percent_text(settings.rate_bp),
        "has_rate": settings.rate_bp > 0,
        "example": _example(settings, merchant.currency),
        "owed": showing.money_text(owed, merchant.currency),
        "cards": cards,
        "has_amounts": any(store.loyalty_type != "stamps" for store in stores),
        "values": {**stored, **(form.values if form else {})},
        "errors": form.errors if form else {},
        "currency": merchant.currency,
        "may_edit": principal.may("cashback.edit"),
    }
    status = 422 if form and form.errors else 200
    return await render_member_page(request, session, "cashback/overview.html", context, status_code=status)


@router.get("", dependencies=[member("cashback.view", api_key=False)])
async def get_page(
    request: Request, session: SessionDep, principal: MerchantDep, clock: ClockDep
) -> Response:
    """Show how cashback works and what is owed."""
    return await _overview(request, session, principal, clock)


@router.post("", dependencies=[member("cashback.edit", api_key=False)])
async def post_page(
    request: Request, session: SessionDep, principal: MerchantDep, clock: ClockDep
) -> Response:
    """Keep how cashback works."""
    convert = {"percent": decimal_text, "expiry_months": whole}
    form = await read_form(request, SettingsForm, convert=convert)
    settings = await _read_settings(session, form, principal.merchant_id)
    if settings is None:
        return await _overview(request, session, principal, clock, form)
    await service.change_settings(session, principal, settings, now=clock.now())
    return redirect(request, URL, flash=_("Saved. It counts from the next purchase on."))


async def _read_settings(
    session: AsyncSession, form: FormInput[SettingsForm], merchant_id: UUID
) -> CashbackSettings | None:
    """Return what was typed, or None with the reason beside the field."""
    if form.data is None:
        return None
    before = await get_settings(session, CashbackSettings, merchant_id=merchant_id)
    try:
        return form.data.to_settings(before, (await get_merchant(session, merchant_id)).currency)
    except Invalid as error:
        form.refuse(error)
        return None


async def _living_card(
    session: AsyncSession, principal: Principal, pass_id: UUID, *, now: datetime
) -> CardRef:
    """Return a card in use of somebody whom the member may see; raises NotFound."""
    card = await get_card(session, principal.merchant_id, pass_id)
    if card.status not in {"active", "blocked"}:
        raise NotFound("card")
    if principal.store_ids:
        within = AudienceFilter(within=principal.store_ids)
        if not await is_meant(session, principal.merchant_id, within, customer_id=card.customer_id, now=now):
            raise NotFound("card")
    return card


async def _credit_page(  # noqa: PLR0913 - the parts of one page
    request: Request,
    session: AsyncSession,
    principal: Principal,
    card: CardRef,
    *,
    clock: Clock,
    form: FormInput[CreditForm] | None = None,
    problem: str = "",
) -> Response:
    merchant, now = await get_merchant(session, principal.merchant_id), clock.now()
    held = await credit_of(session, merchant.id, card.id, now=now)
    settings = await get_settings(session, CashbackSettings, merchant_id=merchant.id)
    context = {
        "page_title": _("Store credit"),
        "page_text": format_card_number(card.card_number),
        "back_url": f"/dashboard/customers/{card.customer_id}",
        "back_label": _("Customer"),
        **showing.shown(held, merchant, now=now),
        "lines": await showing.statement(session, merchant, [card.id], most=STATEMENT_LINES, now=now),
        "reasons": [(key, _(word)) for key, word in service.REASONS.items()],
        "currency": merchant.currency,
        "most": showing.money_text(settings.hand_max_minor, merchant.currency),
        "action": f"{URL}/cards/{card.id}",
        "idempotency_key": str(new_id()),
        "values": form.values if form else {},
        "errors": form.errors if form else {},
        "problem": problem,
        "may_adjust": principal.may("cashback.adjust"),
    }
    status = 422 if problem or (form and form.errors) else 200
    return await render_member_page(request, session, "cashback/credit.html", context, status_code=status)


@router.get("/cards/{pass_id}", dependencies=[member("cashback.view", api_key=False)])
async def get_credit_page(
    request: Request, pass_id: UUID, session: SessionDep, principal: MerchantDep, clock: ClockDep
) -> Response:
    """Show a card's statement, and the form that gives or takes credit."""
    card = await _living_card(session, principal, pass_id, now=clock.now())
    return await _credit_page(request, session, principal, card, clock=clock)


@router.post("/cards/{pass_id}", dependencies=[member("cashback.adjust", api_key=False)])
async def post_credit(
    request: Request, pass_id: UUID, session: SessionDep, principal: MerchantDep, clock: ClockDep
) -> Response:
    """Give or take credit by hand; the form sent twice moves it once."""
    card = await _living_card(session, principal, pass_id, now=clock.now())
    form = await read_form(request, CreditForm)
    adjustment = await _read_adjustment(session, form, card)
    if adjustment is None:
        return await _credit_page(request, session, principal, card, clock=clock, form=form)
    outcome = await service.adjust_credit(session, principal, adjustment, key=form.key, now=clock.now())
    if isinstance(outcome, Refusal):
        problem = refusal_text(outcome)
        return await _credit_page(request, session, principal, card, clock=clock, form=form, problem=problem)
    return redirect(request, f"{URL}/cards/{card.id}", flash=_("The credit is changed."))


async def _read_adjustment(
    session: AsyncSession, form: FormInput[CreditForm], card: CardRef
) -> service.Adjustment | None:
    """Return what was typed, or None with the reason beside the field."""
    if form.data is None:
        return None
    currency = (await get_merchant(session, card.merchant_id)).currency
    try:
        return form.data.to_adjustment(card, currency)
    except Invalid as error:
        form.refuse(error)
        return None
