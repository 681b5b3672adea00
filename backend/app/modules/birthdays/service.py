"""Giving and ending gifts: decided under locks or by the unique key; may be repeated, and run twice at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.kernel.audit import record_audit
from app.kernel.errors import Invalid
from app.kernel.i18n import gettext as _
from app.kernel.outcomes import Refusal
from app.kernel.permissions import Principal
from app.kernel.settings import get_settings, save_settings
from app.modules.birthdays.earning import RULE, days_trait
from app.modules.birthdays.models import BirthdayGift
from app.modules.birthdays.queries import is_redeemed, other_celebrations
from app.modules.birthdays.rules import (
    GIFT,
    counts_until,
    find_celebration,
    good_until,
    has_been_known,
    is_too_close,
)
from app.modules.birthdays.settings import BirthdaySettings
from app.modules.cards.public import (
    CardMerged,
    PassObject,
    find_trait,
    get_card,
    list_cards_of_customer,
    lock_cards,
    raise_revision,
    set_trait,
)
from app.modules.customers.public import Customer, CustomerView, get_customer
from app.modules.merchants.public import MerchantView, find_standstill, get_merchant
from app.modules.rewards.public import GiftGiven, GiftOrder, give_gift, list_rewards, take_gift_back
from app.modules.stores.public import get_program, get_store, list_stores
from app.modules.wallets.public import mark_changed
from app.utils.id_generator import new_id

FEATURE = "birthdays"


@dataclass(frozen=True)
class Party:
    """Whose birthday it is, with the cards to put a gift on, the one used last first, all locked."""

    customer: CustomerView
    cards: Sequence[PassObject]
    celebrated: date
    today: date


async def give_birthday_gift(
    session: AsyncSession, merchant_id: UUID, customer_id: UUID, *, now: datetime
) -> BirthdayGift | None:
    """Give a customer what is due today, once for the year; None where nothing is, or nothing can be now."""
    merchant = await get_merchant(session, merchant_id)
    settings = await get_settings(session, BirthdaySettings, merchant_id=merchant_id)
    if FEATURE not in merchant.modules_on or not settings.is_ready:
        return None
    if await find_standstill(session, merchant_id) is not None:
        return None  # opened again in time, the next round gives it
    party = await _find_party(session, merchant_id, customer_id, settings=settings, now=now)
    if party is None:
        return None
    gift_id = await _claim(session, party, settings, now=now)
    if gift_id is None:
        return None
    for card in party.cards:
        gift = await _put_on(session, party, card, settings, gift_id=gift_id, now=now)
        if gift is not None:
            return gift
    # A full card or a reward that is offered no more: the year stays free, and the next round asks again.
    await session.execute(
        delete(BirthdayGift).where(BirthdayGift.merchant_id == merchant_id, BirthdayGift.id == gift_id)
    )
    return None


async def _find_party(
    session: AsyncSession,
    merchant_id: UUID,
    customer_id: UUID,
    *,
    settings: BirthdaySettings,
    now: datetime,
) -> Party | None:
    """Return whose birthday it is by the clock of the store whose card they use, or None; their cards are locked."""
    # The cards before the person, as whoever joins, edits or erases one does: nobody waits in a ring.
    refs = await list_cards_of_customer(session, merchant_id, customer_id)
    locked = await lock_cards(session, merchant_id, [ref.id for ref in refs])
    cards = [card for card in locked if card.status == "active" and card.customer_id == customer_id]
    if not cards:
        return None
    held = select(Customer.id).where(Customer.merchant_id == merchant_id, Customer.id == customer_id)
    await session.execute(held.with_for_update(read=True, key_share=True))
    # Read under the lock: a day edited, or a person erased, a moment ago counts.
    customer = await get_customer(session, merchant_id, customer_id)
    if customer.birthday is None or customer.erased_at is not None:
        return None
    cards.sort(key=_used_last, reverse=True)
    zone = ZoneInfo((await get_store(session, merchant_id, cards[0].store_id)).time_zone)
    today = now.astimezone(zone).date()
    celebrated = find_celebration(
        month=customer.birthday.month, day=customer.birthday.day, window=settings.window, today=today
    )
    joined = customer.created_at.astimezone(zone).date()
    if celebrated is None or not has_been_known(joined, days=settings.known_days, today=today):
        return None
    others = await other_celebrations(session, merchant_id, customer_id, year=celebrated.year)
    return None if is_too_close(celebrated, others) else Party(customer, cards, celebrated, today)


def _used_last(card: PassObject) -> tuple[bool, datetime, UUID]:
    return (card.last_visit_at is not None, card.last_visit_at or card.created_at, card.id)


async def _claim(
    session: AsyncSession, party: Party, settings: BirthdaySettings, *, now: datetime
) -> UUID | None:
    """Write the year's row; None where the unique key says that there is one."""
    made = insert(BirthdayGift).values(
        merchant_id=party.customer.merchant_id,
        id=new_id(),
        customer_id=party.customer.id,
        pass_id=party.cards[0].id,
        year=party.celebrated.year,
        celebrated_on=party.celebrated,
        good_until=good_until(party.celebrated, settings.window)
        if settings.kind != "factor"
        else counts_until(party.celebrated, settings.window),
        kind=settings.kind,
        reward_id=settings.reward_id if settings.kind == "reward" else None,
        given_at=now,
    )
    claimed = await session.execute(made.on_conflict_do_nothing().returning(BirthdayGift.id))
    return claimed.scalar_one_or_none()


