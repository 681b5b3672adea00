"""The neutral view of a card, from which every output is rendered: web card, Apple pass, Google object."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.kernel.errors import NotFound
from app.kernel.i18n import LANGUAGES, Translator, msg, use_language
from app.kernel.points import CardContext
from app.modules.cards.models import PassObject
from app.modules.merchants.public import MerchantView, get_merchant
from app.modules.stores.public import ProgramView, StoreView, get_program, list_program_stores
from app.modules.wallets.hooks import PASS_FIELDS, PassField
from app.modules.wallets.messages.fields import message_field
from app.modules.wallets.messages.rules import CardMessage
from app.modules.wallets.messages.service import list_card_messages
from app.modules.wallets.queries import balances_of, find_card_with_holder, list_reward_rows
from app.modules.wallets.rules import (
    DEFAULT_ICON,
    CardColors,
    CardReward,
    card_colors,
    card_text,
    find_next,
    show_rewards,
    text_for_all,
)
from app.utils.id_generator import format_card_number

LOCATIONS_MAX = 10
# What merchants write on the back of a card, language by language, in the order it is read.
OWN_TEXTS = {
    "about": msg("About this card"),
    "contact": msg("Opening hours and contact"),
    "terms": msg("Terms"),
}
OWN_TEXTS_ORDER = 900


@dataclass(frozen=True, slots=True)
class NextReward:
    """The reward ahead. distance: how many; unit: "stamps" or "points"; text: both in the card's language."""

    title: str
    threshold: int
    distance: int
    unit: str
    text: str


@dataclass(frozen=True, slots=True)
class CardLocation:
    """Where a wallet may put the card forward."""

    name: str
    latitude: float
    longitude: float


@dataclass(frozen=True, slots=True)
class CardView:
    """A card as everybody sees it; texts in `locale`, numbers raw, moments UTC. Holds the holder's name.

    card_title: what the merchant calls the card, in `locale`; empty: nothing of its own, the programme's name stands.
    program_names: the name in each language, the same for every card of the programme.
    """

    pass_id: UUID
    merchant_id: UUID
    program_id: UUID
    locale: str
    merchant_name: str
    program_name: str
    store_name: str
    store_names: tuple[str, ...]
    locations: tuple[CardLocation, ...]
    time_zone: str
    loyalty_type: str
    colors: CardColors
    icon: str
    logo_url: str | None
    design_version: int
    stamp_count: int
    stamps_needed: int
    points_balance: int
    reward_unlocked: bool
    rewards: tuple[CardReward, ...]
    rewards_waiting: int
    next_reward: NextReward | None
    customer_name: str | None
    card_number: str
    card_number_printed: str
    barcode_text: str
    status: str
    revision: int
    update_tag: int
    changed_at: datetime
    last_visit_at: datetime | None
    fields: tuple[PassField, ...]
    change_message: str
    messages: tuple[CardMessage, ...] = ()
    card_title: str = ""
    program_names: Mapping[str, str] = field(default_factory=dict)

    @property
    def heading(self) -> tuple[str, str]:
        """Return the two lines that head the card: the business, and the card's name or else its place.

        A programme of one store is usually called like the store; then the card says the business and the store.
        """
        is_own = self.program_name in self.store_names
        place = self.store_name if len(self.store_names) <= 1 or is_own else self.program_name
        return self.merchant_name, self.card_title or place

    @property
    def is_full(self) -> bool:
        """Tell whether the card takes no further stamp until its reward is redeemed."""
        return self.loyalty_type != "points" and self.stamp_count >= self.stamps_needed


async def card_view(
    session: AsyncSession, merchant_id: UUID, pass_id: UUID, *, locale: str, now: datetime
) -> CardView:
    """Return the card as it is now, in a language; raises NotFound for an unknown card.

    A card of any status is shown: blocked, merged and erased ones so that wallets can void them.
    """
    views = await card_views(session, merchant_id, pass_id, locales=(locale,), now=now)
    return views[locale]


async def card_views(
    session: AsyncSession, merchant_id: UUID, pass_id: UUID, *, locales: Iterable[str], now: datetime
) -> dict[str, CardView]:
    """Return the card as it is now in several languages, read once; raises NotFound for an unknown card."""
    found = await find_card_with_holder(session, merchant_id, pass_id)
    if found is None:
        raise NotFound("card")
    card, holder = found
    merchant = await get_merchant(session, merchant_id)
    program = await get_program(session, merchant_id, card.program_id)
    stores = await list_program_stores(session, merchant_id, card.program_id)
    rewards = show_rewards(balances_of(card), await list_reward_rows(session, merchant_id, card.program_id))
    messages = await list_card_messages(session, merchant_id, pass_id, now=now)
    parts = Parts(card, holder, merchant, program, tuple(stores), rewards, messages)
    views: dict[str, CardView] = {}
    for locale in locales:
        context = CardContext(
            session=session,
            merchant_id=merchant_id,
            pass_id=pass_id,
            locale=locale,
            now=now,
            modules_on=merchant.modules_on,
        )
        with use_language(locale) as translator:
            fields = [message_field(messages), *await PASS_FIELDS.gather(context)]
            views[locale] = assemble(parts, tuple(sorted(fields, key=lambda line: line.order)), translator)
    return views


