"""What all pages of figures share: which roll-ups they read, and how days are named."""

from __future__ import annotations

from datetime import date

from babel import dates

from app.kernel.i18n import current, msg
from app.kernel.i18n import gettext as _
from app.kernel.reports import Period, Report, ReportContext
from app.modules.analytics.queries import Books, find_progress
from app.modules.stores.public import StoreView, list_stores

TICKS_MAX = 5
WEEKDAYS = (
    msg("Monday"),
    msg("Tuesday"),
    msg("Wednesday"),
    msg("Thursday"),
    msg("Friday"),
    msg("Saturday"),
    msg("Sunday"),
)


class NotCounted(Exception):
    """The first counting is still under way."""


async def open_books(context: ReportContext) -> Books:
    """Return the roll-ups to read; raises NotCounted before the first counting is done."""
    progress = await find_progress(context.session, context.merchant_id)
    if progress.build is None:
        raise NotCounted
    return Books(context.session, context.merchant_id, progress.build, context.store_id)


def uncounted() -> Report:
    """Return what stands there until the first counting is done."""
    return Report(
        notice=_("Your figures are being counted for the first time. This page has them in a moment.")
    )


async def loyalty_types(context: ReportContext) -> frozenset[str]:
    """Return what is collected in the stores looked at."""
    stores = await list_stores(context.session, context.merchant_id)
    return frozenset(
        store.loyalty_type for store in stores if context.store_id is None or store.id == context.store_id
    )


async def store_names(context: ReportContext) -> dict[object, str]:
    """Return the names of all stores, closed ones too."""
    stores: list[StoreView] = await list_stores(context.session, context.merchant_id)
    return {store.id: store.name for store in stores}


def step_label(step: str, part: Period) -> str:
    """Return the whole name of a bar."""
    speak = current()
    if step == "day":
        return str(dates.format_date(part.start, format="EEE d MMM y", locale=speak.locale))
    if step == "week":
        return _("Week of %(day)s", day=speak.format_date(part.start))
    return month_label(part.start)


def step_tick(step: str, part: Period) -> str:
    """Return the short name of a bar."""
    pattern = "LLL yy" if step == "month" else "d MMM"
    return str(dates.format_date(part.start, format=pattern, locale=current().locale))


def month_label(month: date) -> str:
    """Return a month's name with its year."""
    return str(dates.format_date(month, format="LLLL y", locale=current().locale))


def thinned(ticks: list[str]) -> list[str]:
    """Leave so many short names that they do not touch on a phone; the others are empty."""
    every = -(-len(ticks) // TICKS_MAX)
    return [tick if place % every == 0 else "" for place, tick in enumerate(ticks)]
