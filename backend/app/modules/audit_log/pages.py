"""The dashboard's page of changes, and the same as a file."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any, Literal
from urllib.parse import urlencode
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BeforeValidator

from app.db.session import Database
from app.dependencies import MerchantDep, SessionDep, member
from app.kernel.adapters import resources_of
from app.kernel.i18n import gettext as _
from app.kernel.web.csv import csv_response
from app.kernel.web.limits import rate_limit
from app.kernel.web.shell import render_member_page
from app.modules.audit_log.presenting import KIND_NAMES, People, details_of, kind_name, people_of, row_of
from app.modules.audit_log.presenting import action_name as name_of_action
from app.modules.audit_log.queries import check_whole, each_entry, list_entries
from app.modules.audit_log.rules import Filter, days_between, parse_cursor
from app.modules.merchants.public import get_merchant

router = APIRouter(prefix="/dashboard", include_in_schema=False)
PATH = "/dashboard/audit"
FILE_NAME = "stempel-changes"

_Blank = BeforeValidator(lambda value: None if value == "" else value)
OptionalId = Annotated[UUID | None, Query(), _Blank]
OptionalKind = Annotated[Literal["member", "api_key", "device", "system", "operator"] | None, Query(), _Blank]
# A zone's midnight at the very ends of the calendar cannot be told in UTC.
OptionalDay = Annotated[date | None, Query(ge=date(1970, 1, 1), le=date(9998, 12, 31)), _Blank]


@dataclass(frozen=True, slots=True)
class Wish:
    """The filter as it stands in the address. first and last: whole days of the business's zone."""

    who: UUID | None
    kind: str | None
    first: date | None
    last: date | None

    def to_filter(self, time_zone: str) -> Filter:
        """Return the moments and ids that it means."""
        since, until = days_between(self.first, self.last, time_zone=time_zone)
        return Filter(self.who, self.kind, since, until)

    def address(self, path: str, **more: str) -> str:
        """Return a path with this filter."""
        given = {"who": self.who, "kind": self.kind, "first": self.first, "last": self.last, **more}
        query = urlencode({name: str(value) for name, value in given.items() if value is not None})
        return f"{path}?{query}" if query else path

    @property
    def is_empty(self) -> bool:
        """Tell whether everything is wanted."""
        return (self.who, self.kind, self.first, self.last) == (None, None, None, None)


async def read_wish(
    who: OptionalId = None, kind: OptionalKind = None, first: OptionalDay = None, last: OptionalDay = None
) -> Wish:
    """Read the filter of the address."""
    return Wish(who, kind, first, last)


WishDep = Annotated[Wish, Depends(read_wish)]


async def _context(session: Any, principal: Any, wish: Wish, before: str) -> Mapping[str, Any]:
    check_whole(principal)
    merchant = await get_merchant(session, principal.merchant_id)
    people = await people_of(session, principal.merchant_id, viewer_id=principal.id)
    page = await list_entries(
        session,
        principal.merchant_id,
        wish.to_filter(merchant.time_zone),
        before=parse_cursor(before) if before else None,
    )
    return {
        "page_title": _("Changes"),
        "page_text": _("Who changed what, and when. Nobody can edit this list."),
        "rows": [row_of(entry, people) for entry in page.entries],
        "wish": wish,
        "people": sorted(people.names.items(), key=lambda pair: pair[1].casefold()),
        "kinds": [(kind, _(name)) for kind, name in KIND_NAMES.items()],
        "kind_names": {kind: _(name) for kind, name in KIND_NAMES.items()},
        "time_zone": merchant.time_zone,
        "next_url": wish.address(PATH, before=str(page.next_before)) if page.next_before else None,
        "first_url": wish.address(PATH) if before else None,
        "file_url": wish.address(f"{PATH}.csv"),
    }


@router.get("/audit", dependencies=[member("audit.view", api_key=False)])
async def get_audit_page(
    request: Request, principal: MerchantDep, session: SessionDep, wish: WishDep, before: str = ""
) -> Response:
    """Show who changed what, newest first."""
    context = await _context(session, principal, wish, before)
    return await render_member_page(request, session, "audit_log/audit.html", context)


@router.get("/audit.csv", dependencies=[member("audit.view", api_key=False), rate_limit("expensive")])
async def get_audit_file(principal: MerchantDep, session: SessionDep, wish: WishDep) -> Response:
    """Give the filtered entries as a file, however many there are."""
    check_whole(principal)
    merchant = await get_merchant(session, principal.merchant_id)
    people = await people_of(session, principal.merchant_id, viewer_id=None)
    database, zone = resources_of(session).get(Database), ZoneInfo(merchant.time_zone)
    rows = _file_rows(database, principal.merchant_id, wish.to_filter(merchant.time_zone), people, zone)
    return csv_response(FILE_NAME, _file_header(), rows)


def _file_header() -> list[str]:
    return [
        _("When"),
        _("Who"),
        _("Kind"),
        _("What"),
        _("Action"),
        _("Target"),
        _("Target id"),
        _("Details"),
    ]


async def _file_rows(
    database: Database, merchant_id: UUID, wanted: Filter, people: People, zone: ZoneInfo
) -> AsyncIterator[Sequence[object]]:
    async for entry in each_entry(database, merchant_id, wanted):
        yield (
            entry.at.astimezone(zone),
            people.name_of(entry),
            kind_name(entry.actor_kind),
            name_of_action(entry.action),
            entry.action,
            entry.target_kind,
            entry.target_id,
            details_of(entry.facts),
        )