@dataclass(frozen=True, slots=True)
class Parts:
    """What was read for a view."""

    card: PassObject
    holder: str | None
    merchant: MerchantView
    program: ProgramView
    stores: tuple[StoreView, ...]
    rewards: tuple[CardReward, ...]
    messages: tuple[CardMessage, ...]

    @property
    def home(self) -> StoreView | None:
        """Return the store the card was made in, or another open one of its programme."""
        own = (store for store in self.stores if store.id == self.card.store_id)
        return next(own, self.stores[0] if self.stores else None)


def assemble(parts: Parts, fields: tuple[PassField, ...], translator: Translator) -> CardView:
    """Return the view of a card, real or made up, in the translator's language."""
    card, program, home = parts.card, parts.program, parts.home
    design, branding = program.design, parts.merchant.branding
    rewards = tuple(reward.said_in(translator.language) for reward in parts.rewards)
    logo = design.get("logo_url") or branding.get("logo_url")
    titles = {one: card_text(design, "title", one, parts.merchant.locale) for one in LANGUAGES}
    title = titles[translator.language]
    return CardView(
        pass_id=card.id,
        merchant_id=card.merchant_id,
        program_id=card.program_id,
        locale=translator.language,
        merchant_name=parts.merchant.name,
        program_name=title or program.name,
        store_name=home.name if home else parts.merchant.name,
        store_names=tuple(store.name for store in parts.stores),
        locations=_locations(parts.stores),
        time_zone=home.time_zone if home else parts.merchant.time_zone,
        loyalty_type=program.loyalty_type,
        colors=card_colors(design, branding),
        icon=str(design.get("icon") or branding.get("icon") or DEFAULT_ICON),
        logo_url=str(logo) if logo else None,
        design_version=program.design_version,
        stamp_count=card.stamp_count,
        stamps_needed=program.stamps_needed,
        points_balance=card.points_balance,
        reward_unlocked=card.reward_unlocked,
        rewards=rewards,
        rewards_waiting=sum(reward.waiting for reward in rewards),
        next_reward=_next_reward(rewards, translator),
        customer_name=parts.holder,
        card_number=card.card_number,
        card_number_printed=format_card_number(card.card_number),
        barcode_text=card.card_number,
        status=card.status,
        revision=card.revision,
        update_tag=card.update_tag,
        changed_at=card.changed_at,
        last_visit_at=card.last_visit_at,
        fields=(*fields, *own_texts(design, translator, locale=parts.merchant.locale)),
        change_message=_change_message(card, program, translator),
        messages=parts.messages,
        card_title=title,
        program_names={one: name or program.name for one, name in titles.items()},
    )


def own_texts(design: Mapping[str, Any], translator: Translator, *, locale: str) -> tuple[PassField, ...]:
    """Return what the merchant wrote for the back: in the translator's language, the merchant's, or any there is."""
    found = []
    for place, (key, label) in enumerate(OWN_TEXTS.items()):
        if text := text_for_all(design, key, translator.language, locale):
            order = OWN_TEXTS_ORDER + place
            # Pages show them apart, with room to read.
            line = PassField(
                key, translator.gettext(label), text, place="back", order=order, in_browser=False
            )
            found.append(line)
    return tuple(found)


def _locations(stores: tuple[StoreView, ...]) -> tuple[CardLocation, ...]:
    return tuple(
        CardLocation(store.name, store.latitude, store.longitude)
        for store in stores
        if store.latitude is not None and store.longitude is not None
    )[:LOCATIONS_MAX]


def _next_reward(rewards: tuple[CardReward, ...], translator: Translator) -> NextReward | None:
    reward = find_next(rewards)
    if reward is None:
        return None
    number = translator.format_number(reward.missing)
    if reward.kind == "stamps":
        text = translator.ngettext(
            "%(number)s stamp to go", "%(number)s stamps to go", reward.missing, number=number
        )
    else:
        text = translator.ngettext(
            "%(number)s point to go", "%(number)s points to go", reward.missing, number=number
        )
    return NextReward(reward.title, reward.threshold, reward.missing, reward.kind, text)


def stamps_message(count: object, needed: int, translator: Translator) -> str:
    """Return what a new stamp says; count may be the %@ that a wallet fills in."""
    return translator.ngettext(
        "You now have %(count)s of %(needed)s stamp",
        "You now have %(count)s of %(needed)s stamps",
        needed,
        count=count,
        needed=translator.format_number(needed),
    )


def points_message(count: object, number: int, translator: Translator) -> str:
    """Return what new points say; number chooses between singular and plural."""
    return translator.ngettext(
        "You now have %(count)s point", "You now have %(count)s points", number, count=count
    )


def _change_message(card: PassObject, program: ProgramView, translator: Translator) -> str:
    sentences: list[str] = []
    if program.loyalty_type != "points":
        count = translator.format_number(card.stamp_count)
        sentences.append(stamps_message(count, program.stamps_needed, translator))
    if program.loyalty_type != "stamps":
        points = translator.format_number(card.points_balance)
        sentences.append(points_message(points, card.points_balance, translator))
    if card.reward_unlocked:
        sentences.append(translator.gettext("A reward is waiting for you"))
    return ". ".join(sentences)
