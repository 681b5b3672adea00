"""What can happen to a card besides visits: made, blocked, its links revoked, its holder's address added."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.kernel.adapters import resources_of
from app.kernel.errors import NotFound
from app.kernel.metering import take_room
from app.modules.cards.access import card_token
from app.modules.cards.balances import lock_card, raise_revision
from app.modules.cards.hooks import CARD_CHANGED, CARD_JOINED, CardChanged, CardJoined
from app.modules.cards.links import CONFIRM, may_write_to, send_card_link, void_card_links
from app.modules.cards.models import PassObject
from app.modules.cards.queries import (
    CardRef,
    find_card_exactly,
    find_card_in_program,
    get_card,
)
from app.modules.customers.public import (
    CustomerDetails,
    EmailOffer,
    create_customer,
    find_verified_customer,
    get_customer,
    set_email,
)
from app.modules.merchants.public import get_merchant
from app.modules.stores.public import StoreView
from app.utils.id_generator import new_card_number, new_id
from app.utils.security import Keyring


@dataclass(frozen=True, slots=True)
class CreatedCard:
    """A fresh card. known_email: the address was confirmed by somebody before; never shown on screen."""

    card: CardRef
    token: str
    known_email: bool


async def create_card(
    session: AsyncSession, store: StoreView, details: CustomerDetails, *, now: datetime, source: str
) -> CreatedCard:
    """Make a person and their card of the store's programme; an address that came along gets a link.

    A known address changes nothing here: the card is fresh, and the mailbox alone may join it to the old one.
    """
    merchant_id = store.merchant_id
    await take_room(session, merchant_id, "cards", now=now)
    customer = await create_customer(session, merchant_id, details, now=now, source=source)
    row = PassObject(
        merchant_id=merchant_id,
        id=new_id(),
        customer_id=customer.id,
        store_id=store.id,
        program_id=store.program.id,
        card_number=new_card_number(),
        status="active",
        changed_at=now,
        created_at=now,
    )
    session.add(row)
    await session.flush()  # links and subscribers point at this row
    card = await find_card_exactly(session, merchant_id, row.id)
    assert card is not None
    known = await _greet(session, card, details.email, now=now) if details.email else False
    merchant = await get_merchant(session, merchant_id)
    await CARD_JOINED.tell(
        CardJoined(
            session,
            merchant_id,
            pass_id=card.id,
            customer_id=customer.id,
            store_id=store.id,
            program_id=store.program.id,
            source=source,
            now=now,
            modules_on=merchant.modules_on,
        )
    )
    return CreatedCard(card, card_token(resources_of(session).get(Keyring), card), known)


async def _greet(session: AsyncSession, card: CardRef, email: str, *, now: datetime) -> bool:
    """Write to the address that was typed: to confirm it, or with the link to the card it already has."""
    owner = await find_verified_customer(session, card.merchant_id, email)
    existing = None
    if owner is not None and owner.id != card.customer_id:
        existing = await find_card_in_program(session, card.merchant_id, owner.id, card.program_id)
    if not await may_write_to(session, card.merchant_id, email, now=now):
        return owner is not None
    if existing is None:
        await send_card_link(session, card, purpose=CONFIRM, now=now)
    else:
        await send_card_link(session, existing, purpose=CONFIRM, merge_from=card, now=now)
    return owner is not None


async def add_email(session: AsyncSession, card: CardRef, *, offer: EmailOffer, now: datetime) -> None:
    """Give the card's holder an address and write to it; links sent to an earlier address end.

    A confirmed address is changed by its mailbox only: then this raises NotFound.
    """
    customer = await get_customer(session, card.merchant_id, card.customer_id)
    if customer.email_verified_at is not None:
        raise NotFound("customer")
    await void_card_links(session, card, now=now)
    await set_email(session, card.merchant_id, card.customer_id, offer=offer, now=now)
    await _greet(session, card, offer.email, now=now)
    await touch_card(session, card.merchant_id, card.id, now=now)


async def touch_card(
    session: AsyncSession, merchant_id: UUID, pass_id: UUID, *, now: datetime, what: str = ""
) -> None:
    """Note a visible change that is no visit: open pages and wallets refresh. what: see CardChanged."""
    raise_revision(await lock_card(session, merchant_id, pass_id), now=now)
    await session.flush()  # the card is read by plain statements from here on
    modules_on = (await get_merchant(session, merchant_id)).modules_on
    await CARD_CHANGED.tell(CardChanged(session, merchant_id, pass_id, now, modules_on, what))


async def block_card(session: AsyncSession, merchant_id: UUID, pass_id: UUID, *, now: datetime) -> bool:
    """Stop a card from earning and redeeming; False where it was not active. Raises NotFound."""
    return await _switch(session, merchant_id, pass_id, before="active", after="blocked", now=now)


async def unblock_card(session: AsyncSession, merchant_id: UUID, pass_id: UUID, *, now: datetime) -> bool:
    """Let a blocked card work again; False where it was not blocked. Raises NotFound."""
    return await _switch(session, merchant_id, pass_id, before="blocked", after="active", now=now)


async def _switch(
    session: AsyncSession, merchant_id: UUID, pass_id: UUID, *, before: str, after: str, now: datetime
) -> bool:
    row = await lock_card(session, merchant_id, pass_id)
    if row.status != before:
        return False
    row.status = after
    await session.flush()  # touch_card writes the same row by a statement of its own
    await touch_card(session, merchant_id, pass_id, now=now, what=after)
    return True


async def revoke_card_links(
    session: AsyncSession, merchant_id: UUID, pass_id: UUID, *, now: datetime
) -> CardRef:
    """End every link and cookie of the card, on all devices; the returned card makes the new token.

    Raises NotFound.
    """
    row = await lock_card(session, merchant_id, pass_id)
    row.token_version += 1
    await session.flush()  # the reference below is read back
    card = await get_card(session, merchant_id, pass_id)
    await void_card_links(session, card, now=now)
    await touch_card(session, merchant_id, pass_id, now=now)
    return card


async def resend_confirmation(session: AsyncSession, card: CardRef, *, now: datetime) -> None:
    """Write again to an address that is to be confirmed, or whose consent is; earlier links end."""
    customer = await get_customer(session, card.merchant_id, card.customer_id)
    is_done = customer.email_verified_at is not None and not customer.consent_waits
    if customer.email is None or is_done:
        return
    await void_card_links(session, card, now=now)
    await _greet(session, card, customer.email, now=now)
