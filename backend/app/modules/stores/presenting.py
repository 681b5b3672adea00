"""What the store pages show: choices of the forms, the preview of a card, summaries in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any
from uuid import UUID

from pydantic import BeforeValidator

from app.kernel.i18n import current, msg, ngettext
from app.kernel.i18n import gettext as _
from app.kernel.web.form_input import decimal_text, whole, whole_or_none
from app.modules.stores.public import ProgramView, StoreView
from app.modules.stores.rules import WEEKDAYS, hours_text, parse_hours_text
from app.modules.stores.schemas import LoyaltyType, ProgramChanges, Strict, plain_decimal
from app.modules.stores.service import NewStore
from app.utils.validators import Name, OptionalLine, TimeZone

DAY_NAMES = {
    "mon": msg("Monday"),
    "tue": msg("Tuesday"),
    "wed": msg("Wednesday"),
    "thu": msg("Thursday"),
    "fri": msg("Friday"),
    "sat": msg("Saturday"),
    "sun": msg("Sunday"),
}
TYPE_NAMES = {"stamps": msg("Stamps"), "points": msg("Points"), "hybrid": msg("Stamps and points")}
PREVIEW_POINTS = 63


def _hours(value: Any) -> Any:
    try:
        return parse_hours_text(value) if isinstance(value, str) else value
    except ValueError as error:
        raise ValueError("times look like 08:00-12:00") from error


Hours = Annotated[list[list[str]], BeforeValidator(_hours)]


def _empty(value: Any) -> Any:
    return None if value == "" else value


class NewStoreForm(Strict):
    """The form of a new store. program_id: one of the merchant's programmes to share."""

    name: Name
    loyalty_type: LoyaltyType = "stamps"
    program_id: Annotated[UUID | None, BeforeValidator(_empty)] = None
    address: OptionalLine = None

    def to_new(self) -> NewStore:
        """Return what the use case takes; a shared programme brings its own type."""
        return NewStore(
            self.name, "" if self.program_id else self.loyalty_type, self.program_id, address=self.address
        )


class StoreForm(Strict):
    """The form of a store's own details."""

    name: Name
    address: OptionalLine = None
    time_zone: TimeZone
    mon: Hours = []
    tue: Hours = []
    wed: Hours = []
    thu: Hours = []
    fri: Hours = []
    sat: Hours = []
    sun: Hours = []

    def to_changes(self) -> dict[str, Any]:
        """Return the columns to change."""
        hours = {day: getattr(self, day) for day in WEEKDAYS if getattr(self, day)}
        return {
            "name": self.name,
            "address": self.address,
            "time_zone": self.time_zone,
            "opening_hours": hours,
        }


class ProgramForm(ProgramChanges):
    """The form of a programme's rules; its look has a designer of its own."""


PROGRAM_CONVERT = {
    **dict.fromkeys(
        ("stamps_needed", "cooldown_minutes", "stamps_per_visit", "visits_per_day", "points_expiry_months"),
        whole,
    ),
    "stamps_expiry_months": whole_or_none,
    "points_per_unit": decimal_text,
}


def program_values(program: ProgramView) -> dict[str, Any]:
    """Return a programme as its form shows it."""
    names = ("name", "loyalty_type", "stamps_needed", "rounding", "cooldown_minutes", "stamps_per_visit")
    more = ("visits_per_day", "full_card", "points_expiry", "points_expiry_months", "stamps_expiry_months")
    return {
        **{name: getattr(program, name) for name in (*names, *more)},
        "points_per_unit": plain_decimal(program.points_per_unit),
    }


def store_values(store: StoreView) -> dict[str, Any]:
    """Return a store as its form shows it."""
    hours = {day: hours_text(store.opening_hours.get(day, ())) for day in WEEKDAYS}
    return {"name": store.name, "address": store.address, "time_zone": store.time_zone, **hours}


def theme_url(program: ProgramView) -> str:
    """Return the stylesheet with the colours of a programme's cards."""
    return f"/theme/{program.id}.css?m={program.merchant_id}&v={program.design_version}"


def card_preview(store: StoreView, business: str) -> dict[str, Any]:
    """Return what the picture of a card needs, for a customer about half way; headed as the card in the browser."""
    program = store.program
    return {
        "loyalty_type": program.loyalty_type,
        "program_name": business or program.name,
        "store_name": program.design.get("title") or store.name,
        "icon": program.design.get("icon", "coffee"),
        "stamp_count": max(1, program.stamps_needed * 6 // 10),
        "stamps_needed": program.stamps_needed,
        "points_balance": PREVIEW_POINTS,
        "points_percent": PREVIEW_POINTS,
        # The colours come from the programme's stylesheet.
        "colors": {"palette": ""},
        "rewards": [],
        "next_reward": None,
        "rewards_waiting": 0,
        "is_full": False,
        "logo_url": program.design.get("logo_url"),
        "program_id": program.id,
    }


def summary(store: StoreView) -> list[Mapping[str, str]]:
    """Return a programme's rules in words, the most telling first."""
    program = store.program
    rows: list[Mapping[str, str]] = []
    if program.loyalty_type != "points":
        needed = program.stamps_needed
        rows.append(
            {"label": _("Full card"), "text": ngettext("%(num)d stamp", "%(num)d stamps", needed, num=needed)}
        )
        rows.append({"label": _("Wait between stamps"), "text": _wait(program.cooldown_minutes)})
    if program.loyalty_type != "stamps":
        rate = current().format_number(program.points_per_unit)
        rows.append({"label": _("Points per %(currency)s", currency=store.currency), "text": rate})
    visits = program.visits_per_day
    rows.append({"label": _("Visits a day"), "text": _("at most %(count)d a card", count=visits)})
    rows.append({"label": _("Expiry"), "text": _expiry(program)})
    return rows


def _wait(minutes: int) -> str:
    if minutes == 0:
        return _("none")
    return ngettext("%(num)d minute", "%(num)d minutes", minutes, num=minutes)


def _expiry(program: ProgramView) -> str:
    parts = []
    if program.loyalty_type != "points" and program.stamps_expiry_months:
        months = program.stamps_expiry_months
        parts.append(
            ngettext("stamps after %(num)d month", "stamps after %(num)d months", months, num=months)
        )
    if program.loyalty_type != "stamps" and program.points_expiry != "never":
        months = program.points_expiry_months
        parts.append(
            ngettext("points after %(num)d month", "points after %(num)d months", months, num=months)
        )
    return ", ".join(parts) or _("nothing expires")
