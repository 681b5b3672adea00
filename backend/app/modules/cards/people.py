"""Reads that join customers and their cards, for the dashboard and for the limit of mails to an address."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, and_, exists, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.modules.cards.models import PassObject
from app.modules.customers.models import ConsentRecord, Customer
from app.modules.stores.models import Program
from app.utils.id_generator import parse_card_number

PAGE_SIZE = 50
SEARCH_LENGTH_MAX = 120
SHOWN_STATUSES = ("active", "blocked")


@dataclass(frozen=True, slots=True)
class PersonCard:
    """A card as the dashboard shows it."""

    id: UUID
    customer_id: UUID
    card_number: str
    status: str
    loyalty_type: str
    program_name: str
    stamp_count: int
    stamps_needed: int
    points_balance: int
    reward_unlocked: bool
    last_visit_at: datetime | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class PersonRow:
    """A customer in the list, with their cards."""

    id: UUID
    name: str | None
    email: str | None
    email_verified: bool
    phone: str | None
    created_at: datetime
    cards: tuple[PersonCard, ...]


def _like(text: str) -> str:
    """Return a pattern that means the text itself, wherever it stands."""
    escaped = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"


def _search(merchant_id: UUID, text: str) -> ColumnElement[bool]:
    """Return the condition for a search by name, e-mail, phone or card number."""
    pattern = _like(text)
    conditions: list[ColumnElement[bool]] = [Customer.name.ilike(pattern), Customer.email.ilike(pattern)]
    digits = "".join(symbol for symbol in text if symbol.isdigit())
    if len(digits) >= 4:
        conditions.append(Customer.phone.like(_like(digits)))
    number = parse_card_number(text)
    if number is not None:
        conditions.append(
            exists().where(
                PassObject.merchant_id == merchant_id,
                PassObject.customer_id == Customer.id,
                PassObject.card_number == number,
            )
        )
    return or_(*conditions)


async def list_people(
    session: AsyncSession, merchant_id: UUID, *, text: str = "", before: UUID | None = None
) -> list[PersonRow]:
    """Return customers, the newest first: one more than a page holds tells that there is a next one."""
    statement = select(Customer).where(Customer.merchant_id == merchant_id, Customer.erased_at.is_(None))
    if text:
        statement = statement.where(_search(merchant_id, text[:SEARCH_LENGTH_MAX]))
    if before is not None:
        statement = statement.where(Customer.id < before)
    people = (await session.scalars(statement.order_by(Customer.id.desc()).limit(PAGE_SIZE + 1))).all()
    cards = await list_person_cards(session, merchant_id, [person.id for person in people])
    return [
        PersonRow(
            id=person.id,
            name=person.name,
            email=person.email,
            email_verified=person.email_verified_at is not None,
            phone=person.phone,
            created_at=person.created_at,
            cards=tuple(card for card in cards if card.customer_id == person.id),
        )
        for person in people
    ]


async def list_person_cards(session: AsyncSession, merchant_id: UUID, ids: list[UUID]) -> list[PersonCard]:
    """Return the usable cards of these customers, the newest first."""
    statement = (
        select(PassObject, Program.name, Program.loyalty_type, Program.stamps_needed)
        .join(
            Program,
            and_(Program.merchant_id == PassObject.merchant_id, Program.id == PassObject.program_id),
        )
        .where(
            PassObject.merchant_id == merchant_id,
            PassObject.customer_id.in_(ids),
            PassObject.status.in_(SHOWN_STATUSES),
        )
        .order_by(PassObject.id.desc())
        .execution_options(populate_existing=True)
    )
    return [
        PersonCard(
            id=card.id,
            customer_id=card.customer_id,
            card_number=card.card_number,
            status=card.status,
            loyalty_type=loyalty_type,
            program_name=name,
            stamp_count=card.stamp_count,
            stamps_needed=stamps_needed,
            points_balance=card.points_balance,
            reward_unlocked=card.reward_unlocked,
            last_visit_at=card.last_visit_at,
            created_at=card.created_at,
        )
        for card, name, loyalty_type, stamps_needed in await session.execute(statement)
    ]


async def list_consent_records(
    session: AsyncSession, merchant_id: UUID, customer_id: UUID
) -> list[ConsentRecord]:
    """Return what a customer agreed to and took back, the newest first."""
    statement = (
        select(ConsentRecord)
        .where(ConsentRecord.merchant_id == merchant_id, ConsentRecord.customer_id == customer_id)
        .order_by(ConsentRecord.id.desc())
    )
    return list(await session.scalars(statement))
