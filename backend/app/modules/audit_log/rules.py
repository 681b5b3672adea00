"""Pure decisions: what a filter means, and the cursor of a page."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

# Who can act, as entries name them.
KINDS = ("member", "api_key", "device", "system", "operator")
PAGE_SIZE = 50
PAGE_SIZE_MAX = 200
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Filter:
    """Which entries are wanted. since is in, until is out."""

    actor_id: UUID | None = None
    actor_kind: str | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Cursor:
    """The last entry of a page: the next page holds what is older. Entries of one moment are told apart by id."""

    at: datetime
    id: UUID

    def __str__(self) -> str:
        """Return it as it stands in an address."""
        return f"{(self.at - _EPOCH) // timedelta(microseconds=1)}.{self.id.hex}"


def parse_cursor(text: str) -> Cursor | None:
    """Return the cursor in an address, or None where it is not one of ours."""
    moment, _dot, entry_id = text.partition(".")
    if not (moment.isascii() and moment.isdigit() and len(moment) <= 17):
        return None
    try:
        return Cursor(_EPOCH + timedelta(microseconds=int(moment)), UUID(hex=entry_id))
    except (ValueError, OverflowError):
        return None


def days_between(
    first: date | None, last: date | None, *, time_zone: str
) -> tuple[datetime | None, datetime | None]:
    """Return the moments between which whole days lie, in the business's zone; the last day is in."""
    zone = ZoneInfo(time_zone)
    since = datetime.combine(first, time(), zone).astimezone(UTC) if first else None
    until = datetime.combine(last + timedelta(days=1), time(), zone).astimezone(UTC) if last else None
    return since, until
