"""What cards, passes, profiles and the till show of a birthday gift."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncSession

from app.kernel.i18n import current
from app.kernel.i18n import gettext as _
from app.kernel.points import CardContext, PageContext, Panel, TillContext
from app.modules.birthdays.queries import find_gift_on, list_gifts_of
from app.modules.birthdays.service import zone_of
from app.modules.birthdays.telling import (
    GiftView,
    day_text,
    factor_text,
    gift_text,
    greeting,
    more_text,
    offer_text,
    view_gift,
)
from app.modules.cards.public import PassObject
from app.modules.merchants.public import get_merchant
from app.modules.wallets.public import PassField

GIFTS_SHOWN = 5


async def shown_gift(
    session: AsyncSession, merchant_id: UUID, pass_id: UUID, *, now: datetime
) -> tuple[GiftView, date] | None:
    """Return the gift that a card shows now, with the day it is at its store; None without one."""
    merchant = await get_merchant(session, merchant_id)
    card = await session.get(PassObject, (merchant_id, pass_id))
    if card is None or card.status != "active":
        return None
    today = now.astimezone(ZoneInfo(await zone_of(session, merchant, card))).date()
    gift = await find_gift_on(session, merchant_id, pass_id, today=today)
    return (await view_gift(session, gift), today) if gift else None


def drawn(gift: GiftView, *, today: date) -> dict[str, Any]:
    """Return what the blocks draw."""
    assert gift.good_until is not None
    note, more = _("Already on your card."), more_text(gift, today=today)
    if gift.kind == "reward":
        note = _("On us until %(day)s. Show this card at the till.", day=day_text(gift.good_until))
    elif gift.kind == "factor":
        note, more = _("On every purchase until %(day)s.", day=day_text(gift.good_until)), ""
    return {"what": gift_text(gift), "note": note, "more": more}


async def card_block(context: CardContext) -> list[Panel]:
    """Wish the holder a happy birthday, with what they get."""
    found = await shown_gift(context.session, context.merchant_id, context.pass_id, now=context.now)
    if found is None:
        return []
    gift, today = found
    return [Panel(greeting(gift, today=today), "birthdays/_card.html", drawn(gift, today=today), order=10)]


async def pass_fields(context: CardContext) -> list[PassField]:
    """Return the gift for the front of a pass, and until when on its back; it says nothing by itself."""
    found = await shown_gift(context.session, context.merchant_id, context.pass_id, now=context.now)
    if found is None:
        return []
    gift, today = found
    fields = [PassField("birthday", _("Birthday gift"), gift_text(gift), place="auxiliary", order=45)]
    if gift.kind == "reward" and gift.good_until is not None:
        until = day_text(gift.good_until)
        fields.append(PassField("birthday_until", _("Gift good until"), until, place="back", order=46))
    if more := more_text(gift, today=today):
        fields.append(PassField("birthday_points", _("Birthday points"), more, place="back", order=47))
    return fields


async def till_panel(context: TillContext) -> list[Panel]:
    """Let staff wish a happy birthday, and know of the gift."""
    found = await shown_gift(context.session, context.merchant_id, context.pass_id, now=context.now)
    if found is None:
        return []
    gift, today = found
    return [Panel(_("Birthday"), "birthdays/_till.html", {"what": offer_text(gift, today=today)}, order=15)]


def state_text(gift: GiftView, outcome: str | None, *, is_redeemed: bool) -> str:
    """Return what became of a gift."""
    if is_redeemed or outcome == "redeemed":
        return _("Redeemed")
    if gift.kind == "factor":
        return _("Until %(day)s", day=day_text(gift.factor_until)) if gift.factor_until else _("Over")
    if outcome == "lapsed":
        return _("Not redeemed in time")
    if gift.kind == "reward" and gift.good_until is not None:
        return _("Waits until %(day)s", day=day_text(gift.good_until))
    return _("On the card")


def profile_parts(gift: GiftView) -> list[str]:
    """Return what was given, and how often points counted beside it."""
    if gift.factor is None or gift.kind == "factor":
        return [gift_text(gift)]
    return [gift_text(gift), factor_text(gift.factor)]


async def customer_panel(page: PageContext) -> list[Panel]:
    """Show a customer's birthday gifts on their profile."""
    if page.subject_id is None or not page.principal.may("birthdays.view"):
        return []
    rows = await list_gifts_of(page.session, page.principal.merchant_id, page.subject_id)
    if not rows:
        return []
    zone = (await get_merchant(page.session, page.principal.merchant_id)).time_zone
    gifts = []
    for row, redeemed in reversed(rows[-GIFTS_SHOWN:]):
        gift = await view_gift(page.session, row)
        gifts.append(
            {
                "what": " · ".join(profile_parts(gift)),
                "day": current().format_date(row.given_at, zone=zone),
                "state": state_text(gift, row.outcome, is_redeemed=redeemed),
            }
        )
    return [Panel(_("Birthday gifts"), "birthdays/_customer.html", {"gifts": gifts}, order=25)]
