"""Reads about birthdays: who has one now, what was given, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, exists, func, or_, select, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from app.modules.birthdays.models import BirthdayGift
from app.modules.birthdays.rules import Window, due_birthdays
from app.modules.cards.public import PassObject
from app.modules.rewards.public import Redemption

# The card that somebody uses: of those in use the one that was used last. Its store's clock is the person's.
HOME = """
SELECT store.time_zone FROM pass_object card
JOIN store ON store.merchant_id = card.merchant_id AND store.id = card.store_id
WHERE card.merchant_id = customer.merchant_id AND card.customer_id = customer.id AND card.status = 'active'
ORDER BY card.last_visit_at DESC NULLS LAST, card.id DESC LIMIT 1
"""
_DUE = text(f"""
SELECT customer.id FROM customer
JOIN unnest(CAST(:days AS integer[]), CAST(:years AS integer[])) AS due (day, year)
  ON due.day = customer.birthday_month * 100 + customer.birthday_day
JOIN LATERAL ({HOME}) AS home ON home.time_zone = :zone
WHERE customer.merchant_id = :merchant_id AND customer.erased_at IS NULL AND customer.id > :after
  AND NOT EXISTS (SELECT 1 FROM birthday_gift gift WHERE gift.merchant_id = customer.merchant_id
                  AND gift.customer_id = customer.id AND gift.year = due.year)
ORDER BY customer.id LIMIT :most
""")  # noqa: S608 - constants of this file
_AHEAD = text(f"""
SELECT customer.id, customer.name, customer.birthday_month AS month, customer.birthday_day AS day,
       customer.email_consent AS agreed
FROM customer
WHERE customer.merchant_id = :merchant_id AND customer.erased_at IS NULL
  AND customer.birthday_month * 100 + customer.birthday_day = ANY(CAST(:days AS integer[]))
  AND EXISTS ({HOME})
""")  # noqa: S608 - constants of this file


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody whose birthday comes. Personal: never into logs or jobs."""

    id: UUID
    name: str | None
    month: int
    day: int
    agreed: bool


async def list_zones(session: AsyncSession, merchant_id: UUID) -> list[str]:
    """Return the zones of a merchant's stores."""
    rows = await session.execute(
        text("SELECT DISTINCT time_zone FROM store WHERE merchant_id = :merchant_id ORDER BY time_zone"),
        {"merchant_id": merchant_id},
    )
    return list(rows.scalars())


async def list_due(  # noqa: PLR0913 - whose clock, which days, and where to go on
    session: AsyncSession,
    merchant_id: UUID,
    *,
    zone: str,
    window: Window,
    today: date,
    after: UUID,
    most: int,
) -> list[UUID]:
    """Return customers of a zone in whose window today lies and who had no gift for that year, in order."""
    due = due_birthdays(window, today)
    rows = await session.execute(
        _DUE,
        {
            "merchant_id": merchant_id,
            "zone": zone,
            "after": after,
            "most": most,
            "days": [day for day, _year in due],
            "years": [year for _day, year in due],
        },
    )
    return list(rows.scalars())


async def list_people(session: AsyncSession, merchant_id: UUID, days: list[int]) -> list[Person]:
    """Return who has a card in use and a birthday on one of these days (month times 100 plus day)."""
    rows = await session.execute(_AHEAD, {"merchant_id": merchant_id, "days": days})
    return [Person(row.id, row.name, row.month, row.day, row.agreed) for row in rows]


async def other_celebrations(
    session: AsyncSession, merchant_id: UUID, customer_id: UUID, *, year: int
) -> list[date]:
    """Return the celebrations for which this person had something besides the year's own row.

    People who were joined are one: what lies on a card of theirs counts, whoever it was given to.
    """
    theirs = exists().where(
        PassObject.merchant_id == BirthdayGift.merchant_id,
        PassObject.id == BirthdayGift.pass_id,
        PassObject.customer_id == customer_id,
    )
    own = and_(BirthdayGift.customer_id == customer_id, BirthdayGift.year != year)
    rows = await session.scalars(
        select(BirthdayGift.celebrated_on).where(
            BirthdayGift.merchant_id == merchant_id,
            BirthdayGift.celebrated_on.is_not(None),
            or_(own, and_(BirthdayGift.customer_id != customer_id, theirs)),
        )
    )
    return [day for day in rows if day is not None]


