"""Reads of cards; every statement names the merchant."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.kernel.errors import NotFound
from app.modules.cards.models import PassObject
from app.utils.id_generator import parse_card_number

# A merge points to a card that was active then; that one may have been merged later.
MERGE_STEPS_MAX = 10
CARDS_OF_CUSTOMER_MAX = 50


@dataclass(frozen=True, slots=True)
class CardRef:
    """A card, as far as anybody needs it to know which one it is and whether it may be used."""

    id: UUID
    merchant_id: UUID
    program_id: UUID
    customer_id: UUID
    card_number: str
    status: str
    token_version: int
    known_stores: frozenset[UUID]


def _cards() -> Select[*tuple[Any, ...]]:
    return select(
        PassObject.id,
        PassObject.merchant_id,
        PassObject.program_id,
        PassObject.customer_id,
        PassObject.card_number,
        PassObject.status,
        PassObject.token_version,
        PassObject.known_stores,
        PassObject.merged_into,
    )


def _ref(row: Any) -> CardRef:
    return CardRef(
        id=row.id,
        merchant_id=row.merchant_id,
        program_id=row.program_id,
        customer_id=row.customer_id,
        card_number=row.card_number,
        status=row.status,
        token_version=row.token_version,
        known_stores=frozenset(row.known_stores),
    )


def parse_pass_id(text: str) -> UUID | None:
    """Return the pass id in a text, or None."""
    try:
        return UUID(text) if len(text) in {32, 36} else None
    except ValueError:
        return None


async def find_card_exactly(session: AsyncSession, merchant_id: UUID, pass_id: UUID) -> CardRef | None:
    """Return the card with this very id, whatever its status: merges are not followed."""
    statement = _cards().where(PassObject.merchant_id == merchant_id, PassObject.id == pass_id)
    row = (await session.execute(statement)).one_or_none()
    return _ref(row) if row else None


async def find_card(session: AsyncSession, merchant_id: UUID, text: str) -> CardRef | None:
    """Return the card with this pass id or card number, or None: unknown, erased or another merchant's.

    A merged card leads to the one it was joined to, so that an old printed code keeps working at the till.
    """
    pass_id, number = parse_pass_id(text), parse_card_number(text)
    if pass_id is not None:
        condition = PassObject.id == pass_id
    elif number is not None:
        condition = PassObject.card_number == number
    else:
        return None
    for _step in range(MERGE_STEPS_MAX):
        statement = _cards().where(PassObject.merchant_id == merchant_id, condition)
        row = (await session.execute(statement)).one_or_none()
        if row is None or row.status == "erased":
            return None
        if row.status != "merged":
            return _ref(row)
        condition = PassObject.id == row.merged_into
    return None


async def get_card(session: AsyncSession, merchant_id: UUID, pass_id: UUID) -> CardRef:
    """Return the card with this id, merges followed; raises NotFound."""
    card = await find_card(session, merchant_id, str(pass_id))
    if card is None:
        raise NotFound("card")
    return card


async def list_cards_of_customer(
    session: AsyncSession, merchant_id: UUID, customer_id: UUID
) -> list[CardRef]:
    """Return the cards a customer can use (active or blocked), the newest first."""
    statement = (
        _cards()
        .where(
            PassObject.merchant_id == merchant_id,
            PassObject.customer_id == customer_id,
            PassObject.status.in_(("active", "blocked")),
        )
        .order_by(PassObject.id.desc())
        .limit(CARDS_OF_CUSTOMER_MAX)
    )
    return [_ref(row) for row in (await session.execute(statement)).all()]


async def find_card_in_program(
    session: AsyncSession, merchant_id: UUID, customer_id: UUID, program_id: UUID
) -> CardRef | None:
    """Return the customer's oldest usable card of a programme, or None."""
    cards = await list_cards_of_customer(session, merchant_id, customer_id)
    return next((card for card in reversed(cards) if card.program_id == program_id), None)
