"""Single-use links to a card, sent to a mailbox: GET shows a button, only the POST behind it consumes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.config import Settings
from app.db.session import set_tenant
from app.kernel.adapters import resources_of
from app.kernel.errors import NotFound
from app.kernel.i18n import use_language
from app.kernel.outcomes import Refusal
from app.kernel.web.limit_rows import hit_row
from app.modules.cards.mails import CardWords, compose_card_link, compose_no_card
from app.modules.cards.merging import merge_people
from app.modules.cards.models import CardLink, PassObject
from app.modules.cards.queries import (
    CardRef,
    find_card,
    find_card_exactly,
    find_card_in_program,
)
from app.modules.customers.public import (
    PendingConsent,
    confirm_consent,
    confirm_email,
    find_pending_consent,
    get_customer,
    list_customers_by_email,
    record_consent,
)
from app.modules.merchants.public import get_merchant
from app.modules.messaging.public import WordingAsk, count_mails, find_own_words, queue_mail
from app.modules.stores.public import StoreView
from app.utils.id_generator import new_id
from app.utils.security import Keyring, b64, hash_token, new_token, same, unb64

# confirm: proves the mailbox of a typed address, and joins a duplicate. open: brings a card to a device.
CONFIRM, OPEN = "confirm", "open"
LINK_AGE = timedelta(days=7)
LINK_LENGTH_MAX = 120
# Links an address gets within the window, whoever asks for them.
LINKS_MAX = 6
LINKS_EVERYWHERE_MAX = 60
LINKS_WINDOW = timedelta(hours=1)
LINK_KINDS = ("card_link", "no_card")
UNUSABLE = Refusal("link_unusable")  # one answer for every reason a link cannot be used
_ID_LENGTH = 22


@dataclass(frozen=True, slots=True)
class LinkView:
    """A link that may be used: which card it opens, which duplicate it joins to it, which consent it confirms."""

    merchant_id: UUID
    id: UUID
    pass_id: UUID
    purpose: str
    merge_from: UUID | None
    expires_at: datetime
    consent: PendingConsent | None = None


async def send_card_link(
    session: AsyncSession, card: CardRef, *, purpose: str, now: datetime, merge_from: CardRef | None = None
) -> None:
    """Queue a mail with a single-use link to the card, to the address its holder gave.

    merge_from: the fresh duplicate whose holder typed the address; its language is the one of the mail.
    """
    asker = merge_from or card
    customer = await get_customer(session, card.merchant_id, asker.customer_id)
    assert customer.email is not None
    secret = new_token()
    link = CardLink(
        merchant_id=card.merchant_id,
        id=new_id(),
        pass_id=card.id,
        purpose=purpose,
        token_hash=hash_token(secret),
        merge_from=merge_from.id if merge_from else None,
        expires_at=now + LINK_AGE,
    )
    session.add(link)
    consent = await _asked_consent(session, card.merchant_id, asker.customer_id, purpose=purpose, sent_at=now)
    merchant = await get_merchant(session, card.merchant_id)
    text = f"{b64(card.merchant_id.bytes)}{b64(link.id.bytes)}{secret}"
    url = f"{resources_of(session).get(Settings).public_url.rstrip('/')}/card/link/{text}"
    words = CardWords(purpose, joins=merge_from is not None, consent=consent.text if consent else "")
    own = None
    if words.wording is not None:
        facts = {"name": customer.name or "", "shop": merchant.name}
        ask = WordingAsk(session, card.merchant_id, words.wording, customer.locale, facts)
        own = await find_own_words(ask)
    with use_language(customer.locale):
        mail = compose_card_link(merchant.name, url, words, own)
    await queue_mail(
        session,
        merchant_id=card.merchant_id,
        recipient=customer.email,
        kind="card_link",
        locale=customer.locale,
        subject=mail.subject,
        text=mail.text,
        customer_id=asker.customer_id,
        now=now,
    )


async def send_my_card(
    session: AsyncSession, store: StoreView, *, email: str, locale: str, now: datetime
) -> None:
    """Write to an address that asked for its card: the link, or that there is none. The page says neither.

    Both cases queue one mail, so that they take the same time; over the limit neither does.
    """
    if not await may_write_to(session, store.merchant_id, email, now=now):
        return
    for customer in await list_customers_by_email(session, store.merchant_id, email):
        card = await find_card_in_program(session, store.merchant_id, customer.id, store.program.id)
        if card is not None:
            purpose = OPEN if customer.email_verified_at else CONFIRM
            await send_card_link(session, card, purpose=purpose, now=now)
            return
    merchant = await get_merchant(session, store.merchant_id)
    with use_language(locale):
        mail = compose_no_card(merchant.name, store.join_url)
    await queue_mail(
        session,
        merchant_id=store.merchant_id,
        recipient=email,
        kind="no_card",
        locale=locale,
        subject=mail.subject,
        text=mail.text,
        now=now,
    )


def _read_link(text: str) -> tuple[UUID, UUID, str] | None:
    if len(text) > LINK_LENGTH_MAX or len(text) <= 2 * _ID_LENGTH or not text.isascii():
        return None
    try:
        ids = [UUID(bytes=unb64(text[at : at + _ID_LENGTH])) for at in (0, _ID_LENGTH)]
    except ValueError:
        return None
    return ids[0], ids[1], text[2 * _ID_LENGTH :]


async def find_card_link(session: AsyncSession, text: str, *, now: datetime) -> LinkView | None:
    """Return the link when it can be used, and bind the transaction to its merchant; changes nothing."""
    row = await _load_link(session, text, now=now)
    if row is None:
        return None
    fresh = await find_card_exactly(session, row.merchant_id, row.merge_from or row.pass_id)
    consent = None
    if fresh is not None:
        consent = await _asked_consent(
            session, row.merchant_id, fresh.customer_id, purpose=row.purpose, sent_at=_sent_at(row)
        )
    return LinkView(
        row.merchant_id, row.id, row.pass_id, row.purpose, row.merge_from, row.expires_at, consent
    )


async def _asked_consent(
    session: AsyncSession, merchant_id: UUID, customer_id: UUID, *, purpose: str, sent_at: datetime
) -> PendingConsent | None:
    """Return the consent that a link asks its reader to confirm; only what stood when it was sent."""
    if purpose != CONFIRM:
        return None
    return await find_pending_consent(session, merchant_id, customer_id, asked_at=sent_at)


def _sent_at(row: CardLink) -> datetime:
    return row.expires_at - LINK_AGE


async def _load_link(session: AsyncSession, text: str, *, now: datetime) -> CardLink | None:
    parts = _read_link(text)
    if parts is None:
        return None
    merchant_id, link_id, secret = parts
    try:
        await set_tenant(session, merchant_id)
    except NotFound:
        return None
    statement = (
        select(CardLink).where(CardLink.merchant_id == merchant_id, CardLink.id == link_id).with_for_update()
    )
    row = (await session.execute(statement)).scalar_one_or_none()
    if not same(row.token_hash if row else hash_token(""), hash_token(secret)):
        return None
    return row if row and row.used_at is None and now < row.expires_at else None


async def consume_card_link(
    session: AsyncSession,
    text: str,
    *,
    now: datetime,
    close_elsewhere: bool = False,
    wants_mails: bool = True,
) -> CardRef | Refusal:
    """Use a link up and return the card it opens; a confirmed address joins its duplicate to the old card.

    close_elsewhere: the device the card was made on is not the reader's; its copy of the card ends.
    wants_mails: False takes the consent back that the link asked about, instead of confirming it.
    Refusal: link_unusable, for every reason.
    """
    link = await _load_link(session, text, now=now)
    if link is None:
        return UNUSABLE
    link.used_at = now
    await session.flush()  # a merge reads and writes around it
    fresh = await find_card_exactly(session, link.merchant_id, link.merge_from or link.pass_id)
    if fresh is None or fresh.status == "erased":
        return UNUSABLE
    if link.purpose == CONFIRM and fresh.status != "merged":
        fresh = await _confirm(session, fresh, link, wants_mails=wants_mails, now=now)
    card = await find_card(session, link.merchant_id, str(fresh.id))
    if card is None:
        return UNUSABLE
    if close_elsewhere:
        await session.execute(
            update(PassObject)
            .where(PassObject.merchant_id == card.merchant_id, PassObject.id == card.id)
            .values(token_version=PassObject.token_version + 1)
            .execution_options(synchronize_session=False)
        )
        card = await find_card_exactly(session, card.merchant_id, card.id)
        assert card is not None
    return card


async def _confirm(
    session: AsyncSession, fresh: CardRef, link: CardLink, *, wants_mails: bool, now: datetime
) -> CardRef:
    """Note that the mailbox answered for the fresh card's holder, and join them to its owner."""
    merchant_id, customer_id, sent_at = fresh.merchant_id, fresh.customer_id, _sent_at(link)
    asked = await find_pending_consent(session, merchant_id, customer_id, asked_at=sent_at)
    if asked is not None and not wants_mails:
        await record_consent(session, merchant_id, customer_id, given=False, source="mail_link", now=now)
        asked = None
    evidence = f"link {link.id} sent to the address {sent_at.isoformat()}, used once"
    owner_id = await confirm_email(
        session, merchant_id, customer_id, now=now, asked_at=sent_at, evidence=evidence
    )
    if owner_id == customer_id:
        return fresh
    await merge_people(session, merchant_id, source_id=customer_id, target_id=owner_id, now=now)
    if asked is not None:
        await confirm_consent(session, merchant_id, owner_id, asked_at=now, evidence=evidence, now=now)
    return fresh


