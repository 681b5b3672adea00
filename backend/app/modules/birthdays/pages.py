"""The dashboard's page about birthdays: the gift, how it looks, and who celebrates soon."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Request, Response
from sqlalchemy.ext.asyncio import AsyncSession

from app.dependencies import ClockDep, MerchantDep, SessionDep, member
from app.kernel.errors import Invalid
from app.kernel.i18n import current
from app.kernel.i18n import gettext as _
from app.kernel.permissions import Principal
from app.kernel.settings import get_settings
from app.kernel.web.form_input import FormInput, read_form, whole
from app.kernel.web.forms import redirect
from app.kernel.web.shell import render_member_page
from app.modules.birthdays.jobs import enqueue_look
from app.modules.birthdays.queries import Person, count_gifts, list_people
from app.modules.birthdays.rules import celebrated_in, counts_until, good_until
from app.modules.birthdays.service import Offer, change_settings, list_offer
from app.modules.birthdays.settings import BirthdaySettings
from app.modules.birthdays.telling import amount_text, day_text, factor_text
from app.modules.merchants.public import MerchantView, get_merchant
from app.utils.validators import typed_amount

router = APIRouter(prefix="/dashboard/birthdays", include_in_schema=False)
URL = "/dashboard/birthdays"
AHEAD_DAYS, AHEAD_SHOWN = 30, 8
NUMBERS = ("points", "stamps", "days_before", "days_after", "redeem_days", "known_days")


def _factor(text: str) -> str:
    """Read a factor as people type it; an empty field is no more than always."""
    return typed_amount(text).strip() or "1"


def _all_days(first: date, last: date) -> list[int]:
    """Return the birthdays celebrated from one day to another, 29 February with the 28th of common years."""
    days = []
    for offset in range((last - first).days + 1):
        day = first + timedelta(days=offset)
        days.append(day.month * 100 + day.day)
        if days[-1] == 228 and (day + timedelta(days=1)).month == 3:
            days.append(229)
    return days


def _next_day(person: Person, today: date) -> date:
    """Return when somebody celebrates next, today included."""
    this_year = celebrated_in(today.year, month=person.month, day=person.day)
    return (
        this_year if this_year >= today else celebrated_in(today.year + 1, month=person.month, day=person.day)
    )


async def _ahead(session: AsyncSession, principal: Principal, today: date) -> list[dict[str, Any]]:
    """Return who celebrates in the next days, the first ones by name; nobody for who may not see customers."""
    if not principal.may("customers.view"):
        return []
    days = _all_days(today, today + timedelta(days=AHEAD_DAYS))
    people = [
        (_next_day(person, today), person)
        for person in await list_people(session, principal.merchant_id, days)
    ]
    people.sort(key=_by_day)
    return [
        {
            "name": person.name or _("Without a name"),
            "url": f"/dashboard/customers/{person.id}",
            "day": current().format_date(day),
            "is_today": day == today,
            "agreed": person.agreed,
        }
        for day, person in people[:AHEAD_SHOWN]
    ]


def _by_day(row: tuple[date, Person]) -> tuple[date, str]:
    return row[0], str(row[1].id)


async def _figures(
    session: AsyncSession, merchant: MerchantView, *, today: date, now: datetime
) -> list[dict[str, Any]]:
    first = today.replace(day=1)
    last = (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)
    month = await list_people(session, merchant.id, _all_days(first, last))
    agreed = sum(person.agreed for person in month)
    year = datetime(today.year, 1, 1, tzinfo=ZoneInfo(merchant.time_zone))
    rows = await count_gifts(session, merchant.id, start=year, end=now + timedelta(seconds=1))
    number = current().format_number
    return [
        {
            "label": _("Birthdays this month"),
            "value": number(len(month)),
            "help": _("Customers with a card in use who told you their birthday."),
        },
        {
            "label": _("Reached by mail"),
            "value": number(agreed),
            "help": _(
                "Of this month: those who agreed to news. For all others the gift is on the card and on the pass."
            ),
        },
        {
            "label": _("Gifts given this year"),
            "value": number(sum(count for _kind, _title, _used, count in rows)),
            "help": _("Birthday gifts put on cards since 1 January."),
        },
        {
            "label": _("Rewards redeemed"),
            "value": number(sum(count for _kind, _title, used, count in rows if used)),
            "help": _("Rewards among them that have been given out by now."),
        },
    ]


def _preview(settings: BirthdaySettings, offer: Offer, *, today: date) -> dict[str, str]:
    """Return what a customer with a birthday today would see."""
    kind = settings.kind or "reward"
    title = dict(offer.rewards).get(settings.reward_id) if settings.reward_id else None
    if title is None:
        title = offer.rewards[0][1] if offer.rewards else _("A coffee")
    amount = settings.points if kind == "points" else settings.stamps
    day = day_text(good_until(today, settings.window))
    note = _("On us until %(day)s. Show this card at the till.", day=day)
    shown = {
        "title": _("Happy birthday!"),
        "what": amount_text(kind, amount, title),
        "note": note if kind == "reward" else _("Already on your card."),
        "more": "",
    }
    if settings.factor <= 1:
        return shown
    times, last = factor_text(settings.factor), day_text(counts_until(today, settings.window))
    if kind == "factor":
        return shown | {"what": times, "note": _("On every purchase until %(day)s.", day=last)}
    return shown | {"more": _("%(times)s until %(day)s", times=times, day=last)}


def _options(offer: Offer) -> list[dict[str, str]]:
    known = {
        "reward": (_("A reward"), _("Waits on the card, to be redeemed once."), "gift"),
        "stamps": (_("Stamps"), _("Added to the card at once."), "rubber-stamp"),
        "points": (_("Points"), _("Added to the card at once."), "star"),
        "factor": (_("More points"), _("Every purchase in these days counts more."), "coins"),
    }
    fitting = ["reward"] if offer.rewards else []
    fitting += [kind for kind in ("stamps", "points") if kind in offer.kinds]
    fitting += ["factor"] if "points" in offer.kinds else []
    return [
        {"value": kind, "label": known[kind][0], "text": known[kind][1], "icon": known[kind][2]}
        for kind in fitting
    ]


async def _page(
    request: Request,
    session: AsyncSession,
    principal: Principal,
    *,
    now: datetime,
    form: FormInput[BirthdaySettings] | None = None,
) -> Response:
    merchant = await get_merchant(session, principal.merchant_id)
    settings = await get_settings(session, BirthdaySettings, merchant_id=merchant.id)
    offer = await list_offer(session, merchant.id)
    today = now.astimezone(ZoneInfo(merchant.time_zone)).date()
    context = {
        "page_title": _("Birthdays"),
        "page_text": _("A gift for each customer, once a year, in the days around their birthday."),
        "figures": await _figures(session, merchant, today=today, now=now),
        "people": await _ahead(session, principal, today),
        "preview": _preview(settings, offer, today=today),
        "is_ready": settings.is_ready,
        "options": _options(offer),
        "rewards": [(str(reward_id), title) for reward_id, title in offer.rewards],
        "kinds": offer.kinds,
        "values": {
            **settings.model_dump(),
            "factor": current().format_number(settings.factor.normalize()),
            **(form.values if form else {}),
        },
        "errors": form.errors if form else {},
        "may_edit": principal.may("birthdays.edit"),
    }
    status = 422 if form and form.errors else 200
    return await render_member_page(request, session, "birthdays/overview.html", context, status_code=status)


@router.get("", dependencies=[member("birthdays.view", api_key=False)])
async def get_page(
    request: Request, session: SessionDep, principal: MerchantDep, clock: ClockDep
) -> Response:
    """Show the gift, how it looks, and who celebrates soon."""
    return await _page(request, session, principal, now=clock.now())


@router.post("", dependencies=[member("birthdays.edit", api_key=False)])
async def post_page(
    request: Request, session: SessionDep, principal: MerchantDep, clock: ClockDep
) -> Response:
    """Keep what is given and when."""
    form = await read_form(
        request, BirthdaySettings, convert=dict.fromkeys(NUMBERS, whole) | {"factor": _factor}
    )
    if form.data is not None:
        try:
            await change_settings(session, principal, form.data, now=clock.now())
        except Invalid as error:
            form.refuse(error)
    if form.errors:
        return await _page(request, session, principal, now=clock.now(), form=form)
    await enqueue_look(session, principal.merchant_id)
    return redirect(request, URL, flash=_("Saved. Whose birthday it is gets the gift in a moment."))
