"""Who is due a message. Every condition that can be asked in SQL is; whether it may leave is asked again at sending."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.kernel.settings import get_settings
from app.modules.customers.public import FIRM_SQL, ConsentSettings
from app.modules.merchants.public import MerchantView
from app.modules.nudges.rules import AFTER_VISIT, EXPIRY_AHEAD, REST, VISIT_COUNTS_FOR, birthdays_on

DUE_MAX = 500

# Those whose consent may be acted on, at whose store's clock it is the zone asked for.
HOME_ZONE = (
    "coalesce((SELECT store.time_zone FROM pass_object home JOIN store ON store.merchant_id = home.merchant_id"
    " AND store.id = home.store_id WHERE home.merchant_id = customer.merchant_id"
    " AND home.customer_id = customer.id AND home.status = 'active'"
    " ORDER BY home.last_visit_at DESC NULLS LAST, home.id DESC LIMIT 1), :merchant_zone)"
)
_IN_ZONE = f"(CAST(:one_zone AS boolean) OR {HOME_ZONE} = :zone)"
REACHED = f"{FIRM_SQL} AND {_IN_ZONE}"
RESTED = (
    "NOT EXISTS (SELECT 1 FROM nudge_slot slot WHERE slot.merchant_id = customer.merchant_id"
    " AND slot.customer_id = customer.id AND slot.last_at > :rest_since)"
)
_UNSAID = (
    "NOT EXISTS (SELECT 1 FROM outbox_message said WHERE said.merchant_id = customer.merchant_id"
    " AND said.once_key = {})"
)
# How often a card was redeemed tells one filling of it from the next.
_CYCLE = (
    "(SELECT count(*) FROM redemption WHERE redemption.merchant_id = card.merchant_id"
    " AND redemption.pass_id = card.id)"
)
_CARDS = f"""
SELECT due.* FROM (
  SELECT customer.id AS customer_id, card.id AS pass_id, 0 AS points, NULL::timestamptz AS expires_at,
         CASE WHEN card.reward_unlocked THEN 'reward_ready' ELSE 'one_away' END AS kind,
         CASE WHEN card.reward_unlocked THEN 'reward_ready:' ELSE 'one_away:' END
           || card.id || ':' || {_CYCLE} AS once_key
  FROM pass_object card
  JOIN customer ON customer.merchant_id = card.merchant_id AND customer.id = card.customer_id
  JOIN program ON program.merchant_id = card.merchant_id AND program.id = card.program_id
  WHERE card.merchant_id = :merchant_id AND card.status = 'active'
    AND card.last_visit_at > :visit_since AND card.last_visit_at <= :visit_until
    AND ((card.reward_unlocked AND :reward_ready)
      OR (NOT card.reward_unlocked AND :one_away AND program.loyalty_type IN ('stamps', 'hybrid')
          AND card.stamp_count = program.stamps_needed - 1))
    AND {REACHED} AND {RESTED}
) AS due
WHERE NOT EXISTS (SELECT 1 FROM outbox_message said WHERE said.merchant_id = :merchant_id
                  AND said.once_key = due.once_key)
ORDER BY due.pass_id LIMIT :most
"""  # noqa: S608 - constants of this file
_BIRTHDAYS = f"""
SELECT customer.id AS customer_id, NULL::uuid AS pass_id, 0 AS points,
       NULL::timestamptz AS expires_at, 'birthday' AS kind,
       'birthday:' || customer.id || ':' || CAST(:year AS text) AS once_key
FROM customer
WHERE customer.merchant_id = :merchant_id
  AND customer.birthday_month * 100 + customer.birthday_day = ANY(:days) AND {REACHED} AND {RESTED}
  AND {_UNSAID.format("'birthday:' || customer.id || ':' || CAST(:year AS text)")}
ORDER BY customer.id LIMIT :most
"""  # noqa: S608 - constants of this file
_EXPIRING = f"""
SELECT due.*, 'points_expiring' AS kind FROM (
  SELECT customer.id AS customer_id, card.id AS pass_id,
         sum(lot.remaining)::bigint AS points, min(lot.expires_at) AS expires_at,
         'points_expiring:' || card.id || ':' || CAST(min(lot.expires_at)::date AS text) AS once_key
  FROM points_lot lot
  JOIN pass_object card ON card.merchant_id = lot.merchant_id AND card.id = lot.pass_id
  JOIN customer ON customer.merchant_id = card.merchant_id AND customer.id = card.customer_id
  WHERE lot.merchant_id = :merchant_id AND lot.remaining > 0 AND lot.expires_at > :now
    AND lot.expires_at <= :expiry_until AND card.status = 'active' AND {REACHED} AND {RESTED}
  GROUP BY customer.id, card.id
) AS due
WHERE NOT EXISTS (SELECT 1 FROM outbox_message said WHERE said.merchant_id = :merchant_id
                  AND said.once_key = due.once_key)
