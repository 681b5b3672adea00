"""What can happen to a customer: come in, agree or take it back, prove a mailbox, be joined, be erased."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.kernel.adapters import resources_of
from app.kernel.errors import NotFound
from app.kernel.i18n import translator
from app.kernel.locks import lock_name
from app.modules.customers.consents import confirm_consent, find_standing_record
from app.modules.customers.hooks import CUSTOMER_CHANGED, CustomerChanged
from app.modules.customers.models import ConsentRecord, Customer
from app.modules.customers.preferences import list_opt_outs, set_opt_outs
from app.modules.customers.queries import (
    find_verified_row,
    list_consents,
    lock_cards_of,
    lock_customer_row,
)
from app.modules.customers.remarks import forget_remarks, list_notes, list_tags_of, move_remarks
from app.modules.customers.rules import (
    CONSENT_PURPOSE,
    CONSENT_TEXT,
    CONSENT_TEXT_VERSION,
    NAMELESS,
    Birthday,
    sort_name,
)
from app.modules.customers.search import forget_search, index_customers
from app.modules.merchants.public import get_merchant
from app.utils.id_generator import new_id
from app.utils.security import Keyring

ERASED_TO_NONE = (
    *("name", "email", "phone", "email_consent_at", "email_verified_at", "unsubscribed_at"),
    *("email_consent_source", "consent_confirmed_at"),
    *("birthday_day", "birthday_month", "birthday_year"),
)


@dataclass(frozen=True, slots=True)
class CustomerDetails:
    """What a person may tell when joining; everything is optional. Values are cleaned by the edge."""

    name: str | None = None
    email: str | None = None
    phone: str | None = None
    birthday: Birthday | None = None
    locale: str = "en"
    email_consent: bool = False


@dataclass(frozen=True, slots=True)
class EmailOffer:
    """An address that a person gives later. consent: the box was ticked. source: on which page."""

    email: str
    consent: bool
    source: str


def consent_text(locale: str | None) -> str:
    """Return the exact wording of the consent in a language, as it is shown and as it is recorded."""
    return translator(locale).gettext(CONSENT_TEXT)


def address_mac(session: AsyncSession, email: str) -> bytes:
    """Return the keyed hash under which consents remember an address."""
    return resources_of(session).get(Keyring).mac("lookup", "consent", email.lower())


def new_customer(merchant_id: UUID, details: CustomerDetails, *, now: datetime) -> Customer:
    """Return the row of a person, without a consent; not written yet."""
    birthday = details.birthday
    return Customer(
        merchant_id=merchant_id,
        id=new_id(),
        name=details.name or None,
        email=details.email or None,
        phone=details.phone or None,
        sort_name=sort_name(details.name),
        email_consent=False,
        locale=details.locale,
        birthday_day=birthday.day if birthday else None,
        birthday_month=birthday.month if birthday else None,
        birthday_year=birthday.year if birthday else None,
        created_at=now,
    )


async def create_customer(
    session: AsyncSession, merchant_id: UUID, details: CustomerDetails, *, now: datetime, source: str
) -> Customer:
    """Add a person; records the consent where one was given for an address.

    A ticked box without an address agrees to nothing, because there is nowhere to write to.
    source: where the details came from, such as "join_page", "api", "staff_device".
    """
    customer = new_customer(merchant_id, details, now=now)
    session.add(customer)
    await session.flush()  # the consent and the card point at this row
    await index_customers(session, [customer], fresh=True)
    if details.email_consent and details.email:
        await _write_consent(session, customer, given=True, locale=details.locale, source=source, now=now)
    return customer


async def record_consent(
    session: AsyncSession, merchant_id: UUID, customer_id: UUID, *, given: bool, source: str, now: datetime
) -> bool:
    """Record that a customer agreed, or took it back; False where nothing changes or no address is known.

    Raises NotFound.
    """
    customer = await lock_customer_row(session, merchant_id, customer_id)
    if customer is None or customer.erased_at is not None:
        raise NotFound("customer")
    if customer.email_consent == given or (given and customer.email is None):
        return False
    await _write_consent(session, customer, given=given, locale=customer.locale, source=source, now=now)
    await session.flush()  # whoever locks the row again in this transaction reads it anew
    return True


async def _write_consent(  # noqa: PLR0913 - what a record is made of; every part is named at the call
    session: AsyncSession,
    customer: Customer,
    *,
    given: bool,
    locale: str,
    source: str,
    now: datetime,
    shown: ConsentRecord | None = None,
) -> None:
    """Write the record and what stands in the row; shown: the record whose wording the person saw, if not now's."""
    customer.email_consent = given
    customer.email_consent_source = source if given else None
    customer.consent_confirmed_at = None
    customer.email_consent_at = now if given else None
    customer.unsubscribed_at = None if given else now
    session.add(
        ConsentRecord(
            merchant_id=customer.merchant_id,
            id=new_id(),
            customer_id=customer.id,
            address_mac=address_mac(session, customer.email) if customer.email else None,
            purpose=CONSENT_PURPOSE,
            given=given,
            text_version=shown.text_version if shown else CONSENT_TEXT_VERSION,
            text_shown=shown.text_shown if shown else consent_text(locale),
            locale=shown.locale if shown else locale,
            channel="email",
            source=source,
            at=now,
        )
    )


