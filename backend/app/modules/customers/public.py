"""What other modules may know of customers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.kernel.errors import NotFound
from app.kernel.points import PERSONAL_DATA
from app.modules.customers import service
from app.modules.customers.audience import (
    AudienceFilter,
    audience_sql,
    count_audience,
    is_meant,
    list_audience,
)
from app.modules.customers.bulk import StatedConsent, add_customers, fill_customers, find_customers_by
from app.modules.customers.consents import FIRM_SQL, PendingConsent, confirm_consent, find_pending_consent
from app.modules.customers.hooks import CUSTOMER_CHANGED, CustomerChanged
from app.modules.customers.models import ConsentRecord, Customer
from app.modules.customers.preferences import ConsentSettings, list_opt_outs, set_opt_outs, wants
from app.modules.customers.queries import (
    find_customer_row,
    find_verified_row,
    list_rows_by_email,
    list_rows_by_id,
    lock_cards_of,
)
from app.modules.customers.remarks import (
    NOTE_LENGTH_MAX,
    TAG_LENGTH_MAX,
    TAGS_MAX,
    NoteView,
    TagView,
    add_note,
    delete_note,
    delete_tag,
    ensure_tag,
    list_notes,
    list_tags,
    list_tags_of,
    tag_customers,
    untag_customer,
)
from app.modules.customers.rules import (
    CHANNELS,
    CONSENT_TEXT_VERSION,
    PURPOSES,
    Birthday,
    fold,
    make_birthday,
    parse_birthday,
    purpose_of,
)
from app.modules.customers.service import (
    CustomerDetails,
    EmailOffer,
    change_details,
    confirm_email,
    consent_text,
    join_customers,
    record_consent,
    set_email,
)

__all__ = [
    "CHANNELS",
    "CUSTOMER_CHANGED",
    "FIRM_SQL",
    "PendingConsent",
    "confirm_consent",
    "find_pending_consent",
    "CONSENT_TEXT_VERSION",
    "PURPOSES",
    "ConsentRecord",
    "Customer",
    "ConsentSettings",
    "list_opt_outs",
    "set_opt_outs",
    "wants",
    "NOTE_LENGTH_MAX",
    "TAGS_MAX",
    "TAG_LENGTH_MAX",
    "AudienceFilter",
    "Birthday",
    "NoteView",
    "StatedConsent",
    "TagView",
    "add_customers",
    "add_note",
    "audience_sql",
    "change_details",
    "count_audience",
    "delete_note",
    "delete_tag",
    "ensure_tag",
    "erase_person",
    "export_person",
    "fill_customers",
    "fold",
    "find_customers_by",
    "is_meant",
    "list_audience",
    "list_notes",
    "list_tags",
    "list_tags_of",
    "tag_customers",
    "untag_customer",
    "CustomerChanged",
    "CustomerDetails",
    "CustomerView",
    "EmailOffer",
    "confirm_email",
    "consent_text",
    "create_customer",
    "find_verified_customer",
    "get_customer",
    "join_customers",
    "list_customers",
    "list_customers_by_email",
    "make_birthday",
    "parse_birthday",
    "purpose_of",
    "record_consent",
    "set_email",
    "set_locale",
]


@dataclass(frozen=True, slots=True)
class CustomerView:
    """A person at one merchant, as other modules see them. Personal: never into logs or jobs."""

    id: UUID
    merchant_id: UUID
    name: str | None
    email: str | None
    phone: str | None
    email_consent: bool
    email_consent_at: datetime | None
    consent_confirmed_at: datetime | None
    email_verified_at: datetime | None
    unsubscribed_at: datetime | None
    locale: str
    birthday: Birthday | None
    created_at: datetime
    erased_at: datetime | None

    @property
    def consent_waits(self) -> bool:
        """Tell whether a consent was given that the mailbox has not confirmed."""
        return self.email_consent and self.consent_confirmed_at is None


def view_of(row: Customer) -> CustomerView:
    """Return the view of a customer row."""
    birthday = None
    if row.birthday_day is not None and row.birthday_month is not None:
        birthday = Birthday(row.birthday_day, row.birthday_month, row.birthday_year)
    return CustomerView(
        id=row.id,
        merchant_id=row.merchant_id,
        name=row.name,
        email=row.email,
        phone=row.phone,
        email_consent=row.email_consent,
        email_consent_at=row.email_consent_at,
        consent_confirmed_at=row.consent_confirmed_at,
        email_verified_at=row.email_verified_at,
        unsubscribed_at=row.unsubscribed_at,
        locale=row.locale,
        birthday=birthday,
        created_at=row.created_at,
        erased_at=row.erased_at,
    )


async def get_customer(session: AsyncSession, merchant_id: UUID, customer_id: UUID) -> CustomerView:
    """Return a customer of this merchant; raises NotFound."""
    row = await find_customer_row(session, merchant_id, customer_id)
    if row is None:
        raise NotFound("customer")
    return view_of(row)


async def list_customers(
    session: AsyncSession, merchant_id: UUID, ids: Iterable[UUID]
) -> dict[UUID, CustomerView]:
    """Return the customers with these ids, by id; unknown ids are left out."""
    return {row.id: view_of(row) for row in await list_rows_by_id(session, merchant_id, list(ids))}


async def find_verified_customer(session: AsyncSession, merchant_id: UUID, email: str) -> CustomerView | None:
    """Return the customer whose mailbox confirmed this address: the only way an address finds a person."""
    row = await find_verified_row(session, merchant_id, email)
    return view_of(row) if row else None


async def list_customers_by_email(
    session: AsyncSession, merchant_id: UUID, email: str, *, limit: int = 10
) -> list[CustomerView]:
    """Return customers who gave this address, confirmed first. Only for writing to that address."""
    return [view_of(row) for row in await list_rows_by_email(session, merchant_id, email, limit=limit)]


async def create_customer(
    session: AsyncSession, merchant_id: UUID, details: CustomerDetails, *, now: datetime, source: str
) -> CustomerView:
    """Add a person and record the consent that came with an address."""
    return view_of(await service.create_customer(session, merchant_id, details, now=now, source=source))


async def set_locale(session: AsyncSession, merchant_id: UUID, customer_id: UUID, *, locale: str) -> None:
    """Remember the language a customer chose, for mails and wallet passes; raises NotFound."""
    row = await find_customer_row(session, merchant_id, customer_id)
    if row is None:
        raise NotFound("customer")
    row.locale = locale


async def export_person(session: AsyncSession, merchant_id: UUID, customer_id: UUID) -> dict[str, object]:
    """Return everything any module knows about a customer, by module."""
    return {
        name: dict(await handler.export(session, merchant_id, customer_id))
        for name, handler in PERSONAL_DATA.items()
    }


async def erase_person(session: AsyncSession, merchant_id: UUID, customer_id: UUID) -> None:
    """Let every module erase what it knows about a customer; ids stay, so that ledgers still balance."""
    await lock_cards_of(session, merchant_id, customer_id)
    for _name, handler in PERSONAL_DATA.items():
        await handler.erase(session, merchant_id, customer_id)
