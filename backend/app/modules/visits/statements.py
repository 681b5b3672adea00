"""The statements of the hot path: find, load (and lock), write. Everything a stamp costs in SQL is in this file.

They run on the session's own asyncpg connection: an ORM object on this path costs several times the transaction
itself (performance.md 1). The tenant is bound before, so that row-level security holds here as everywhere.
SQLAlchemy's codec reads jsonb as Python values and takes it as text.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.db.session import driver_of
from app.kernel.i18n import current
from app.kernel.outcomes import Refusal
from app.kernel.own_words import own_words
from app.modules.rewards.public import CardTotals, RewardView
from app.modules.staff.public import StaffRef, fold_pin, judge_pin

FIND = """
SELECT card.id, card.status, card.merged_into, card.program_id, card.customer_id, card.card_number,
       card.token_version, card.known_stores, store.program_id AS store_program_id
FROM pass_object card
JOIN store ON store.merchant_id = card.merchant_id AND store.id = $2 AND store.closed_at IS NULL
WHERE card.merchant_id = $1 AND {by}
"""

# The key's scope comes as a parameter, whole: below row-level security an expression over a column that is not
# leakproof is no index condition, and the look-up would grow with the keys that are kept.
_LOAD = """
SELECT card.id, card.program_id, card.status, card.stamp_count, card.points_balance, card.reward_unlocked,
       card.rewards_banked, card.rewards_kept, card.last_stamp_at, card.first_stamp_at, card.visits_day,
       card.visits_today, card.known_stores, card.customer_id, card.traits,
       store.time_zone, store.name AS store_name,
       program.loyalty_type, program.stamps_needed, program.points_per_unit, program.rounding,
       program.cooldown_minutes, program.stamps_per_visit, program.visits_per_day, program.full_card,
       program.points_expiry, program.points_expiry_months,
       merchant.currency, merchant.modules_on, merchant.feature_rules,
       (SELECT coalesce(jsonb_agg(jsonb_build_array(reward.id, reward.kind, reward.threshold, reward.title,
                                                    reward.active, reward.reward_kind, reward.texts)), '[]')
        FROM reward WHERE reward.merchant_id = card.merchant_id AND reward.program_id = card.program_id) AS rewards,
       used.fingerprint AS used_fingerprint, used.answer AS used_answer{columns}
FROM pass_object card
JOIN store ON store.merchant_id = card.merchant_id AND store.id = $3 AND store.program_id = card.program_id
  AND store.closed_at IS NULL