ORDER BY due.pass_id LIMIT :most
"""  # noqa: S608 - constants of this file


@dataclass(frozen=True, slots=True)
class Due:
    """Somebody who is to be written to. points, expires_at: for points that expire."""

    customer_id: UUID
    pass_id: UUID | None
    points: int
    expires_at: datetime | None
    kind: str
    once_key: str


@dataclass(frozen=True, slots=True)
class Zones:
    """The zones of a shop's stores. home: the business's own, for customers without a card."""

    home: str
    all: tuple[str, ...]

    def only(self, zone: str | None) -> dict[str, object]:
        """Return the parameters that ask for the customers of one zone, or of every one (None)."""
        return {
            "merchant_zone": self.home,
            "one_zone": zone is None or len(self.all) == 1,
            "zone": zone or "",
        }


async def list_zones(session: AsyncSession, merchant: MerchantView) -> Zones:
    """Return the zones by whose clocks a merchant's customers live."""
    rows = await session.execute(
        text("SELECT DISTINCT time_zone FROM store WHERE merchant_id = :merchant_id"),
        {"merchant_id": merchant.id},
    )
    stores = sorted(rows.scalars())
    # The business's own zone holds for who has no card; with one zone of all stores that is nobody to write to.
    every = stores if len(stores) == 1 else sorted({merchant.time_zone, *stores})
    return Zones(merchant.time_zone, tuple(every))


async def find_home_zone(session: AsyncSession, merchant: MerchantView, customer_id: UUID) -> str:
    """Return the zone of the store where a customer's card was last used."""
    found = await session.execute(
        text(f"SELECT {HOME_ZONE} FROM customer WHERE merchant_id = :merchant_id AND id = :customer_id"),  # noqa: S608
        {"merchant_id": merchant.id, "customer_id": customer_id, "merchant_zone": merchant.time_zone},
    )
    return str(found.scalar_one_or_none() or merchant.time_zone)


async def firmness(session: AsyncSession, merchant_id: UUID) -> dict[str, object]:
    """Return the parameter of REACHED that says how strictly the shop confirms consents."""
    settings = await get_settings(session, ConsentSettings, merchant_id=merchant_id)
    return {"double_opt_in": settings.double_opt_in}


async def list_due(
    session: AsyncSession,
    merchant_id: UUID,
    *,
    on: frozenset[str],
    zone: Mapping[str, object],
    today: date,
    now: datetime,
) -> list[Due]:
    """Return who is due, the most welcome message of a customer first.

    on: the kinds that are switched on. zone: whose clock, from Zones.only; today: the day there.
    """
    common = {"merchant_id": merchant_id, "rest_since": now - REST, "most": DUE_MAX, "now": now}
    common |= {**zone, **await firmness(session, merchant_id)}
    found: list[Due] = []
    if "birthday" in on:
        days = [month * 100 + day for month, day in birthdays_on(today)]
        found += await _rows(
            session, _BIRTHDAYS, common | {"days": days, "year": str(today.year)}, drop=("now",)
        )
    if {"reward_ready", "one_away"} & on:
        values = common | {
            "visit_since": now - VISIT_COUNTS_FOR,
            "visit_until": now - AFTER_VISIT,
            "reward_ready": "reward_ready" in on,
            "one_away": "one_away" in on,
        }
        rows = await _rows(session, _CARDS, values, drop=("now",))
        found += sorted(rows, key=lambda due: due.kind != "reward_ready")
    if "points_expiring" in on:
        found += await _rows(session, _EXPIRING, common | {"expiry_until": now + EXPIRY_AHEAD})
    return found


async def _rows(
    session: AsyncSession, statement: str, values: dict[str, object], *, drop: Sequence[str] = ()
) -> list[Due]:
    given = {name: value for name, value in values.items() if name not in drop}
    rows = (await session.execute(text(statement), given)).mappings()
    return [Due(**{name: row[name] for name in Due.__dataclass_fields__}) for row in rows]
