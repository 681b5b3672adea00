"""What a shop adds to its customers: tags, and notes for the next colleague."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.kernel.errors import NotFound
from app.kernel.outcomes import Refusal
from app.modules.customers.models import CustomerNote, CustomerTag, Tag
from app.utils.id_generator import new_id

TAGS_MAX = 200
TAG_LENGTH_MAX = 40
NOTE_LENGTH_MAX = 2_000
NOTES_SHOWN_MAX = 100
TAGGED_AT_ONCE = 5_000


@dataclass(frozen=True, slots=True)
class TagView:
    """A tag, and how many customers carry it where that was counted."""

    id: UUID
    name: str
    customers: int = 0


@dataclass(frozen=True, slots=True)
class NoteView:
    """A note about a customer. Personal: never into logs or jobs."""

    id: UUID
    text: str
    author_id: UUID | None
    at: datetime


async def list_tags(session: AsyncSession, merchant_id: UUID) -> list[TagView]:
    """Return the shop's tags by name, with how many customers carry each."""
    carried = (
        select(CustomerTag.tag_id, func.count().label("customers"))
        .where(CustomerTag.merchant_id == merchant_id)
        .group_by(CustomerTag.tag_id)
        .subquery()
    )
    statement = (
        select(Tag.id, Tag.name, func.coalesce(carried.c.customers, 0))
        .outerjoin(carried, carried.c.tag_id == Tag.id)
        .where(Tag.merchant_id == merchant_id)
        .order_by(Tag.name_key)
    )
    return [TagView(*row) for row in await session.execute(statement)]


async def list_tags_of(
    session: AsyncSession, merchant_id: UUID, customer_ids: Iterable[UUID]
) -> dict[UUID, list[TagView]]:
    """Return the tags of these customers, by customer, by name."""
    statement = (
        select(CustomerTag.customer_id, Tag.id, Tag.name)
        .join(Tag, (Tag.merchant_id == CustomerTag.merchant_id) & (Tag.id == CustomerTag.tag_id))
        .where(CustomerTag.merchant_id == merchant_id, CustomerTag.customer_id.in_(list(customer_ids)))
        .order_by(Tag.name_key)
    )
    found: dict[UUID, list[TagView]] = {}
    for customer_id, tag_id, name in await session.execute(statement):
        found.setdefault(customer_id, []).append(TagView(tag_id, name))
    return found


async def ensure_tag(
    session: AsyncSession, merchant_id: UUID, name: str, *, now: datetime
) -> TagView | Refusal:
    """Return the tag of this name, made where there is none. Refusal: too_many_tags."""
    name = name[:TAG_LENGTH_MAX].strip()
    statement = select(Tag.id, Tag.name).where(
        Tag.merchant_id == merchant_id, Tag.name_key == name.casefold()
    )
    found = (await session.execute(statement)).one_or_none()
    if found is None:
        count = await session.scalar(select(func.count()).where(Tag.merchant_id == merchant_id))
        if int(count or 0) >= TAGS_MAX:
            return Refusal("too_many_tags")
        row = {"merchant_id": merchant_id, "id": new_id(), "name": name, "created_at": now}
        await session.execute(
            insert(Tag)
            .values(**row, name_key=name.casefold())
            .on_conflict_do_nothing(index_elements=["merchant_id", "name_key"])
        )
        found = (await session.execute(statement)).one()
    return TagView(*found)


async def tag_customers(
    session: AsyncSession, merchant_id: UUID, tag_id: UUID, *, customer_ids: Sequence[UUID], now: datetime
) -> int:
    """Let customers carry a tag; returns how many carry it now that did not. Unknown customers raise."""
    added = 0
    for start in range(0, len(customer_ids), TAGGED_AT_ONCE):
        rows = [
            {"merchant_id": merchant_id, "tag_id": tag_id, "customer_id": customer_id, "at": now}
            for customer_id in customer_ids[start : start + TAGGED_AT_ONCE]
        ]
        statement = (
            insert(CustomerTag).values(rows).on_conflict_do_nothing().returning(CustomerTag.customer_id)
        )
        added += len((await session.execute(statement)).all())
    return added