JOIN program ON program.merchant_id = card.merchant_id AND program.id = card.program_id
JOIN merchant ON merchant.id = card.merchant_id
LEFT JOIN idempotency_key used
  ON used.merchant_id = card.merchant_id AND used.scope = $4 AND used.key = $5
{joins}
WHERE {bound}card.merchant_id = $1 AND card.id = $2 AND card.status IN ('active', 'blocked')
{lock}
"""

_pin_columns, _pin_joins = fold_pin(address="$6", verifier="$7", now="$8")
_LOCK = "FOR UPDATE OF card"

LOAD = _LOAD.format(columns="", joins="", bound="", lock=_LOCK)
LOAD_WITH_PIN = _LOAD.format(columns=", " + _pin_columns, joins=_pin_joins, bound="", lock=_LOCK)

# Binds the tenant inside the statement itself. A condition without columns is judged before any row is read; were it
# not, row-level security would show no row, which the callers take as a reason to go the ordinary way.
_BOUND = "(SELECT set_config('stempel.merchant_id', ($1::uuid)::text, true)) IS NOT NULL AND "

# Without a lock: what was read is what the card's row version says, and WRITE_AT_ONCE insists on that version.
READ_AT_ONCE = _LOAD.format(
    columns=", card.xmin::text AS version, " + _pin_columns, joins=_pin_joins, bound=_BOUND, lock=""
)

_WRITE = """
WITH {claim}card AS (
    UPDATE pass_object SET
        stamp_count = $9, points_balance = $10, reward_unlocked = $11, rewards_banked = $12::jsonb,
        last_stamp_at = CASE WHEN $13::bigint > 0 THEN $8 ELSE last_stamp_at END,
        first_stamp_at = $14,
        last_points_at = CASE WHEN $15::bigint > 0 THEN $8 ELSE last_points_at END,
        last_visit_at = $8, visits_day = $16, visits_today = $17, known_stores = $18,
        revision = revision + 1,
        changed_at = greatest($8, date_trunc('second', changed_at) + interval '1 second')
    {where}
){go}, visit AS (
    INSERT INTO visit (merchant_id, id, store_id, pass_id, staff_id, given_by, device_id, source, amount_minor,
                       currency, stamps, points, idempotency_key, explanation, at)
    SELECT $1, $19, $3, $2, $20, $21, $22, $23, $24, $25, $13::bigint, $15::bigint, $5, $26::jsonb, $8 FROM go
), stamps AS (
    INSERT INTO stamp_event (merchant_id, id, pass_id, store_id, visit_id, staff_id, kind, stamps_added,
                             balance_after, rule, timestamp)
    SELECT $1, entry.id, $2, $3, $19, $20, entry.kind, entry.amount, entry.after, entry.rule, $8
    FROM go, jsonb_to_recordset($27::jsonb) AS entry(id uuid, kind text, amount bigint, after bigint, rule jsonb)
), points AS (
    INSERT INTO points_event (merchant_id, id, pass_id, store_id, visit_id, staff_id, kind, points_added,
                              amount_minor, balance_after, rule, timestamp)
    SELECT $1, entry.id, $2, $3, $19, $20, 'earn', entry.amount, $24, entry.after, entry.rule, $8
    FROM go, jsonb_to_recordset($28::jsonb) AS entry(id uuid, amount bigint, after bigint, rule jsonb)
), lots AS (
    INSERT INTO points_lot (merchant_id, id, pass_id, remaining, earned_at, expires_at)
    SELECT $1, lot.id, $2, lot.remaining, $8, lot.expires_at
    FROM go, jsonb_to_recordset($29::jsonb) AS lot(id uuid, remaining bigint, expires_at timestamptz)
), mark AS (
    INSERT INTO card_refresh (merchant_id, pass_id, marked_at) SELECT $1, $2, $8 FROM go
    -- Writes nothing on a mark that is there, and locks it: see wallets.public.MARK_SQL.
    ON CONFLICT (merchant_id, pass_id) DO UPDATE SET marked_at = card_refresh.marked_at WHERE false
)
SELECT count(*) FROM go
"""

# `go` is empty where somebody else claimed the key since the load: then nothing at all is written.
_CLAIM = """claimed AS (
    INSERT INTO idempotency_key (merchant_id, scope, key, fingerprint, answer, created_at)
    SELECT $1, $4, $5, $6, $7::jsonb, $8 WHERE $5::text IS NOT NULL
    ON CONFLICT (merchant_id, scope, key) DO NOTHING RETURNING 1
), go AS (
    SELECT 1 WHERE $5::text IS NULL OR EXISTS (SELECT FROM claimed)
), """

WRITE = _WRITE.format(claim=_CLAIM, where="FROM go WHERE merchant_id = $1 AND id = $2", go="")

# `go` is empty where the card has changed since READ_AT_ONCE; a key claimed by somebody else undoes the whole.
WRITE_AT_ONCE = _WRITE.format(
    claim="",
    where=f"WHERE {_BOUND}merchant_id = $1 AND id = $2 AND xmin::text = $30 RETURNING 1",
    go=""", go AS (
    SELECT 1 FROM card
), claimed AS (
    INSERT INTO idempotency_key (merchant_id, scope, key, fingerprint, answer, created_at)
    SELECT $1, $4, $5, $6, $7::jsonb, $8 FROM go WHERE $5::text IS NOT NULL
)""",
)


@dataclass(frozen=True, slots=True)
class FoundCard:
    """A card as found, without a lock. program_fits: the store gives by the card's programme."""

    id: UUID
    status: str
    merged_into: UUID | None
    program_id: UUID
    customer_id: UUID
    card_number: str
    token_version: int
    known_stores: frozenset[UUID]
    program_fits: bool


@dataclass(frozen=True, slots=True)
class LoadedAward:
    """All that the decision needs, read under the card's lock. rewards include inactive ones (banked may wait).

    staff: whose remembered PIN it is, or why not; None where none was given or it is no longer one.
    """

    pass_id: UUID
    customer_id: UUID
    program_id: UUID
    status: str
    totals: CardTotals
    reward_unlocked: bool
    last_stamp_at: datetime | None
    first_stamp_at: datetime | None
    visits_day: date | None
    visits_today: int
    known_stores: tuple[UUID, ...]
    time_zone: str
    store_name: str
    loyalty_type: str
    stamps_needed: int
    points_per_unit: Decimal
    rounding: str
    cooldown_minutes: int
    stamps_per_visit: int
    visits_per_day: int
    full_card: str
    points_expiry: str
    points_expiry_months: int
    currency: str
    modules_on: frozenset[str]
    traits: Mapping[str, Any]
    feature_rules: Mapping[str, Any]
    rewards: tuple[RewardView, ...]
    used_fingerprint: bytes | None
    used_answer: dict[str, Any] | None
    staff: StaffRef | Refusal | None


@dataclass(frozen=True, slots=True)
class AwardRows:
    """Everything the award writes. stamps, points, lots: entries as dicts whose keys the statement names."""

    merchant_id: UUID
    pass_id: UUID
    store_id: UUID
    scope: str
    key: str | None
    fingerprint: bytes | None
    answer: dict[str, Any]
    now: datetime
    totals: CardTotals
    reward_unlocked: bool
    stamps_added: int
    points_added: int
    first_stamp_at: datetime | None
    visits_day: date
    visits_today: int
    known_stores: tuple[UUID, ...]
    visit_id: UUID
    staff_id: UUID | None
    given_by: str
    device_id: UUID | None
    source: str
    amount_minor: int | None
    currency: str
    explanation: list[dict[str, Any]]
    stamps: list[dict[str, Any]]
    points: list[dict[str, Any]]
    lots: list[dict[str, Any]]


