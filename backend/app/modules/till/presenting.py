"""What the staff templates show: words and numbers, made from outcomes and the neutral view of a card."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from app.kernel.i18n import current, ngettext
from app.kernel.i18n import gettext as _
from app.kernel.money import Money
from app.kernel.outcomes import Refusal
from app.kernel.web.problems import refusal_text
from app.modules.rewards.public import RedeemGranted, VoidGranted
from app.modules.till.queries import LastEvent
from app.modules.till.service import Till, TillCard
from app.modules.visits.public import AwardGranted
from app.modules.wallets.public import CardView


def till_values(till: Till) -> dict[str, Any]:
    """Return what every page of an open shift shows."""
    program = till.store.program
    version = urlencode({"m": str(program.merchant_id), "v": program.design_version})
    return {
        "store_name": till.store.name,
        "staff_name": till.staff.name,
        "end_shift_url": "/staff/shift/end",
        "theme_url": f"/theme/{program.id}.css?{version}",
        "loyalty_type": till.store.loyalty_type,
        "currency": till.store.currency,
        "stamps_per_visit": program.stamps_per_visit,
    }


def _money(amount_minor: int, currency: str) -> str:
    return current().format_money(Money(amount_minor, currency))


def card_values(card: TillCard, *, time_zone: str, currency: str) -> dict[str, Any]:
    """Return what the card in front of the staff shows."""
    view = card.view
    return {
        "card": view,
        "picture": picture_of(view),
        "ready_rewards": [reward for reward in view.rewards if reward.waiting],
        "tenders": [
            {"field": offer.field, "title": offer.title, "held": _money(offer.available_minor, currency)}
            for offer in card.tenders
        ],
        "panels": card.panels,
        "is_blocked": view.status != "active",
        "undo": card.undo,
        "undo_text": undo_text(card.undo, time_zone=time_zone) if card.undo else "",
    }


def picture_of(view: CardView) -> CardView:
    """Return the view as the till draws it: headed by whose card it is and its number."""
    return replace(
        view,
        merchant_name=view.customer_name or view.merchant_name,
        program_name=view.customer_name or view.program_name,
        store_name=view.card_number_printed,
        store_names=(view.card_number_printed,),
    )


def undo_text(event: LastEvent, *, time_zone: str) -> str:
    """Return what would be taken back, in words."""
    at = current().format_time(event.at, zone=time_zone)
    if event.kind == "redemption":
        return _("Reward given at %(time)s", time=at)
    given = _gains(event.stamps, event.points)
    return _("%(given)s at %(time)s", given=given, time=at)


def _gains(stamps: int, points: int) -> str:
    parts = []
    if stamps:
        parts.append(ngettext("%(num)s stamp", "%(num)s stamps", stamps))
    if points:
        number = current().format_number(points)
        parts.append(ngettext("%(number)s point", "%(number)s points", points, number=number))
    return " + ".join(parts) or _("Visit")


def award_text(granted: AwardGranted) -> str:
    """Return what was given, in words."""
    answer = granted.answer
    text = _("Given: %(given)s", given=_gains(answer["stamps_added"], answer["points_added"]))
    if answer.get("stamp_refused"):
        text += " · " + _("No stamp this time: %(why)s", why=refusal_text(Refusal(answer["stamp_refused"])))
    if answer.get("stamps_left_over"):
        left = answer["stamps_left_over"]
        text += " · " + ngettext("%(num)s stamp did not fit", "%(num)s stamps did not fit", left)
    return text


def redeemed_text(granted: RedeemGranted) -> str:
    """Return which reward was given."""
    return _("Reward given: %(title)s", title=granted.answer["reward"]["title"])


def voided_text(_granted: VoidGranted) -> str:
    """Say that it was taken back."""
    return _("Taken back.")


def refused_text(refusal: Refusal, *, time_zone: str) -> str:
    """Return the refusal with the moment from which it works again."""
    text = refusal_text(refusal)
    if refusal.retry_at is None:
        return text
    again = _("Possible again at %(time)s.", time=current().format_time(refusal.retry_at, zone=time_zone))
    return f"{text} {again}"
