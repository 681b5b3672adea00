"""The link under every marketing mail: it shows and changes what a customer wants, and ends it by one POST."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.config import Settings
from app.db.session import set_tenant
from app.kernel.adapters import resources_of
from app.kernel.errors import NotFound
from app.modules.cards.public import list_cards_of_customer, resend_confirmation
from app.modules.customers.public import (
    CustomerView,
    get_customer,
    list_opt_outs,
    record_consent,
    set_opt_outs,
)
from app.modules.messaging.public import Unsubscribe
from app.utils.security import Keyring, b64, same, unb64

TOKEN_LENGTH = 71
MAC_BYTES = 20
_ID_LENGTH = 22


def _mac(keyring: Keyring, merchant_id: UUID, customer_id: UUID) -> bytes:
    # The one key that is never rotated: a link in an old mail must end the mails for as long as they come.
    return keyring.mac("lookup", "unsubscribe", merchant_id, customer_id)[:MAC_BYTES]


def unsubscribe_token(keyring: Keyring, merchant_id: UUID, customer_id: UUID) -> str:
    """Return the token of a customer's preferences: good for them and for nothing else."""
    mac = _mac(keyring, merchant_id, customer_id)
    return f"{b64(merchant_id.bytes)}{b64(customer_id.bytes)}{b64(mac)}"


async def offer_unsubscribe(session: AsyncSession, merchant_id: UUID, customer_id: UUID) -> Unsubscribe:
    """Return the addresses for a mail's foot and header."""
    resources = resources_of(session)
    token = unsubscribe_token(resources.get(Keyring), merchant_id, customer_id)
    base = f"{resources.get(Settings).public_url.rstrip('/')}/mail/preferences/{token}"
    return Unsubscribe(page=base, one_click=f"{base}/one-click")


async def find_subscriber(session: AsyncSession, text: str) -> CustomerView | None:
    """Return whom a token belongs to, and bind the tenant; None for any other text and for erased people."""
    if len(text) != TOKEN_LENGTH or not text.isascii():
        return None
    try:
        merchant_id, customer_id = (UUID(bytes=unb64(text[at : at + _ID_LENGTH])) for at in (0, _ID_LENGTH))
        mac = unb64(text[2 * _ID_LENGTH :])
    except ValueError:
        return None
    if not same(mac, _mac(resources_of(session).get(Keyring), merchant_id, customer_id)):
        return None
    try:
        await set_tenant(session, merchant_id)
        customer = await get_customer(session, merchant_id, customer_id)
    except NotFound:
        return None
    return customer if customer.erased_at is None else None


async def unsubscribe(session: AsyncSession, text: str, *, source: str, now: datetime) -> CustomerView | None:
    """End all marketing mail to a token's customer; once more changes nothing. None for an unknown token."""
    customer = await find_subscriber(session, text)
    if customer is not None:
        await record_consent(session, customer.merchant_id, customer.id, given=False, source=source, now=now)
    return customer


async def save_preferences(
    session: AsyncSession,
    text: str,
    *,
    wanted: frozenset[tuple[str, str]],
    consent: bool,
    now: datetime,
) -> CustomerView | None:
    """Keep what a customer wants. Nothing by mail at all takes the consent back; a ticked box gives it."""
    customer = await find_subscriber(session, text)
    if customer is None:
        return None
    shown = offered_pairs()
    hears = any(channel == "email" for _purpose, channel in wanted)
    merchant_id = customer.merchant_id
    if customer.email_consent and not hears:
        await record_consent(
            session, merchant_id, customer.id, given=False, source="preference_page", now=now
        )
    elif not customer.email_consent and consent:
        await record_consent(session, merchant_id, customer.id, given=True, source="preference_page", now=now)
        await _ask_mailbox(session, merchant_id, customer.id, now=now)
        wanted = shown
    unwanted = frozenset() if not hears and not consent else shown - wanted
    kept = {pair for pair in await list_opt_outs(session, merchant_id, customer.id) if pair not in shown}
    await set_opt_outs(session, merchant_id, customer.id, unwanted=unwanted | kept, now=now)
    return customer


async def _ask_mailbox(session: AsyncSession, merchant_id: UUID, customer_id: UUID, *, now: datetime) -> None:
    """Send the link that confirms a consent: whoever holds an old mail may not be who reads the mailbox now."""
    cards = await list_cards_of_customer(session, merchant_id, customer_id)
    card = next((card for card in cards if card.status == "active"), None)
    if card is not None:
        await resend_confirmation(session, card, now=now)


def offered_pairs() -> frozenset[tuple[str, str]]:
    """Return the pairs of purpose and channel that the page offers."""
    from app.modules.customers.public import CHANNELS, PURPOSES

    return frozenset((purpose, channel) for purpose in PURPOSES for channel in CHANNELS)