async def find_award_card(
    session: AsyncSession, merchant_id: UUID, *, store_id: UUID, pass_id: UUID | None, card_number: str | None
) -> FoundCard | None:
    """Return the card by its id or number, or None; a closed store finds nothing."""
    connection = await driver_of(session)
    by = "card.id = $3" if pass_id else "card.card_number = $3"
    row = await connection.fetchrow(FIND.format(by=by), merchant_id, store_id, pass_id or card_number)
    if row is None:
        return None
    return FoundCard(
        id=row["id"],
        status=row["status"],
        merged_into=row["merged_into"],
        program_id=row["program_id"],
        customer_id=row["customer_id"],
        card_number=row["card_number"],
        token_version=row["token_version"],
        known_stores=frozenset(row["known_stores"]),
        program_fits=row["program_id"] == row["store_program_id"],
    )


@dataclass(frozen=True, slots=True)
class RememberedPin:
    """A PIN that this process found right a few minutes ago, to be looked at again in the load."""

    verifier: bytes
    address_key: bytes
    now: datetime


@dataclass(frozen=True, slots=True)
class AwardKey:
    """Which earlier use of an idempotency key counts. api_key_id: set for integrations, else the card is the holder."""

    route: str
    key: str | None
    api_key_id: UUID | None = None

    def scope(self, pass_id: UUID) -> str:
        """Return the key's scope: the route and the card, or the API key that integrations use."""
        holder = f"key:{self.api_key_id}" if self.api_key_id else f"card:{pass_id}"
        return f"{self.route}|{holder}"


async def load_award(
    session: AsyncSession,
    merchant_id: UUID,
    *,
    store_id: UUID,
    pass_id: UUID,
    key: AwardKey,
    pin: RememberedPin | None = None,
) -> LoadedAward | None:
    """Lock the card and read all that the decision needs; None where it does not work in this store."""
    connection = await driver_of(session)
    arguments = [merchant_id, pass_id, store_id, key.scope(pass_id), key.key]
    if pin is None:
        row = await connection.fetchrow(LOAD, *arguments)
    else:
        row = await connection.fetchrow(LOAD_WITH_PIN, *arguments, pin.address_key, pin.verifier, pin.now)
    return None if row is None else read_loaded(dict(row), has_pin=pin is not None)


def read_loaded(values: dict[str, Any], *, has_pin: bool) -> LoadedAward:
    """Return a row of a loading statement as what the decision needs."""
    pin_values = {name: values.pop(name) for name in _PIN_NAMES} if has_pin else None
    return LoadedAward(
        pass_id=values.pop("id"),
        totals=CardTotals(
            values.pop("stamp_count"),
            values.pop("points_balance"),
            _by_reward(values.pop("rewards_banked")),
            _by_reward(values.pop("rewards_kept")),
        ),
        known_stores=tuple(values.pop("known_stores")),
        modules_on=frozenset(values.pop("modules_on")),
        rewards=tuple(_reward(item) for item in values.pop("rewards")),
        used_answer=values.pop("used_answer"),
        staff=judge_pin(pin_values) if pin_values is not None else None,
        **values,
    )


_PIN_NAMES = (
    "phone_pins",
    "card_burst",
    "card_day",
    "new_cards_hour",
    "new_cards_day",
    "address_hour",
    "is_known",
    "is_shared",
    "staff_id",
    "staff_name",
    "staff_role",
)


async def write_award(session: AsyncSession, rows: AwardRows) -> bool:
    """Write everything, or nothing where the idempotency key was claimed meanwhile; tell which."""
    connection = await driver_of(session)
    written: int = await connection.fetchval(WRITE, *write_arguments(rows))
    return written == 1


def write_arguments(rows: AwardRows) -> tuple[Any, ...]:
    """Return the rows as the arguments $1 to $29 of the writing statements."""
    return (
        rows.merchant_id,
        rows.pass_id,
        rows.store_id,
        rows.scope,
        rows.key,
        rows.fingerprint,
        json.dumps(rows.answer),
        rows.now,
        rows.totals.stamp_count,
        rows.totals.points_balance,
        rows.reward_unlocked,
        json.dumps({str(key): value for key, value in rows.totals.banked.items()}),
        rows.stamps_added,
        rows.first_stamp_at,
        rows.points_added,
        rows.visits_day,
        rows.visits_today,
        list(rows.known_stores),
        rows.visit_id,
        rows.staff_id,
        rows.given_by,
        rows.device_id,
        rows.source,
        rows.amount_minor,
        rows.currency,
        json.dumps(rows.explanation) if rows.explanation else "[]",
        json.dumps(rows.stamps) if rows.stamps else "[]",
        json.dumps(rows.points) if rows.points else "[]",
        json.dumps(rows.lots) if rows.lots else "[]",
    )


def _by_reward(value: dict[str, Any]) -> dict[UUID, int]:
    return {UUID(key): int(number) for key, number in value.items()}


def _reward(item: list[Any]) -> RewardView:
    title = (own_words(item[6], "title", current().language) if item[6] else "") or item[3]
    return RewardView(UUID(item[0]), item[1], item[2], title, active=item[4], reward_kind=item[5])
