"""The points cards owns and their contexts; other modules take them from public.py."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.kernel.hooks import Collect, Tell


@dataclass(frozen=True, slots=True)
class CardJoined:
    """A card was made. source: join_page, api, staff_device, …"""

    session: AsyncSession
    merchant_id: UUID
    pass_id: UUID
    customer_id: UUID
    store_id: UUID
    program_id: UUID
    source: str
    now: datetime
    modules_on: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class MergedBalance:
    """A card of a merge: the store it was made in, and what it held before."""

    pass_id: UUID
    store_id: UUID
    stamp_count: int
    points_balance: int


@dataclass(frozen=True, slots=True)
class CardMerged:
    """A card was joined to another of the same programme; both are locked and hold their new totals.

    Whoever keeps a ledger of cards moves the source's balance by two transfer entries here.
    """

    session: AsyncSession
    merchant_id: UUID
    program_id: UUID
    source: MergedBalance
    target: MergedBalance
    now: datetime
    modules_on: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class CardChanged:
    """Something visible of a card changed outside a visit: blocked, merged, its holder's name.

    what: blocked or active where the card was switched so; empty otherwise.
    """

    session: AsyncSession
    merchant_id: UUID
    pass_id: UUID
    now: datetime
    modules_on: frozenset[str] = frozenset()
    what: str = ""


@dataclass(frozen=True, slots=True)
class SaveLinkContext:
    """A fresh card whose link into a wallet is asked for. token: opens the card."""

    session: AsyncSession
    merchant_id: UUID
    pass_id: UUID
    program_id: UUID
    token: str
    now: datetime
    modules_on: frozenset[str] = frozenset()


SAVE_LINK: Collect[SaveLinkContext, str] = Collect(
    "SAVE_LINK", about="Addresses that put a fresh card into a wallet; the first is add_to_wallet_url."
)
CARD_JOINED: Tell[CardJoined] = Tell("CARD_JOINED", about="A card was made.")
CARD_MERGED: Tell[CardMerged] = Tell(
    "CARD_MERGED", about="A duplicate card joined another: balances move here."
)
CARD_CHANGED: Tell[CardChanged] = Tell("CARD_CHANGED", about="A card changed visibly outside a visit.")