def is_redeemed() -> ColumnElement[bool]:
    """Return the condition that a gift's reward was given out: by its card, paid by one that was set aside for it."""
    card = aliased(PassObject)
    return exists().where(
        Redemption.merchant_id == BirthdayGift.merchant_id,
        Redemption.reward_id == BirthdayGift.reward_id,
        Redemption.redeemed_at >= BirthdayGift.given_at,
        Redemption.voided_at.is_(None),
        Redemption.taken["pays"].astext == "banked",
        card.merchant_id == Redemption.merchant_id,
        card.id == Redemption.pass_id,
        or_(
            card.id == BirthdayGift.pass_id,
            card.merged_into == BirthdayGift.pass_id,
            card.id == _merged_into(),
        ),
    )


def _merged_into() -> Any:
    old = aliased(PassObject)
    return (
        select(old.merged_into)
        .where(old.merchant_id == BirthdayGift.merchant_id, old.id == BirthdayGift.pass_id)
        .correlate(BirthdayGift)
        .scalar_subquery()
    )


def gifts_of_cards(merchant_id: UUID, pass_ids: list[UUID]) -> Select[BirthdayGift, bool]:
    """Return the statement for the gifts on cards, and on those joined to them, with whether they were redeemed."""
    card = aliased(PassObject)
    on_card = exists().where(
        card.merchant_id == BirthdayGift.merchant_id,
        card.id == BirthdayGift.pass_id,
        or_(card.id.in_(pass_ids), card.merged_into.in_(pass_ids)),
    )
    return (
        select(BirthdayGift, is_redeemed())
        .where(BirthdayGift.merchant_id == merchant_id, on_card)
        .order_by(BirthdayGift.id)
    )


async def find_gift_on(
    session: AsyncSession, merchant_id: UUID, pass_id: UUID, *, today: date
) -> BirthdayGift | None:
    """Return the gift that a card shows today: given, not redeemed, and still good."""
    rows = await session.execute(
        gifts_of_cards(merchant_id, [pass_id]).where(
            BirthdayGift.good_until >= today, BirthdayGift.outcome.is_(None)
        )
    )
    return next((row[0] for row in reversed(rows.all()) if not row[1]), None)


async def list_gifts_of(
    session: AsyncSession, merchant_id: UUID, customer_id: UUID
) -> list[tuple[BirthdayGift, bool]]:
    """Return a person's gifts with whether they were redeemed, oldest first; what lies on their cards as well."""
    theirs = exists().where(
        PassObject.merchant_id == BirthdayGift.merchant_id,
        PassObject.id == BirthdayGift.pass_id,
        PassObject.customer_id == customer_id,
    )
    rows = await session.execute(
        select(BirthdayGift, is_redeemed())
        .where(BirthdayGift.merchant_id == merchant_id, or_(BirthdayGift.customer_id == customer_id, theirs))
        .order_by(BirthdayGift.id)
    )
    return [(row[0], bool(row[1])) for row in rows]


async def list_over(session: AsyncSession, merchant_id: UUID, *, before: date, most: int) -> list[UUID]:
    """Return gifts of which something ends: a reward not settled, or days that counted more, before this day."""
    rows = await session.scalars(
        select(BirthdayGift.id)
        .where(
            BirthdayGift.merchant_id == merchant_id,
            or_(
                and_(
                    BirthdayGift.kind == "reward",
                    BirthdayGift.outcome.is_(None),
                    BirthdayGift.good_until < before,
                ),
                BirthdayGift.factor_until < before,
            ),
        )
        .order_by(BirthdayGift.id)
        .limit(most)
    )
    return list(rows)


async def count_gifts(
    session: AsyncSession, merchant_id: UUID, *, start: Any, end: Any
) -> list[tuple[str, str, bool, int]]:
    """Return how many gifts were given from start until before end, by kind, title and whether redeemed."""
    redeemed = is_redeemed()
    given = (
        select(BirthdayGift.kind, BirthdayGift.title, redeemed.label("redeemed"))
        .where(
            BirthdayGift.merchant_id == merchant_id,
            BirthdayGift.given_at >= start,
            BirthdayGift.given_at < end,
        )
        .subquery()
    )
    rows = await session.execute(
        select(given.c.kind, given.c.title, given.c.redeemed, func.count())
        .group_by(given.c.kind, given.c.title, given.c.redeemed)
        .order_by(given.c.kind, given.c.title)
    )
    return [(kind, title, bool(used), count) for kind, title, used, count in rows]
