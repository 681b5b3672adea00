"""What the findings page shows: words, names and links, made from rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any
from urllib.parse import urlencode
from uuid import UUID

from pydantic import BeforeValidator, Field
from sqlalchemy.ext.asyncio import AsyncSession

from app.kernel.i18n import current, msg, ngettext
from app.kernel.i18n import gettext as _
from app.kernel.permissions import Principal
from app.kernel.points import FRAUD_RULE
from app.kernel.web.form_input import whole
from app.modules.customers.public import list_customers
from app.modules.fraud import queries
from app.modules.fraud.models import FraudFinding
from app.modules.fraud.queries import EventRow, FindingFilter
from app.modules.fraud.rules import local_day
from app.modules.fraud.service import events_of
from app.modules.fraud.settings import FraudSettings
from app.modules.merchants.public import get_merchant
from app.modules.staff.public import list_staff_names, staff_names
from app.modules.stores.public import list_stores

URL = "/dashboard/fraud"
EVENTS_SHOWN = 50
_SHORT = timedelta(hours=12)
STATUSES = {
    "open": msg("Open"),
    "confirmed": msg("Confirmed"),
    "dismissed": msg("Dismissed"),
    "all": msg("All"),
}
SOURCES = {
    "customer_phone": msg("customer's phone"),
    "staff_device": msg("staff device"),
    "pos": msg("till system"),
    "receipt": msg("receipt"),
}
NUMBERS = tuple(name for name in FraudSettings.model_fields if name != "alert_mails")
CONVERT = dict.fromkeys(NUMBERS, whole)


class SettingsForm(FraudSettings):
    """The form of the thresholds; an unticked box is not sent."""

    alert_mails: Annotated[bool, BeforeValidator(lambda value: value in {True, "true"})] = Field(
        default=False
    )

    def to_settings(self) -> FraudSettings:
        """Return the settings, every field said."""
        return FraudSettings(**self.model_dump())


@dataclass(frozen=True, slots=True)
class FindingQuery:
    """The filter as it stands in the address."""

    status: str = "open"
    rule: str | None = None
    store: UUID | None = None
    staff: UUID | None = None
    before: UUID | None = None

    def url(self, **over: object) -> str:
        """Return the page's address with this filter, changed by what is given."""
        values = {"status": self.status, "rule": self.rule, "store": self.store, "staff": self.staff}
        given = {
            name: str(value) for name, value in (values | {"before": self.before} | over).items() if value
        }
        if given.get("status") == "open":
            del given["status"]
        return URL + ("?" + urlencode(given) if given else "")

    def to_filter(self) -> FindingFilter:
        """Return what the query takes."""
        status = self.status if self.status in STATUSES else "open"
        return FindingFilter(status, self.rule, self.store, self.staff, self.before)


@dataclass(frozen=True)
class _Names:
    stores: Mapping[UUID, str]
    zones: Mapping[UUID, str]
    staff: Mapping[UUID, str]
    people: Mapping[UUID, str]

    def giver(self, staff_id: UUID | None, given_by: str) -> str:
        """Return who gave something."""
        if staff_id is not None:
            return self.staff.get(staff_id, _("A former member"))
        return _("Shop PIN") if given_by in {"shared_pin", "device"} else _("till system")


async def findings_page(
    session: AsyncSession, principal: Principal, query: FindingQuery, *, now: datetime
) -> dict[str, Any]:
    """Return the page's values: findings with their events, the filter's choices, how many there are of each."""
    merchant_id = principal.merchant_id
    found = await queries.list_findings(
        session, merchant_id, query.to_filter(), limit=queries.FINDINGS_SHOWN + 1
    )
    shown = found[: queries.FINDINGS_SHOWN]
    events = await queries.list_events(
        session, merchant_id, [event.id for row in shown for event in events_of(row)[-EVENTS_SHOWN:]]
    )
    stores = await list_stores(session, merchant_id)
    counts = await queries.count_by_status(session, merchant_id)
    names = await _names(session, merchant_id, shown, events)
    more = query.url(before=shown[-1].id) if len(found) > len(shown) else ""
    return {
        "page_title": _("Unusual visits"),
        "since": now.isoformat(),
        "is_news": False,
        "findings": [_finding(row, events, names) for row in shown],
        "query": query,
        "here": query.url(),
        "next_url": more,
        "first_url": query.url(before=None) if query.before else "",
        "tabs": [
            {
                "name": _(label),
                "count": sum(counts.values()) if status == "all" else counts.get(status, 0),
                "url": FindingQuery(status, query.rule, query.store, query.staff).url(),
                "is_here": status == query.to_filter().status,
            }
            for status, label in STATUSES.items()
        ],
        "rules": [(name, _(rule.title)) for name, rule in FRAUD_RULE.items()],
        "stores": [(str(store.id), store.name) for store in stores],
        "staff": [(str(key), name) for key, name in (await list_staff_names(session, merchant_id)).items()],
        "may_decide": principal.may("fraud.edit"),
        "may_void": principal.may("visits.void"),
    }


