"""What other modules may know of cards, and the points at which they join in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.kernel.hooks import Tell
from app.modules.cards.access import (
    CardHolderDep,
    DeviceCardDep,
    card_token,
    cookie_tokens,
    find_held_card,
    forget_card,
    held_cards,
    held_merchants,
    presented_tokens,
    read_card_token,
    remember_card,
)
from app.modules.cards.balances import (
    get_card_row,
    lock_card,
    lock_card_now,
    lock_cards,
    raise_revision,
    reward_numbers,
)
from app.modules.cards.hooks import (
    CARD_CHANGED,
    CARD_JOINED,
    CARD_MERGED,
    SAVE_LINK,
    CardChanged,
    CardJoined,
    CardMerged,
    MergedBalance,
    SaveLinkContext,
)
from app.modules.cards.importing import import_cards
from app.modules.cards.joining import create_card_once
from app.modules.cards.links import consume_card_link, find_card_link, send_card_link, send_my_card
from app.modules.cards.mails import CardWords, compose_card_link
from app.modules.cards.merging import merge_cards, merge_people
from app.modules.cards.models import PassObject
from app.modules.cards.queries import CardRef, find_card, get_card, list_cards_of_customer
from app.modules.cards.rules import read_token
from app.modules.cards.service import (
    CreatedCard,
    add_email,
    block_card,
    create_card,
    resend_confirmation,
    revoke_card_links,
    touch_card,
    unblock_card,
)
from app.modules.cards.traits import find_trait, set_trait

__all__ = [
    "CARD_CHANGED",
    "CARD_JOINED",
    "CARD_MERGED",
    "TIER_CHANGED",
    "CardChanged",
    "CardHolderDep",
    "CardJoined",
    "CardMerged",
    "CardRef",
    "CreatedCard",
    "MergedBalance",
    "SAVE_LINK",
    "SaveLinkContext",
    "PassObject",
    "DeviceCardDep",
    "TierChanged",
    "block_card",
    "card_token",
    "consume_card_link",
    "cookie_tokens",
    "read_token",
    "create_card_once",
    "add_email",
    "create_card",
    "find_card",
    "CardWords",
    "compose_card_link",
    "find_card_link",
    "find_held_card",
    "find_trait",
    "forget_card",
    "get_card",
    "get_card_row",
    "lock_card",
    "lock_card_now",
    "raise_revision",
    "reward_numbers",
    "PassObject",
    "get_card_row",
    "held_cards",
    "held_merchants",
    "presented_tokens",
    "list_cards_of_customer",
    "lock_card",
    "lock_card_now",
    "lock_cards",
    "import_cards",
    "merge_cards",
    "merge_people",
    "raise_revision",
    "read_card_token",
    "remember_card",
    "resend_confirmation",
    "revoke_card_links",
    "reward_numbers",
    "send_card_link",
    "send_my_card",
    "set_trait",
    "touch_card",
    "unblock_card",
]


@dataclass(frozen=True, slots=True)
class TierChanged:
    """A card reached or left a level. before and after: level keys, None for no level."""

    session: AsyncSession
    merchant_id: UUID
    pass_id: UUID
    before: str | None
    after: str | None
    now: datetime
    modules_on: frozenset[str] = frozenset()


TIER_CHANGED: Tell[TierChanged] = Tell("TIER_CHANGED", about="A card reached or left a level.")