async def set_email(
    session: AsyncSession, merchant_id: UUID, customer_id: UUID, *, offer: EmailOffer, now: datetime
) -> None:
    """Give a customer an address to be confirmed; an agreement to an old address does not follow to it.

    Raises NotFound.
    """
    customer = await lock_customer_row(session, merchant_id, customer_id)
    if customer is None or customer.erased_at is not None:
        raise NotFound("customer")
    email, source = offer.email, offer.source
    is_new = (customer.email or "").lower() != email.lower()
    if is_new and customer.email_consent:
        await _write_consent(session, customer, given=False, locale=customer.locale, source=source, now=now)
    if is_new:
        customer.email = email
        customer.email_verified_at = None
    if offer.consent and not customer.email_consent:
        await _write_consent(session, customer, given=True, locale=customer.locale, source=source, now=now)
    await session.flush()  # the address must be there before a link is sent to it
    if is_new:
        await index_customers(session, [customer], fresh=False)


async def change_details(
    session: AsyncSession,
    merchant_id: UUID,
    customer_id: UUID,
    *,
    details: CustomerDetails,
    now: datetime,
    source: str = "dashboard",
) -> list[str]:
    """Set what is known of a person; returns the names of the fields that changed. Raises NotFound.

    A new address is not confirmed and no agreement follows to it; without one there is nothing to agree to.
    """
    await lock_cards_of(session, merchant_id, customer_id)  # callers change them afterwards
    customer = await lock_customer_row(session, merchant_id, customer_id)
    if customer is None or customer.erased_at is not None:
        raise NotFound("customer")
    birthday = details.birthday
    wanted = {
        "name": details.name or None,
        "phone": details.phone or None,
        "locale": details.locale,
        "birthday_day": birthday.day if birthday else None,
        "birthday_month": birthday.month if birthday else None,
        "birthday_year": birthday.year if birthday else None,
    }
    changed = [name for name, value in wanted.items() if getattr(customer, name) != value]
    for name in changed:
        setattr(customer, name, wanted[name])
    if (customer.email or "").lower() != (details.email or "").lower():
        changed.append("email")
        if customer.email_consent:
            await _write_consent(
                session, customer, given=False, locale=customer.locale, source=source, now=now
            )
        customer.email, customer.email_verified_at = details.email or None, None
    if changed:
        await session.flush()  # the rows by which the customer is found are written by statements
        await index_customers(session, [customer], fresh=False)
        modules_on = (await get_merchant(session, merchant_id)).modules_on
        await CUSTOMER_CHANGED.tell(
            CustomerChanged(session, merchant_id, customer_id, changed, now=now, modules_on=modules_on)
        )
    return changed


async def confirm_email(
    session: AsyncSession,
    merchant_id: UUID,
    customer_id: UUID,
    *,
    now: datetime,
    asked_at: datetime | None = None,
    evidence: str = "",
) -> UUID:
    """Note that the mailbox answered; return the customer whom the address belongs to.

    That is another customer where the address was confirmed before: the caller then joins the two. A consent given
    until asked_at, when the link was sent (None: now), is confirmed with the address.
    """
    customer = await lock_customer_row(session, merchant_id, customer_id)
    if customer is None or customer.email is None:
        raise NotFound("customer")
    # Two links of one address opened at the same moment: the second sees the first one's confirmation.
    await lock_name(session, "customer_email", merchant_id, customer.email.lower())
    known = await find_verified_row(session, merchant_id, customer.email)
    if known is not None and known.id != customer.id:
        return known.id
    if known is None:
        customer.email_verified_at = now
        await session.flush()  # the unique index decides here, under the lock
    await confirm_consent(
        session, merchant_id, customer_id, asked_at=asked_at or now, evidence=evidence, now=now
    )
    return customer_id