def _order(settings: BirthdaySettings, gift_id: UUID) -> GiftOrder:
    key = str(gift_id)
    if settings.kind == "points":
        return GiftOrder(GIFT, key, points=settings.points)
    if settings.kind == "stamps":
        return GiftOrder(GIFT, key, stamps=settings.stamps)
    return GiftOrder(GIFT, key, reward_id=settings.reward_id)


async def _put_on(
    session: AsyncSession,
    party: Party,
    card: PassObject,
    settings: BirthdaySettings,
    *,
    gift_id: UUID,
    now: datetime,
) -> BirthdayGift | None:
    """Put the gift on one of the cards; None where this one cannot hold it."""
    merchant_id = card.merchant_id
    program = await get_program(session, merchant_id, card.program_id)
    counts_more = settings.factor > 1 and program.loyalty_type != "stamps"
    gift = await session.get_one(BirthdayGift, (merchant_id, gift_id))
    if settings.kind != "factor":
        given = await give_gift(session, merchant_id, card.id, order=_order(settings, gift_id), now=now)
        if not isinstance(given, GiftGiven):
            return None
        gift.amount, gift.title = given.points or given.stamps, given.reward_title or ""
    elif not counts_more:
        return None
    if counts_more:
        gift.factor, gift.factor_until = settings.factor, counts_until(party.celebrated, settings.window)
        await _note_days(session, card, days_trait(settings.factor, party.today, gift.factor_until), now=now)
    gift.pass_id = card.id
    await session.flush()  # the telling job's row is written after this one
    return gift


async def _note_days(
    session: AsyncSession, card: PassObject, noted: Mapping[str, Any], *, now: datetime
) -> None:
    """Let the till know of the days in which this locked card's points count more; empty: of none."""
    if set_trait(card, RULE, noted):
        raise_revision(card, now=now)
        await mark_changed(session, card.merchant_id, card.id)


async def end_days(session: AsyncSession, merchant_id: UUID, gift_id: UUID, *, now: datetime) -> None:
    """Forget the days in which points counted more once they are over by the clock of the card's store."""
    gift = await session.get(BirthdayGift, (merchant_id, gift_id))
    if gift is None or gift.factor_until is None:
        return
    card_id = await _card_now(session, merchant_id, gift.pass_id)
    cards = await lock_cards(session, merchant_id, [card_id] if card_id else [])
    gift = await lock_gift(session, merchant_id, gift_id)
    zone = await zone_of(session, await get_merchant(session, merchant_id), cards[0] if cards else None)
    today = now.astimezone(ZoneInfo(zone)).date()
    if gift is None or gift.factor_until is None or today <= gift.factor_until:
        return
    # Joined cards may hold the days of another gift, which go on.
    if cards and find_trait(cards[0], RULE).get("until") == gift.factor_until.isoformat():
        await _note_days(session, cards[0], {}, now=now)
    gift.factor_until = None


async def on_merged(merged: CardMerged) -> None:
    """Let the days of a card that is joined to another go on there, unless that one's end later."""
    ids = [merged.source.pass_id, merged.target.pass_id]
    cards = {card.id: card for card in await lock_cards(merged.session, merged.merchant_id, ids)}
    source, target = (cards.get(one) for one in ids)
    if source is None or target is None:
        return
    noted = find_trait(source, RULE)
    if noted and noted["until"] > find_trait(target, RULE).get("until", ""):
        await _note_days(merged.session, target, noted, now=merged.now)


async def lock_gift(session: AsyncSession, merchant_id: UUID, gift_id: UUID) -> BirthdayGift | None:
    """Return a gift, locked and freshly read; None where there is none."""
    found: BirthdayGift | None = await session.get(
        BirthdayGift, (merchant_id, gift_id), populate_existing=True, with_for_update=True
    )
    return found