async def untag_customer(
    session: AsyncSession, merchant_id: UUID, tag_id: UUID, *, customer_id: UUID
) -> bool:
    """Take a tag off a customer; False where it was not there."""
    gone = await session.execute(
        delete(CustomerTag)
        .where(
            CustomerTag.merchant_id == merchant_id,
            CustomerTag.tag_id == tag_id,
            CustomerTag.customer_id == customer_id,
        )
        .returning(CustomerTag.customer_id)
    )
    return gone.first() is not None


async def delete_tag(session: AsyncSession, merchant_id: UUID, tag_id: UUID) -> None:
    """Remove a tag, and take it off everybody; raises NotFound."""
    await session.execute(
        delete(CustomerTag).where(CustomerTag.merchant_id == merchant_id, CustomerTag.tag_id == tag_id)
    )
    gone = await session.execute(
        delete(Tag).where(Tag.merchant_id == merchant_id, Tag.id == tag_id).returning(Tag.id)
    )
    if gone.first() is None:
        raise NotFound("tag")


async def list_notes(session: AsyncSession, merchant_id: UUID, customer_id: UUID) -> list[NoteView]:
    """Return the notes about a customer, the newest first."""
    statement = (
        select(CustomerNote.id, CustomerNote.text, CustomerNote.author_id, CustomerNote.at)
        .where(CustomerNote.merchant_id == merchant_id, CustomerNote.customer_id == customer_id)
        .order_by(CustomerNote.id.desc())
        .limit(NOTES_SHOWN_MAX)
    )
    return [NoteView(*row) for row in await session.execute(statement)]


async def add_note(
    session: AsyncSession,
    merchant_id: UUID,
    customer_id: UUID,
    *,
    text: str,
    author_id: UUID | None,
    now: datetime,
) -> UUID:
    """Keep a note about a customer and return its id."""
    note = CustomerNote(
        merchant_id=merchant_id,
        id=new_id(),
        customer_id=customer_id,
        text=text[:NOTE_LENGTH_MAX],
        author_id=author_id,
        at=now,
    )
    session.add(note)
    await session.flush()  # the page that follows reads it by a statement
    return note.id


async def delete_note(session: AsyncSession, merchant_id: UUID, customer_id: UUID, *, note_id: UUID) -> None:
    """Remove a note; raises NotFound."""
    gone = await session.execute(
        delete(CustomerNote)
        .where(
            CustomerNote.merchant_id == merchant_id,
            CustomerNote.customer_id == customer_id,
            CustomerNote.id == note_id,
        )
        .returning(CustomerNote.id)
    )
    if gone.first() is None:
        raise NotFound("note")


async def move_remarks(
    session: AsyncSession, merchant_id: UUID, *, source_id: UUID, target_id: UUID, now: datetime
) -> None:
    """Give the tags and notes of a duplicate to the customer who stays."""
    tags = (await list_tags_of(session, merchant_id, [source_id])).get(source_id, [])
    for tag in tags:
        await tag_customers(session, merchant_id, tag.id, customer_ids=[target_id], now=now)
    await session.execute(
        delete(CustomerTag).where(
            CustomerTag.merchant_id == merchant_id, CustomerTag.customer_id == source_id
        )
    )
    await session.execute(
        update(CustomerNote)
        .where(CustomerNote.merchant_id == merchant_id, CustomerNote.customer_id == source_id)
        .values(customer_id=target_id)
    )


async def forget_remarks(session: AsyncSession, merchant_id: UUID, customer_id: UUID) -> None:
    """Erase what the shop noted about a customer."""
    for table in (CustomerTag, CustomerNote):
        await session.execute(
            delete(table)
            .where(table.merchant_id == merchant_id, table.customer_id == customer_id)
            .execution_options(synchronize_session=False)
        )
