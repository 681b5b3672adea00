"""Telling a customer of their gift: by mail and on the pass, where they agreed, at a decent hour, once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncSession

from app.config import Settings
from app.kernel.adapters import resources_of
from app.kernel.i18n import current, ngettext, use_language
from app.kernel.i18n import gettext as _
from app.modules.birthdays.models import BirthdayGift
from app.modules.birthdays.service import FEATURE, lock_gift, zone_of
from app.modules.cards.public import CardRef, PassObject, card_token, find_card
from app.modules.customers.public import CustomerView, get_customer, purpose_of, wants
from app.modules.merchants.public import MerchantView, get_merchant
from app.modules.messaging.public import (
    MAIL_GUARD,
    MARKETING,
    MailCheck,
    MailTurn,
    OwnWords,
    WordingAsk,
    find_own_words,
    queue_mail,
    quiet_until,
    take_slot,
)
from app.modules.rewards.public import Reward, title_in
from app.modules.wallets.public import send_wallet_message
from app.utils.security import Keyring

# The kind of the plain birthday mail: its words, its purpose, and its key, so that never both are written.
KIND = "birthday"
ASK_AGAIN = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class GiftView:
    """A gift as it is told of. title: of a reward, as the reader calls it."""

    kind: str
    amount: int
    title: str
    celebrated_on: date | None
    good_until: date | None
    factor: Decimal | None
    factor_until: date | None


async def view_gift(session: AsyncSession, gift: BirthdayGift) -> GiftView:
    """Return a gift in the reader's language; a reward that is gone has the name it had."""
    reward = await session.get(Reward, (gift.merchant_id, gift.reward_id)) if gift.reward_id else None
    return GiftView(
        gift.kind,
        gift.amount,
        title_in(reward, current().language) if reward else gift.title,
        gift.celebrated_on,
        gift.good_until,
        gift.factor,
        gift.factor_until,
    )


def gift_text(gift: GiftView) -> str:
    """Return what was given, in words: "50 points", "2 stamps", "2 × points" or the reward's name."""
    if gift.kind == "factor":
        return factor_text(gift.factor or Decimal(1))
    return amount_text(gift.kind, gift.amount, gift.title)


def factor_text(factor: Decimal) -> str:
    """Return how often points count: "2 × points"."""
    return _("%(factor)s × points", factor=current().format_number(factor.normalize()))


def more_text(gift: GiftView, *, today: date) -> str:
    """Return until when points count how often: "2 × points until 27 May 2026"; nothing where they do not."""
    if gift.factor is None or gift.factor_until is None or today > gift.factor_until:
        return ""
    return _("%(times)s until %(day)s", times=factor_text(gift.factor), day=day_text(gift.factor_until))


def amount_text(kind: str, amount: int, title: str) -> str:
    """Return a gift in words."""
    if kind == "reward":
        return title
    number = current().format_number(amount)
    if kind == "points":
        return ngettext("%(number)s point", "%(number)s points", amount, number=number)
    return ngettext("%(number)s stamp", "%(number)s stamps", amount, number=number)


def day_text(day: date) -> str:
    """Return "3 June 2026" in the reader's language."""
    return current().format_date(day, style="long")


def offer_text(gift: GiftView, *, today: date) -> str:
    """Return the gift with what matters of it: "A coffee, until 3 June 2026", and points that count more."""
    more = more_text(gift, today=today)
    if gift.kind == "factor":
        return more or gift_text(gift)
    if gift.kind != "reward" or gift.good_until is None:
        offer = _("%(gift)s, already on your card", gift=gift_text(gift))
    else:
        offer = _("%(gift)s, until %(day)s", gift=gift.title, day=day_text(gift.good_until))
    return _("%(gift)s, and %(more)s", gift=offer, more=more) if more else offer


def greeting(gift: GiftView, *, today: date) -> str:
    """Return how the gift is headed; before the day nobody is congratulated, which some hold to bring bad luck."""
    if gift.celebrated_on is None or today < gift.celebrated_on:
        return _("A gift for your birthday")
    return _("Happy birthday!")


@dataclass(frozen=True, slots=True)
class _Letter:
    subject: str
    text: str