async def end_gift(session: AsyncSession, merchant_id: UUID, gift_id: UUID, *, now: datetime) -> None:
    """Settle a reward whose last day is over by its store's clock: redeemed, or taken off the card again."""
    merchant = await get_merchant(session, merchant_id)
    gift = await session.get(BirthdayGift, (merchant_id, gift_id))
    if FEATURE not in merchant.modules_on or gift is None or gift.kind != "reward":
        return
    # The card first, as everywhere: whoever redeems holds it until it is settled.
    card_id = await _card_now(session, merchant_id, gift.pass_id)
    cards = await lock_cards(session, merchant_id, [card_id] if card_id else [])
    gift = await lock_gift(session, merchant_id, gift_id)
    if gift is None or gift.outcome is not None or gift.good_until is None:
        return
    zone = await zone_of(session, merchant, cards[0] if cards else None)
    if now.astimezone(ZoneInfo(zone)).date() <= gift.good_until:
        return
    used = await session.scalar(
        select(is_redeemed()).where(BirthdayGift.merchant_id == merchant_id, BirthdayGift.id == gift_id)
    )
    if not used and cards:
        taken = await take_gift_back(session, merchant_id, reason=GIFT, key=str(gift_id), now=now)
        used = isinstance(taken, Refusal)  # gone by a way that left no trace of the set-aside one
    gift.outcome, gift.ended_at = ("redeemed" if used else "lapsed"), now


async def _card_now(session: AsyncSession, merchant_id: UUID, pass_id: UUID) -> UUID | None:
    card = await session.get(PassObject, (merchant_id, pass_id))
    if card is None or card.status == "erased":
        return None
    return (await get_card(session, merchant_id, pass_id)).id


async def zone_of(session: AsyncSession, merchant: MerchantView, card: PassObject | None) -> str:
    """Return by whose clock a card's days are counted."""
    if card is None:
        return merchant.time_zone
    zone: str = (await get_store(session, merchant.id, card.store_id)).time_zone
    return zone


async def change_settings(
    session: AsyncSession, principal: Principal, settings: BirthdaySettings, *, now: datetime
) -> None:
    """Keep what is given and when; raises Invalid for a gift that no card of the shop can hold."""
    await _refuse_unfit(session, principal.merchant_id, settings)
    await save_settings(session, settings, merchant_id=principal.merchant_id)
    await record_audit(
        session,
        principal,
        action="birthdays.settings_changed",
        target_kind="birthdays",
        target_id=None,
        now=now,
        facts={"fields": sorted(settings.model_fields_set)},
    )


async def _refuse_unfit(session: AsyncSession, merchant_id: UUID, settings: BirthdaySettings) -> None:
    offer = await list_offer(session, merchant_id)
    wrong: dict[str, str] = {}
    if settings.kind is None:
        wrong = {"kind": _("Please choose what you give.")}
    elif settings.kind == "reward" and settings.reward_id not in dict(offer.rewards):
        wrong = {"reward_id": _("Please choose a reward that is offered.")}
    elif settings.kind in {"points", "stamps"} and settings.kind not in offer.kinds:
        wrong = {"kind": _("Your cards do not collect these.")}
    elif settings.kind == "factor" and settings.factor <= 1:
        wrong = {"factor": _("More than 1, or there is no gift.")}
    elif settings.factor > 1 and "points" not in offer.kinds:
        wrong = {"factor": _("Your cards do not collect points.")}
    if wrong:
        raise Invalid("birthdays", extra={"fields": wrong})


@dataclass(frozen=True, slots=True)
class Offer:
    """What a shop can give. kinds: what its cards collect. rewards: id and title of those that are offered."""

    kinds: frozenset[str]
    rewards: Sequence[tuple[UUID, str]]


async def list_offer(session: AsyncSession, merchant_id: UUID) -> Offer:
    """Return what the cards of a shop can hold."""
    kinds: set[str] = set()
    rewards: dict[UUID, str] = {}
    for store in await list_stores(session, merchant_id):
        loyalty_type = store.program.loyalty_type
        kinds |= {"points", "stamps"} if loyalty_type == "hybrid" else {loyalty_type}
        for reward in await list_rewards(session, merchant_id, store.program.id):
            if reward.active:
                rewards[reward.id] = reward.title
    return Offer(frozenset(kinds), sorted(rewards.items(), key=_by_title))


def _by_title(row: tuple[UUID, str]) -> str:
    return row[1].casefold()