async def _names(
    session: AsyncSession, merchant_id: UUID, shown: list[FraudFinding], events: Mapping[UUID, EventRow]
) -> _Names:
    stores = await list_stores(session, merchant_id)
    staff = {row.staff_id for row in shown if row.staff_id} | {
        e.staff_id for e in events.values() if e.staff_id
    }
    people = await list_customers(session, merchant_id, {event.customer_id for event in events.values()})
    return _Names(
        {store.id: store.name for store in stores},
        {store.id: store.time_zone for store in stores},
        await staff_names(session, merchant_id, sorted(staff)),
        {key: view.name or "" for key, view in people.items()},
    )


def _finding(row: FraudFinding, events: Mapping[UUID, EventRow], names: _Names) -> dict[str, Any]:
    rule, kept = FRAUD_RULE.find(row.rule), events_of(row)
    rows = [events[event.id] for event in reversed(kept) if event.id in events]
    store_id = row.store_id or (rows[0].store_id if rows else None)
    zone = names.zones.get(store_id, "UTC") if store_id else "UTC"
    who = [names.staff.get(row.staff_id, _("A former member"))] if row.staff_id else []
    card = next((event for event in rows if event.pass_id == row.pass_id), None)
    if card is not None:
        who.append(_person(card, names))
    return {
        "id": row.id,
        "title": _(rule.title) if rule else row.rule,
        "about": _(rule.about) if rule else "",
        "status": row.status,
        "status_text": _(STATUSES[row.status]),
        "count": ngettext(
            "%(num)s visit", "%(num)s visits", len(kept), num=current().format_number(len(kept))
        ),
        "span": span_text(row.first_at, row.last_at, zone),
        "where": names.stores.get(store_id, "") if store_id else "",
        "who": " · ".join(who),
        "left": sum(event.voided_at is None for event in rows),
        "events": [_event(event, names) for event in rows],
    }


def _person(event: EventRow, names: _Names) -> str:
    return names.people.get(event.customer_id) or _("Card %(number)s", number=event.card_number[-4:])


def span_text(first: datetime, last: datetime, zone: str) -> str:
    """Return from when to when, at the store's clock; the day is told once where it is one."""
    speak = current()
    begin = speak.format_datetime(first, zone=zone, style="short")
    if last - first < _SHORT and local_day(last, zone) == local_day(first, zone):
        return begin if first == last else f"{begin} – {speak.format_time(last, zone=zone)}"
    return f"{begin} – {speak.format_datetime(last, zone=zone, style='short')}"


def _event(event: EventRow, names: _Names) -> dict[str, Any]:
    parts = []
    if event.stamps:
        parts.append(ngettext("%(num)s stamp", "%(num)s stamps", event.stamps, num=event.stamps))
    if event.points or not event.stamps:
        parts.append(ngettext("%(num)s point", "%(num)s points", event.points, num=event.points))
    return {
        "id": event.id,
        "when": current().format_datetime(
            event.at, zone=names.zones.get(event.store_id, "UTC"), style="short"
        ),
        "at": event.at.isoformat(),
        "person": _person(event, names),
        "url": f"/dashboard/customers/{event.customer_id}",
        "giver": names.giver(event.staff_id, event.given_by),
        "source": _(SOURCES[event.source]) if event.source in SOURCES else event.source,
        "given": " · ".join(parts),
        "voided": event.voided_at is not None,
    }


async def settings_page(
    session: AsyncSession, principal: Principal, settings: Mapping[str, Any], errors: Mapping[str, str]
) -> dict[str, Any]:
    """Return the values of the rules' page."""
    merchant_id = principal.merchant_id
    merchant = await get_merchant(session, merchant_id)
    own = await queries.list_own_cards(session, merchant_id)
    team = await list_staff_names(session, merchant_id)
    names = await staff_names(session, merchant_id, [row.staff_id for row in own])
    return {
        "page_title": _("Rules for unusual visits"),
        "back_url": URL,
        "back_label": _("Unusual visits"),
        "values": settings,
        "errors": errors,
        "own": [{"row": row, "name": names.get(row.staff_id, "")} for row in own],
        "team": [(str(key), name) for key, name in team.items()],
        "fingerprints_on": "fingerprints" in merchant.modules_on,
    }
