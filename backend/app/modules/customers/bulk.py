"""Many customers at once, as an import brings them: found again, added, filled in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.modules.customers.models import ConsentRecord, Customer, CustomerSearch
from app.modules.customers.rules import CONSENT_PURPOSE, Birthday
from app.modules.customers.search import index_customers
from app.modules.customers.service import CustomerDetails, address_mac, new_customer
from app.utils.id_generator import new_id

IMPORT_SOURCE = "import"
STATED_VERSION = "stated"


@dataclass(frozen=True, slots=True)
class StatedConsent:
    """What the merchant states about consents given elsewhere: the wording, or where and when it was asked."""

    statement: str
    locale: str


async def find_customers_by(
    session: AsyncSession, merchant_id: UUID, *, emails: Sequence[str], phones: Sequence[str]
) -> tuple[dict[str, UUID], dict[str, UUID]]:
    """Return the customers of these addresses (in small letters) and of these numbers (digits), the oldest each.

    A confirmed address wins over others.
    """
    by_email: dict[str, UUID] = {}
    by_phone: dict[str, UUID] = {}
    if emails:
        statement = (
            select(Customer.email_key, Customer.id)
            .where(Customer.merchant_id == merchant_id, Customer.email_key.in_(emails))
            .order_by(Customer.email_verified_at.is_(None), Customer.id)
        )
        for key, customer_id in await session.execute(statement):
            by_email.setdefault(str(key), customer_id)
    if phones:
        found = (
            select(CustomerSearch.term, CustomerSearch.customer_id)
            .where(
                CustomerSearch.merchant_id == merchant_id,
                CustomerSearch.kind == "phone",
                CustomerSearch.term.in_(phones),
            )
            .order_by(CustomerSearch.customer_id)
        )
        for term, customer_id in await session.execute(found):
            by_phone.setdefault(term, customer_id)
    return by_email, by_phone


async def add_customers(
    session: AsyncSession,
    merchant_id: UUID,
    people: Sequence[CustomerDetails],
    *,
    consent: StatedConsent | None,
    now: datetime,
) -> list[UUID]:
    """Add people in few statements and return their ids in order; nobody is written to.

    email_consent of a person counts only with the merchant's statement, which becomes the record's wording.
    """
    customers = [new_customer(merchant_id, person, now=now) for person in people]
    session.add_all(customers)
    await session.flush()  # consents and the rows of the search point at them
    if customers:
        await index_customers(session, customers, fresh=True)
    for customer, person in zip(customers, people, strict=True):
        if consent is not None and person.email_consent and customer.email:
            _agree(session, customer, consent, now=now)
    await session.flush()
    return [customer.id for customer in customers]


def _agree(session: AsyncSession, customer: Customer, consent: StatedConsent, *, now: datetime) -> None:
    customer.email_consent, customer.email_consent_at, customer.unsubscribed_at = True, now, None
    customer.email_consent_source, customer.consent_confirmed_at = IMPORT_SOURCE, None
    session.add(
        ConsentRecord(
            merchant_id=customer.merchant_id,
            id=new_id(),
            customer_id=customer.id,
            address_mac=address_mac(session, customer.email or ""),
            purpose=CONSENT_PURPOSE,
            given=True,
            text_version=STATED_VERSION,
            text_shown=consent.statement,
            locale=consent.locale,
            channel="email",
            source=IMPORT_SOURCE,
            at=now,
        )
    )


async def fill_customers(
    session: AsyncSession,
    merchant_id: UUID,
    people: Mapping[UUID, CustomerDetails],
    *,
    consent: StatedConsent | None,
    now: datetime,
) -> set[UUID]:
    """Add to customers what they have not told yet; returns whom that changed. Nothing given is overwritten.

    Whoever unsubscribed stays so: a file is older than that.
    """
    rows = await session.scalars(
        select(Customer)
        .where(
            Customer.merchant_id == merchant_id,
            Customer.id.in_(sorted(people)),
            Customer.erased_at.is_(None),
        )
        .order_by(Customer.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    changed: list[Customer] = []
    for row in rows:
        person = people[row.id]
        is_changed = _fill(row, person)
        agrees = consent is not None and person.email_consent and row.unsubscribed_at is None
        if (
            agrees
            and row.email
            and not row.email_consent
            and row.email.lower() == (person.email or "").lower()
        ):
            assert consent is not None
            _agree(session, row, consent, now=now)
            is_changed = True
        if is_changed:
            changed.append(row)
    await session.flush()  # the rows of the search are written by statements
    if changed:
        await index_customers(session, changed, fresh=False)
    return {row.id for row in changed}


def _fill(row: Customer, person: CustomerDetails) -> bool:
    before = (row.name, row.email, row.phone, row.birthday_month)
    row.name = row.name or person.name
    row.email = row.email or person.email
    row.phone = row.phone or person.phone
    birthday: Birthday | None = person.birthday
    if row.birthday_month is None and birthday is not None:
        row.birthday_day, row.birthday_month, row.birthday_year = birthday.day, birthday.month, birthday.year
    return before != (row.name, row.email, row.phone, row.birthday_month)
