"""What holders ask for themselves: erase everything, change or remove the address. A confirmed mailbox is asked."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.config import Settings
from app.db.session import set_tenant
from app.kernel.adapters import resources_of
from app.kernel.errors import NotFound
from app.kernel.i18n import gettext as _
from app.kernel.i18n import use_language
from app.kernel.outcomes import Refusal
from app.modules.cards.public import CardRef, get_card, resend_confirmation, touch_card
from app.modules.customers.public import (
    CustomerDetails,
    CustomerView,
    change_details,
    erase_person,
    get_customer,
)
from app.modules.merchants.public import get_merchant
from app.modules.messaging.public import queue_mail
from app.modules.privacy.models import PrivacyRequest
from app.modules.privacy.rules import CHANGE_EMAIL, ERASE, REMOVE_EMAIL
from app.utils.id_generator import new_id
from app.utils.security import b64, hash_token, new_token, same, unb64

LINK_AGE = timedelta(days=2)
LINK_LENGTH_MAX = 120
# One after another; whoever holds a card must not flood its mailbox.
OPEN_REQUESTS_MAX = 5
UNUSABLE = Refusal("link_unusable")
_ID_LENGTH = 22


@dataclass(frozen=True, slots=True)
class RequestView:
    """A request behind a link that may be used."""

    merchant_id: UUID
    kind: str
    new_email: str | None


def details_of(customer: CustomerView) -> CustomerDetails:
    """Return what is known of a customer as it would be typed."""
    return CustomerDetails(customer.name, customer.email, customer.phone, customer.birthday, customer.locale)


async def ask_erasure(session: AsyncSession, card: CardRef, *, now: datetime) -> bool:
    """Erase the holder at once, or ask the confirmed mailbox first; True where it is done."""
    customer = await get_customer(session, card.merchant_id, card.customer_id)
    if customer.email_verified_at is not None:
        await _ask_mailbox(session, card, customer, kind=ERASE, now=now)
        return False
    await _note(session, card, kind=ERASE, now=now, done_at=now)
    await erase_person(session, card.merchant_id, card.customer_id)
    return True


async def correct_details(
    session: AsyncSession, card: CardRef, *, wanted: CustomerDetails, now: datetime
) -> bool:
    """Change what is known of the holder; a confirmed address only after its mailbox agreed.

    True where a mail was sent, to the old address or to the new one.
    """
    merchant_id = card.merchant_id
    customer = await get_customer(session, merchant_id, card.customer_id)
    email_changes = (wanted.email or "").lower() != (customer.email or "").lower()
    asks = email_changes and customer.email_verified_at is not None
    kept = replace(wanted, email=customer.email) if asks else wanted
    changed = await change_details(
        session, merchant_id, card.customer_id, details=kept, now=now, source="card_page"
    )
    if changed:
        await touch_card(session, merchant_id, card.id, now=now)
    if asks:
        kind = CHANGE_EMAIL if wanted.email else REMOVE_EMAIL
        await _ask_mailbox(session, card, customer, kind=kind, now=now, new_email=wanted.email)
    elif email_changes and wanted.email:
        await resend_confirmation(session, card, now=now)
    return email_changes and (asks or bool(wanted.email))


async def _note(
    session: AsyncSession,
    card: CardRef,
    *,
    kind: str,
    now: datetime,
    done_at: datetime | None = None,
    new_email: str | None = None,
) -> tuple[PrivacyRequest, str]:
    secret = new_token()
    row = PrivacyRequest(
        merchant_id=card.merchant_id,
        id=new_id(),
        customer_id=card.customer_id,
        pass_id=card.id,
        kind=kind,
        token_hash=None if done_at else hash_token(secret),
        new_email=new_email,
        created_at=now,
        expires_at=now + LINK_AGE,
        done_at=done_at,
    )
    session.add(row)
    await session.flush()  # an erasure that follows goes over these rows by statements
    return row, f"{b64(row.merchant_id.bytes)}{b64(row.id.bytes)}{secret}"


async def _ask_mailbox(
    session: AsyncSession,
    card: CardRef,
    customer: CustomerView,
    *,
    kind: str,
    now: datetime,
    new_email: str | None = None,
) -> None:
    assert customer.email is not None
    merchant_id = card.merchant_id
    waiting = await session.scalars(
        select(PrivacyRequest.id).where(
            PrivacyRequest.merchant_id == merchant_id,
            PrivacyRequest.customer_id == card.customer_id,
            PrivacyRequest.done_at.is_(None),
            PrivacyRequest.created_at > now - timedelta(hours=1),
        )
    )
    if len(waiting.all()) >= OPEN_REQUESTS_MAX:
        return
    # The newest wish counts: links to earlier ones end.
    await session.execute(
        update(PrivacyRequest)
        .where(
            PrivacyRequest.merchant_id == merchant_id,
            PrivacyRequest.customer_id == card.customer_id,
            PrivacyRequest.done_at.is_(None),
        )
        .values(token_hash=None, new_email=None)
    )
    _row, token = await _note(session, card, kind=kind, now=now, new_email=new_email)
    merchant = await get_merchant(session, merchant_id)
    url = f"{resources_of(session).get(Settings).public_url.rstrip('/')}/privacy/confirm/{token}"
    with use_language(customer.locale):
        subject, lead, label = _words(kind, merchant.name, new_email or "")
        rest = _(
            "The link works once, for two days. If this was not you, do nothing: everything stays as it is."
        )
        await queue_mail(
            session,
            merchant_id=merchant_id,
            recipient=customer.email,
            kind="privacy_request",
            locale=customer.locale,
            subject=subject,
            text=f"{lead}\n\n{url}\n\n{rest}\n",
            action_label=label,
            customer_id=customer.id,
            now=now,
        )


def _words(kind: str, shop: str, new_email: str) -> tuple[str, str, str]:
    if kind == ERASE:
        return (
            _("Delete your data at %(shop)s?", shop=shop),
            _(
                "Somebody with your card at %(shop)s asked to delete it and everything known about you:",
                shop=shop,
            ),
            _("Look at it and delete"),
        )
    if kind == REMOVE_EMAIL:
        return (
            _("Remove your email at %(shop)s?", shop=shop),
            _("Somebody with your card at %(shop)s asked to remove this address from it:", shop=shop),
            _("Look at it and remove"),
        )
    return (
        _("Change your email at %(shop)s?", shop=shop),
        _(
            "Somebody with your card at %(shop)s asked to write to %(email)s from now on:",
            shop=shop,
            email=new_email,
        ),
        _("Look at it and change"),
    )


async def find_request(session: AsyncSession, text: str, *, now: datetime) -> RequestView | None:
    """Return what a link asks for when it can be used; binds the tenant and changes nothing."""
    row = await _find(session, text, now=now, locked=False)
    return RequestView(row.merchant_id, row.kind, row.new_email) if row else None


async def _find(session: AsyncSession, text: str, *, now: datetime, locked: bool) -> PrivacyRequest | None:
    """Return the request behind a link that can be used. locked: to be done; a look must not hold its button up."""
    if len(text) > LINK_LENGTH_MAX or len(text) <= 2 * _ID_LENGTH or not text.isascii():
        return None
    try:
        merchant_id, request_id = (UUID(bytes=unb64(text[at : at + _ID_LENGTH])) for at in (0, _ID_LENGTH))
        await set_tenant(session, merchant_id)
    except (ValueError, NotFound):
        return None
    statement = select(PrivacyRequest).where(
        PrivacyRequest.merchant_id == merchant_id, PrivacyRequest.id == request_id
    )
    row = await session.scalar(statement.with_for_update() if locked else statement)
    known = row.token_hash if row is not None and row.token_hash is not None else hash_token("")
    if not same(known, hash_token(text[2 * _ID_LENGTH :])):
        return None
    return row if row is not None and row.done_at is None and now < row.expires_at else None


async def confirm_request(session: AsyncSession, text: str, *, now: datetime) -> RequestView | Refusal:
    """Do what the link asks for, once. Refusal: link_unusable, for every reason."""
    row = await _find(session, text, now=now, locked=True)
    if row is None:
        return UNUSABLE
    view = RequestView(row.merchant_id, row.kind, row.new_email)
    row.done_at, row.token_hash, row.new_email = now, None, None
    await session.flush()  # an erasure goes over the same row by a statement
    if view.kind == ERASE:
        await erase_person(session, row.merchant_id, row.customer_id)
        return view
    customer = await get_customer(session, row.merchant_id, row.customer_id)
    await change_details(
        session,
        row.merchant_id,
        row.customer_id,
        details=replace(details_of(customer), email=view.new_email),
        now=now,
        source="card_page",
    )
    card = await get_card(session, row.merchant_id, row.pass_id)
    if view.new_email:
        await resend_confirmation(session, card, now=now)
    return view