async def may_write_to(session: AsyncSession, merchant_id: UUID, email: str, *, now: datetime) -> bool:
    """Tell whether the address may get another link: whoever types addresses must not flood a mailbox.

    Counted by what was written to the address, so that changing it on a card forgets nothing; and across all
    merchants by a keyed hash. The cards are made all the same, and the pages say the same.
    """
    since = now - LINKS_WINDOW
    if await count_mails(session, merchant_id, recipient=email, kinds=LINK_KINDS, since=since) >= LINKS_MAX:
        return False
    keyring = resources_of(session).get(Keyring)
    key = b64(keyring.mac("lookup", "mail-address", email.lower())[:18])
    over = await hit_row(
        session, "mail_address_everywhere", key, amount=LINKS_EVERYWHERE_MAX, per=LINKS_WINDOW
    )
    return over is None


async def void_card_links(session: AsyncSession, card: CardRef, *, now: datetime) -> None:
    """End the mails' links that are still open for a card."""
    await session.execute(
        update(CardLink)
        .where(
            CardLink.merchant_id == card.merchant_id,
            (CardLink.pass_id == card.id) | (CardLink.merge_from == card.id),
            CardLink.used_at.is_(None),
        )
        .values(used_at=now)
        .execution_options(synchronize_session=False)
    )