async def tell_of_gift(
    session: AsyncSession, merchant_id: UUID, gift_id: UUID, *, now: datetime
) -> datetime | None:
    """Write to the customer if they agreed; return when to ask again where it is no good moment now."""
    merchant = await get_merchant(session, merchant_id)
    gift = await lock_gift(session, merchant_id, gift_id)
    if gift is None or gift.told_at is not None or gift.outcome is not None or gift.good_until is None:
        return None
    card = await find_card(session, merchant_id, str(gift.pass_id))
    if FEATURE not in merchant.modules_on or card is None or card.status != "active":
        return None
    customer = await get_customer(session, merchant_id, card.customer_id)
    row = await session.get(PassObject, (merchant_id, card.id))
    today = now.astimezone(ZoneInfo(await zone_of(session, merchant, row))).date()
    turn = MailTurn(session, merchant_id, customer.id, KIND, now)
    if today > gift.good_until or not await _has_agreed(turn, customer.email):
        gift.told_at = now
        return None
    if (moment := await quiet_until(turn)) is not None:
        return moment
    if not await take_slot(turn):
        return now + ASK_AGAIN
    gift.told_at = now
    with use_language(customer.locale):
        shown = await view_gift(session, gift)
        letter = await _write(session, merchant, customer, shown, today=today)
        await _send(session, customer, letter, card=card, gift=gift, now=now)
    return None


async def _has_agreed(turn: MailTurn, address: str | None) -> bool:
    """Tell whether the consent may be acted on; who agreed may still not want mail, or not want it on the card."""
    if address is None:
        return False
    guard = MAIL_GUARD.get("consent")
    check = MailCheck(turn.session, turn.merchant_id, turn.customer_id, KIND, address, None, turn.now)
    return await guard(check) is None


async def _write(
    session: AsyncSession,
    merchant: MerchantView,
    customer: CustomerView,
    gift: GiftView,
    *,
    today: date,
) -> _Letter:
    """Return the words: the shop's own for birthdays on the day, or ours; with the gift beneath."""
    facts = {"name": customer.name or "", "shop": merchant.name}
    offer = offer_text(gift, today=today)
    if gift.celebrated_on is not None and today == gift.celebrated_on:
        own = await find_own_words(WordingAsk(session, merchant.id, KIND, customer.locale, facts))
        words = own or _our_words(facts)
        yours = _("Your gift: %(offer)s.", offer=offer)
        return _Letter(words.subject, f"{words.text}\n\n{yours}")
    hello = _("Hello %(name)s", name=facts["name"]) if facts["name"] else _("Hello")
    near = _("For your birthday, %(shop)s has something for you: %(offer)s.", shop=merchant.name, offer=offer)
    return _Letter(_("A gift for your birthday"), f"{hello}\n\n{near}")


def _our_words(facts: dict[str, str]) -> OwnWords:
    name, shop = facts["name"], facts["shop"]
    if not name:
        return OwnWords(
            _("Happy birthday!"), _("All of us at %(shop)s wish you a happy birthday.", shop=shop)
        )
    hello = _("Hello %(name)s", name=name)
    wish = _("All of us at %(shop)s wish you a happy birthday.", shop=shop)
    return OwnWords(_("Happy birthday, %(name)s!", name=name), f"{hello}\n\n{wish}")


async def _send(  # noqa: PLR0913 - who, what, where, and when
    session: AsyncSession,
    customer: CustomerView,
    letter: _Letter,
    *,
    card: CardRef,
    gift: BirthdayGift,
    now: datetime,
) -> None:
    assert customer.email is not None
    resources, merchant_id = resources_of(session), customer.merchant_id
    base = resources.get(Settings).public_url.rstrip("/")
    address = f"{base}/card/{card.id}?t={card_token(resources.get(Keyring), card)}"
    once_key = f"{KIND}:{customer.id}:{gift.year}"
    written = await queue_mail(
        session,
        merchant_id=merchant_id,
        recipient=customer.email,
        kind=KIND,
        locale=customer.locale,
        subject=letter.subject,
        text=f"{letter.text}\n\n{address}",
        action_label=_("Open my card"),
        customer_id=customer.id,
        once_key=once_key,
        purpose=MARKETING,
        now=now,
    )
    wanted = await wants(session, merchant_id, customer.id, purpose=purpose_of(KIND), channel="wallet")
    if written is not None and wanted:
        body = " ".join(letter.text.split())
        await send_wallet_message(
            session, merchant_id, card.id, letter.subject, body, once_key=once_key, now=now
        )