async def join_customers(
    session: AsyncSession, merchant_id: UUID, *, source_id: UUID, target_id: UUID, now: datetime
) -> None:
    """Add what a duplicate knows to the customer who stays, then blank the duplicate.

    Called once the mailbox has confirmed that both are one person. Given details are never overwritten.
    """
    assert source_id != target_id
    rows = {key: await lock_customer_row(session, merchant_id, key) for key in sorted((source_id, target_id))}
    source, target = rows[source_id], rows[target_id]
    if source is None or target is None:
        raise NotFound("customer")
    target.name = target.name or source.name
    target.phone = target.phone or source.phone
    if target.birthday_month is None:
        target.birthday_day, target.birthday_month = source.birthday_day, source.birthday_month
        target.birthday_year = source.birthday_year
    # An agreement follows to the same address only, or together with the address itself.
    takes = source.email is not None and target.email is None
    same = source.email is not None and source.email.lower() == (target.email or "").lower()
    agreed = source.email_consent and not target.email_consent and (takes or same)
    address, locale = (source.email, source.email_verified_at), source.locale
    confirmed_at = source.consent_confirmed_at
    shown = await find_standing_record(session, merchant_id, source_id) if agreed else None
    unwanted = await list_opt_outs(session, merchant_id, source_id)
    unwanted |= await list_opt_outs(session, merchant_id, target_id)
    await set_opt_outs(session, merchant_id, target_id, unwanted=unwanted, now=now)
    await move_remarks(session, merchant_id, source_id=source_id, target_id=target_id, now=now)
    await blank_customer(session, merchant_id, source_id, now=now)
    if takes:
        target.email, target.email_verified_at = address
    if agreed:
        await _write_consent(
            session, target, given=True, locale=locale, source="joined_card", now=now, shown=shown
        )
        await session.flush()  # confirming reads the row and its record anew
        if confirmed_at is not None:
            evidence = f"joined from customer {source_id}, confirmed {confirmed_at.isoformat()}"
            await confirm_consent(session, merchant_id, target_id, asked_at=now, evidence=evidence, now=now)
    await session.flush()  # the duplicate has let go of the address, which is unique
    await index_customers(session, [target], fresh=False)


async def blank_customer(
    session: AsyncSession, merchant_id: UUID, customer_id: UUID, *, now: datetime
) -> None:
    """Erase a person in place: the id stays, so that ledgers still balance, and nothing else does."""
    await session.flush()  # pending changes of the same row would come after the blanking otherwise
    await session.execute(
        update(Customer)
        .where(Customer.merchant_id == merchant_id, Customer.id == customer_id)
        .values(
            **dict.fromkeys(ERASED_TO_NONE),
            sort_name=NAMELESS,
            email_consent=False,
            locale="en",
            erased_at=func.coalesce(Customer.erased_at, now),
        )
    )
    await forget_search(session, merchant_id, [customer_id])
    await forget_remarks(session, merchant_id, customer_id)
    await set_opt_outs(session, merchant_id, customer_id, unwanted=frozenset(), now=now)


async def export_customer(session: AsyncSession, merchant_id: UUID, customer_id: UUID) -> dict[str, object]:
    """Return everything this module knows about a person, for the download of their data."""
    customer = await lock_customer_row(session, merchant_id, customer_id)
    if customer is None:
        raise NotFound("customer")
    personal = [column.name for column in Customer.__table__.columns if column.info["privacy"] == "personal"]
    consents = await list_consents(session, merchant_id, customer_id)
    notes = await list_notes(session, merchant_id, customer_id)
    tags = (await list_tags_of(session, merchant_id, [customer_id])).get(customer_id, [])
    return {
        "customer": {"id": str(customer.id), "created_at": customer.created_at.isoformat()}
        | {name: _plain(getattr(customer, name)) for name in personal},
        "tags": [tag.name for tag in tags],
        "not_wanted": [
            {"purpose": purpose, "channel": channel}
            for purpose, channel in sorted(await list_opt_outs(session, merchant_id, customer_id))
        ],
        "notes": [{"text": note.text, "at": note.at.isoformat()} for note in notes],
        "consents": [
            {
                "given": record.given,
                "text": record.text_shown,
                "text_version": record.text_version,
                "purpose": record.purpose,
                "channel": record.channel,
                "locale": record.locale,
                "source": record.source,
                "confirms": str(record.confirms) if record.confirms else None,
                "evidence": record.evidence,
                "at": record.at.isoformat(),
            }
            for record in consents
        ],
    }


def _plain(value: object) -> object:
    return value.isoformat() if isinstance(value, datetime) else value
