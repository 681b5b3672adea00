"""What cards, passes, profiles and the till show of credit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.kernel.i18n import current
from app.kernel.i18n import gettext as _
from app.kernel.money import Money
from app.kernel.points import CardContext, PageContext, Panel, TillContext
from app.kernel.settings import get_settings
from app.modules.cards.public import list_cards_of_customer
from app.modules.cashback.earning import percent_text
from app.modules.cashback.models import CreditEntry
from app.modules.cashback.queries import Held, credit_of, list_entries, lot_ends
from app.modules.cashback.service import REASONS
from app.modules.cashback.settings import CashbackSettings
from app.modules.merchants.public import MerchantView, get_merchant
from app.modules.wallets.public import PassField

CARD_LINES, PROFILE_LINES = 8, 5
# Said on the card when credit runs out within this time; the day stands in the statement anyway.
SOON = timedelta(days=30)


def money_text(amount_minor: int, currency: str) -> str:
    """Return an amount in the language in effect."""
    return current().format_money(Money(amount_minor, currency))


def last_day(expires_at: datetime, zone: str) -> str:
    """Return the last day on which credit is good, in words."""
    return current().format_date(expires_at - timedelta(microseconds=1), zone=zone)


@dataclass(frozen=True, slots=True)
class Line:
    """A movement as a statement shows it."""

    day: str
    text: str
    amount: str
    is_gain: bool
    note: str = ""


def entry_text(entry: CreditEntry) -> str:
    """Return what a movement was, in words."""
    if entry.kind == "adjust":
        return _(REASONS.get(str(entry.rule.get("reason")), REASONS["mistake"]))
    if entry.kind == "earn":
        rate = str(entry.rule.get("detail", "")).partition("|")[0]
        return _("%(percent)s back on a purchase", percent=percent_text(int(rate))) if rate else _("Cashback")
    taken_back = _("Payment taken back") if entry.amount_minor > 0 else _("Purchase taken back")
    sayings = {
        "spend": _("Paid with store credit"),
        "void": taken_back,
        "expire": _("Expired"),
        "transfer": _("Moved from another card") if entry.amount_minor > 0 else _("Moved to another card"),
        "erase": _("Deleted with the card"),
    }
    return sayings[entry.kind]


async def statement(
    session: AsyncSession, merchant: MerchantView, pass_ids: Sequence[UUID], *, most: int, now: datetime
) -> list[Line]:
    """Return the newest movements of cards in words, each with its sign."""
    entries = await list_entries(session, merchant.id, pass_ids, most=most)
    ends = await lot_ends(session, merchant.id, entries)
    lines = []
    for entry in entries:
        amount, end = money_text(entry.amount_minor, entry.currency), ends.get(entry.id)
        note = ""
        if end is not None and end.remaining_minor and end.expires_at is not None and end.expires_at > now:
            note = _("Good until %(day)s", day=last_day(end.expires_at, merchant.time_zone))
        is_gain = entry.amount_minor > 0
        day = current().format_date(entry.at, zone=merchant.time_zone)
        lines.append(
            Line(day, entry_text(entry), f"+{amount}" if is_gain else amount, is_gain=is_gain, note=note)
        )
    return lines


def ending_text(held: Held, merchant: MerchantView) -> str:
    """Return "€4.00 good until 3 Dec 2026", or nothing where no credit runs out."""
    if held.next_at is None:
        return ""
    return _(
        "%(amount)s good until %(day)s",
        amount=money_text(held.next_minor, merchant.currency),
        day=last_day(held.next_at, merchant.time_zone),
    )


def shown(held: Held, merchant: MerchantView, *, now: datetime) -> dict[str, Any]:
    """Return what the blocks draw of a balance."""
    return {
        "held": money_text(held.available_minor, merchant.currency),
        "is_empty": not held.available_minor,
        "debt": money_text(held.debt_minor, merchant.currency) if held.debt_minor else "",
        "ending": ending_text(held, merchant),
        "is_soon": held.next_at is not None and held.next_at - now <= SOON,
    }


async def card_block(context: CardContext) -> list[Panel]:
    """Show the holder their credit, what runs out first, how it grows, and the statement."""
    session, merchant_id = context.session, context.merchant_id
    merchant = await get_merchant(session, merchant_id)
    settings = await get_settings(session, CashbackSettings, merchant_id=merchant_id)
    held = await credit_of(session, merchant_id, context.pass_id, now=context.now)
    if not held.has_history and not settings.rate_bp:
        return []
    values = shown(held, merchant, now=context.now)
    values["rate"] = percent_text(settings.rate_bp) if settings.rate_bp else ""
    values["lines"] = await statement(session, merchant, [context.pass_id], most=CARD_LINES, now=context.now)
    return [Panel(_("Your store credit"), "cashback/_card.html", values, order=21)]


async def pass_fields(context: CardContext) -> list[PassField]:
    """Return the credit for the front of a pass, and what runs out first for its back."""
    merchant = await get_merchant(context.session, context.merchant_id)
    held = await credit_of(context.session, context.merchant_id, context.pass_id, now=context.now)
    if not held.has_history:
        return []
    value = money_text(held.available_minor, merchant.currency)
    # The wallet puts the new balance where %@ stands.
    message = _("Your store credit is now %(amount)s.", amount="%@")
    fields = [PassField("credit", _("Store credit"), value, message, place="auxiliary", order=45)]
    if held.next_at is not None:
        part = money_text(held.next_minor, merchant.currency)
        until = f"{last_day(held.next_at, merchant.time_zone)} ({part})"
        fields.append(PassField("credit_until", _("Credit good until"), until, place="back", order=46))
    return fields


async def till_panel(context: TillContext) -> list[Panel]:
    """Tell staff how much credit there is to pay with."""
    held = await credit_of(context.session, context.merchant_id, context.pass_id, now=context.now)
    if not held.available_minor and not held.debt_minor:
        return []
    merchant = await get_merchant(context.session, context.merchant_id)
    return [Panel(_("Store credit"), "cashback/_till.html", shown(held, merchant, now=context.now), order=30)]


async def customer_panel(page: PageContext) -> list[Panel]:
    """Show the credit of a customer's cards with its last movements, on their profile."""
    if page.subject_id is None or not page.principal.may("cashback.view"):
        return []
    merchant = await get_merchant(page.session, page.principal.merchant_id)
    cards = [
        card
        for card in await list_cards_of_customer(page.session, merchant.id, page.subject_id)
        if card.status in {"active", "blocked"}
    ]
    may_adjust = page.principal.may("cashback.adjust")
    rows = []
    for card in cards:
        held = await credit_of(page.session, merchant.id, card.id, now=page.now)
        if not held.has_history and not may_adjust:
            continue
        lines = await statement(page.session, merchant, [card.id], most=PROFILE_LINES, now=page.now)
        rows.append(
            {
                **shown(held, merchant, now=page.now),
                "lines": lines,
                "url": f"/dashboard/cashback/cards/{card.id}",
            }
        )
    if not rows:
        return []
    context = {"purses": rows, "may_adjust": may_adjust}
    return [Panel(_("Store credit"), "cashback/_customer.html", context, order=16)]
