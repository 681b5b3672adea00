"""Whether a consent stands firm enough to write to somebody: confirmed by the mailbox, or given on a page of ours."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.modules.customers.models import ConsentRecord, Customer
from app.modules.customers.queries import find_customer_row, lock_customer_row
from app.modules.customers.rules import OWN_PAGES
from app.utils.id_generator import new_id

CONFIRMED_SOURCE = "mail_link"
# The same question as is_firm, for lists; :double_opt_in is the shop's setting.
FIRM_SQL = (
    "customer.erased_at IS NULL AND customer.email_consent AND customer.email IS NOT NULL"
    " AND (customer.consent_confirmed_at IS NOT NULL OR (NOT CAST(:double_opt_in AS boolean)"
    " AND (customer.email_verified_at IS NOT NULL OR customer.email_consent_source IN ("
    + ", ".join(f"'{page}'" for page in sorted(OWN_PAGES))
    + "))))"
)


@dataclass(frozen=True, slots=True)
class PendingConsent:
    """A consent that waits for its mailbox. text: the words that were shown when it was given."""

    text: str
    at: datetime


def is_firm(customer: Customer, *, double_opt_in: bool) -> bool:
    """Tell whether a consent may be acted on: confirmed from the mailbox, or what does for a shop that asks less.

    Without double opt-in a consent counts that was given on a page of ours, or whose address was confirmed; what a
    file or a programme states about an address that never answered does not.
    """
    if customer.consent_confirmed_at is not None:
        return True
    if double_opt_in:
        return False
    return customer.email_verified_at is not None or customer.email_consent_source in OWN_PAGES


async def find_pending_consent(
    session: AsyncSession, merchant_id: UUID, customer_id: UUID, *, asked_at: datetime
) -> PendingConsent | None:
    """Return the consent that a link sent at that moment asked about, or None where it asked about none."""
    customer = await find_customer_row(session, merchant_id, customer_id)
    if customer is None or not _was_asked(customer, asked_at):
        return None
    given = await find_standing_record(session, merchant_id, customer_id)
    return PendingConsent(given.text_shown, given.at) if given is not None else None


def _was_asked(customer: Customer, asked_at: datetime) -> bool:
    at = customer.email_consent_at
    return (
        customer.email_consent and customer.consent_confirmed_at is None and at is not None and at <= asked_at
    )


async def find_standing_record(
    session: AsyncSession, merchant_id: UUID, customer_id: UUID
) -> ConsentRecord | None:
    """Return the record of the consent that stands: the last one by which it was given."""
    return await session.scalar(
        select(ConsentRecord)
        .where(
            ConsentRecord.merchant_id == merchant_id,
            ConsentRecord.customer_id == customer_id,
            ConsentRecord.given,
            ConsentRecord.confirms.is_(None),
        )
        .order_by(ConsentRecord.at.desc(), ConsentRecord.id.desc())
        .limit(1)
    )


async def confirm_consent(
    session: AsyncSession,
    merchant_id: UUID,
    customer_id: UUID,
    *,
    asked_at: datetime,
    evidence: str,
    now: datetime,
) -> bool:
    """Record that the mailbox confirmed the consent it was asked about; False where it was asked about none.

    evidence: how that is known, without the address: which link, sent when.
    """
    customer = await lock_customer_row(session, merchant_id, customer_id)
    if customer is None or not _was_asked(customer, asked_at):
        return False
    given = await find_standing_record(session, merchant_id, customer_id)
    if given is None:
        return False
    customer.consent_confirmed_at = now
    session.add(
        ConsentRecord(
            merchant_id=merchant_id,
            id=new_id(),
            customer_id=customer_id,
            address_mac=given.address_mac,
            purpose=given.purpose,
            given=True,
            text_version=given.text_version,
            text_shown=given.text_shown,
            locale=given.locale,
            channel=given.channel,
            source=CONFIRMED_SOURCE,
            confirms=given.id,
            evidence=evidence,
            at=now,
        )
    )
    await session.flush()  # whoever locks the row again in this transaction reads it anew
    return True
