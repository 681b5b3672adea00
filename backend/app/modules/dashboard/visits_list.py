"""The list of visits: what was asked for, the page of it, and taking one back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from urllib.parse import urlencode
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncSession

from app.dependencies import StoreRef
from app.kernel.audit import record_audit
from app.kernel.errors import NotFound
from app.kernel.i18n import gettext as _
from app.kernel.i18n import msg
from app.kernel.money import Money
from app.kernel.outcomes import Refusal
from app.kernel.permissions import Principal
from app.modules.dashboard.home import given_text, giver_name
from app.modules.dashboard.queries import (
    VISITS_SHOWN,
    VisitFilter,
    VisitRow,
    find_visit,
    list_givers,
    list_visits,
)
from app.modules.dashboard.rules import day_span
from app.modules.merchants.public import get_merchant
from app.modules.staff.public import StaffRef, staff_names
from app.modules.stores.public import StoreView, list_stores
from app.modules.visits.public import VoidCommand, void_visit
from app.utils.validators import clean_line

REASON_LENGTH_MAX = 200
SOURCES = {
    "customer_phone": msg("On the customer's phone"),
    "staff_device": msg("On the staff device"),
    "pos": msg("By the till"),
    "receipt": msg("From a receipt"),
}


@dataclass(frozen=True, slots=True)
class VisitQuery:
    """The filter as it stands in the address."""

    store: UUID | None = None
    staff: UUID | None = None
    day: date | None = None
    before: UUID | None = None

    def url(self, **over: object) -> str:
        """Return the list's address with this filter, changed by what is given."""
        values = {"store": self.store, "staff": self.staff, "day": self.day, "before": self.before, **over}
        given = {name: str(value) for name, value in values.items() if value is not None}
        return "/dashboard/visits" + ("?" + urlencode(given) if given else "")


@dataclass(frozen=True, slots=True)
class ShownVisit:
    """A row of the list."""

    id: UUID
    at: datetime
    customer: str
    customer_url: str
    store: str
    store_id: UUID
    given: str
    amount: Money | None
    given_by: str
    source: str
    voided_at: datetime | None
    void_reason: str


def _shown(row: VisitRow, stores: dict[UUID, StoreView], names: Mapping[UUID, str]) -> ShownVisit:
    store = stores.get(row.store_id)
    return ShownVisit(
        id=row.id,
        at=row.at,
        customer=row.customer_name or _("A customer without a name"),
        customer_url=f"/dashboard/customers/{row.customer_id}",
        store=store.name if store else "",
        store_id=row.store_id,
        given=given_text(row.stamps, row.points),
        amount=Money(row.amount_minor, row.currency) if row.amount_minor is not None else None,
        given_by=giver_name(row.given_by, row.staff_id, names),
        source=_(SOURCES.get(row.source, row.source)),
        voided_at=row.voided_at,
        void_reason=row.void_reason or "",
    )


async def visits_page(session: AsyncSession, principal: Principal, query: VisitQuery) -> dict[str, Any]:
    """Return the values of a page of the list."""
    merchant_id = principal.merchant_id
    merchant = await get_merchant(session, merchant_id)
    stores = await list_stores(session, merchant_id)
    zone = ZoneInfo(merchant.time_zone)
    wanted = VisitFilter(
        query.store, query.staff, day_span(query.day, zone) if query.day else None, query.before
    )
    rows = await list_visits(session, merchant_id, wanted, limit=VISITS_SHOWN + 1)
    givers = await list_givers(session, merchant_id)
    shown = [row.staff_id for row in rows if row.staff_id is not None]
    names = await staff_names(session, merchant_id, [*givers, *shown])
    by_id = {store.id: store for store in stores}
    return {
        "visits": [_shown(row, by_id, names) for row in rows[:VISITS_SHOWN]],
        "query": query,
        "stores": [(str(store.id), store.name) for store in stores],
        "staff": sorted(((str(key), names[key]) for key in givers if key in names), key=lambda pair: pair[1]),
        "next_url": query.url(before=rows[VISITS_SHOWN - 1].id) if len(rows) > VISITS_SHOWN else None,
        "first_url": query.url(before=None) if query.before else None,
        "is_filtered": any((query.store, query.staff, query.day)),
        "may_void": principal.may("visits.void"),
        "time_zone": merchant.time_zone,
    }


async def shown_visit(session: AsyncSession, principal: Principal, visit_id: UUID) -> dict[str, Any]:
    """Return the values of one row; raises NotFound."""
    row = await find_visit(session, principal.merchant_id, visit_id)
    if row is None:
        raise NotFound("visit")
    merchant = await get_merchant(session, principal.merchant_id)
    stores = {store.id: store for store in await list_stores(session, principal.merchant_id)}
    names = await staff_names(
        session, principal.merchant_id, [row.staff_id] if row.staff_id is not None else []
    )
    return {
        "visit": _shown(row, stores, names),
        "may_void": principal.may("visits.void"),
        "time_zone": merchant.time_zone,
    }


@dataclass(frozen=True, slots=True)
class VoidWish:
    """What the form of a row asks for."""

    visit_id: UUID
    reason: str
    force: bool


async def undo_visit(
    session: AsyncSession, principal: Principal, wish: VoidWish, *, now: datetime
) -> Refusal | None:
    """Take a visit back in the name of the signed-in member; raises NotFound."""
    row = await find_visit(session, principal.merchant_id, wish.visit_id)
    if row is None:
        raise NotFound("visit")
    member = StaffRef(
        id=principal.id,
        name=str(principal.extra.get("user_name") or principal.extra.get("name") or ""),
        role=principal.role or "manager",
        via="member",
    )
    command = VoidCommand(
        target_id=wish.visit_id,
        reason=clean_line(wish.reason)[:REASON_LENGTH_MAX],
        staff=member,
        force=wish.force,
    )
    outcome = await void_visit(session, StoreRef(principal.merchant_id, row.store_id), command, now=now)
    if isinstance(outcome, Refusal):
        return outcome
    await record_audit(
        session, principal, action="visit.voided", target_kind="visit", target_id=wish.visit_id, now=now
    )
    return None
