"""The statements behind PINs: block state, reservation, and finding who a verifier belongs to.

GATE is one list of sub-selects; the hot path may fold it into its own statement.
It reads the parameters merchant_id, store_id, card_id, address_key, is_known, now.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Boolean, DateTime, LargeBinary, TextClause, Uuid, bindparam, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.modules.staff.rules import (
    ADDRESS_HOUR,
    ALERT,
    CARD_BURST,
    CARD_DAY,
    DEVICE_BURST,
    DEVICE_PAIR_AGAIN,
    NEW_CARDS_DAY,
    NEW_CARDS_HOUR,
    RELAPSE,
    Limit,
    PinGate,
)


def _since(limit: Limit) -> str:
    return f":now - interval '{int(limit.window.total_seconds())} seconds'"


def _wrong(condition: str, limit: Limit) -> str:
    return f"""FROM pin_attempt a WHERE a.merchant_id = :merchant_id AND {condition}
        AND a.refunded_at IS NULL AND a.at > {_since(limit)}"""


def _oldest_filling(condition: str, limit: Limit) -> str:
    """Return the sub-select of the attempt that fills the limit: NULL while there is room."""
    return f"(SELECT a.at {_wrong(condition, limit)} ORDER BY a.at DESC OFFSET {limit.wrong_max - 1} LIMIT 1)"


GATE = f"""
    {_oldest_filling("a.pass_id = :card_id", CARD_BURST)} AS card_burst,
    {_oldest_filling("a.pass_id = :card_id", CARD_DAY)} AS card_day,
    {_oldest_filling("a.store_id = :store_id AND a.new_card", NEW_CARDS_HOUR)} AS new_cards_hour,
    {_oldest_filling("a.store_id = :store_id AND a.new_card", NEW_CARDS_DAY)} AS new_cards_day,
    {_oldest_filling("a.address_key = :address_key AND a.new_card", ADDRESS_HOUR)} AS address_hour,
    (:is_known AND (SELECT count(*) {_wrong("a.pass_id = :card_id", RELAPSE)}
        AND a.at > coalesce((SELECT max(r.at) FROM pin_attempt r WHERE r.merchant_id = :merchant_id
            AND r.pass_id = :card_id AND r.refunded_at IS NOT NULL), '-infinity')) < {RELAPSE.wrong_max})
        AS is_known
"""

HAS_ROOM = """gate.card_burst IS NULL AND gate.card_day IS NULL AND (gate.is_known OR
    (gate.new_cards_hour IS NULL AND gate.new_cards_day IS NULL AND gate.address_hour IS NULL))"""

_TYPES: dict[str, Any] = {
    "merchant_id": Uuid(as_uuid=True),
    "store_id": Uuid(as_uuid=True),
    "card_id": Uuid(as_uuid=True),
    "device_id": Uuid(as_uuid=True),
    "attempt_id": Uuid(as_uuid=True),
    "address_key": LargeBinary(),
    "verifier": LargeBinary(),
    "new_verifier": LargeBinary(),
    "is_known": Boolean(),
    "now": DateTime(timezone=True),
    "since": DateTime(timezone=True),
}


def _statement(sql: str) -> TextClause:
    """Give the parameters their types: a moment sent without one would lose its zone."""
    statement = text(sql)
    names = set(statement._bindparams)  # noqa: SLF001 - the only list of a text's parameters
    return statement.bindparams(*(bindparam(name, type_=_TYPES[name]) for name in names & _TYPES.keys()))


# One cheap read for every check: the store's switches, the limits, and the row a remembered PIN belongs to.
PIN_STATE = _statement(f"""
    SELECT s.phone_pins, s.pin_salt, s.name AS store_name,
        s.staff_pin_hash IS NOT NULL AS has_shared, s.pin_pepper_version,
        (SELECT array_agg(DISTINCT v.pepper_version) FROM staff_pin v
            WHERE v.merchant_id = s.merchant_id AND v.store_id = s.id) AS versions,
        (SELECT count(*) {_wrong("a.store_id = :store_id", ALERT)}) AS wrong_lately,
        gate.*, coalesce(s.staff_pin_hash = :verifier, false) AS is_shared,
        m.id AS staff_id, m.name AS staff_name, m.role AS staff_role
    FROM store s
    CROSS JOIN LATERAL (SELECT {GATE}) gate
    LEFT JOIN staff_pin p ON p.merchant_id = s.merchant_id AND p.store_id = s.id AND p.pin_hash = :verifier
    LEFT JOIN staff_member m ON m.merchant_id = p.merchant_id AND m.id = p.staff_id AND m.left_at IS NULL
    WHERE s.merchant_id = :merchant_id AND s.id = :store_id
""")

RESERVE = _statement(f"""
    INSERT INTO pin_attempt (merchant_id, id, store_id, pass_id, address_key, new_card, at)
    SELECT :merchant_id, :attempt_id, :store_id, :card_id, :address_key, NOT gate.is_known, :now
    FROM (SELECT {GATE}) gate WHERE {HAS_ROOM}
    RETURNING id
""")

_OWN = "a.device_id = :device_id AND a.pass_id IS NULL"
DEVICE_GATE = f"""
    {_oldest_filling(_OWN, DEVICE_BURST)} AS burst,
    (SELECT count(*) {_wrong(_OWN, DEVICE_PAIR_AGAIN)} AND a.at >= :since
        AND a.at > coalesce((SELECT max(r.at) FROM pin_attempt r WHERE r.merchant_id = :merchant_id
            AND r.device_id = :device_id AND r.refunded_at IS NOT NULL), '-infinity')) AS wrong_in_row
"""

DEVICE_STATE = _statement(f"""
    SELECT s.pin_salt, s.staff_pin_hash IS NOT NULL AS has_shared, s.pin_pepper_version,
        (SELECT array_agg(DISTINCT v.pepper_version) FROM staff_pin v
            WHERE v.merchant_id = s.merchant_id AND v.store_id = s.id) AS versions, gate.*
    FROM store s CROSS JOIN LATERAL (SELECT {DEVICE_GATE}) gate
    WHERE s.merchant_id = :merchant_id AND s.id = :store_id
""")

RESERVE_ON_DEVICE = _statement(f"""
    INSERT INTO pin_attempt (merchant_id, id, store_id, device_id, new_card, at)
    SELECT :merchant_id, :attempt_id, :store_id, :device_id, false, :now
    FROM (SELECT {DEVICE_GATE}) gate
    WHERE gate.burst IS NULL AND gate.wrong_in_row < {DEVICE_PAIR_AGAIN.wrong_max}
    RETURNING id
""")

# Locks first, in a statement of their own: the reservation's snapshot must begin after the wait.
RESERVATION_LOCKS = text(
    """SELECT pg_advisory_xact_lock(:store_lock), pg_advisory_xact_lock(:card_lock),
        pg_advisory_xact_lock(:address_lock)"""
)

REFUND = _statement(
    "UPDATE pin_attempt SET refunded_at = :now WHERE merchant_id = :merchant_id AND id = :attempt_id"
)

FIND_PIN = _statement("""
    SELECT m.id AS staff_id, m.name AS staff_name, m.role AS staff_role, false AS is_shared
    FROM staff_pin p JOIN staff_member m ON m.merchant_id = p.merchant_id AND m.id = p.staff_id
    WHERE p.merchant_id = :merchant_id AND p.store_id = :store_id AND p.pin_hash = :verifier
        AND m.left_at IS NULL
    UNION ALL
    SELECT NULL, '', 'cashier', true FROM store s
    WHERE s.merchant_id = :merchant_id AND s.id = :store_id AND s.staff_pin_hash = :verifier
""")

REHASH_PIN = _statement("""
    UPDATE staff_pin SET pin_hash = :new_verifier, pepper_version = :pepper_version
    WHERE merchant_id = :merchant_id AND store_id = :store_id AND pin_hash = :verifier
""")

REHASH_SHARED = _statement("""
    UPDATE store SET staff_pin_hash = :new_verifier, pin_pepper_version = :pepper_version
    WHERE merchant_id = :merchant_id AND id = :store_id AND staff_pin_hash = :verifier
""")

SALT_AND_VERSIONS = _statement("""
    SELECT s.pin_salt, s.staff_pin_hash IS NOT NULL AS has_shared, s.pin_pepper_version, s.staff_pin_since,
        (SELECT array_agg(DISTINCT v.pepper_version) FROM staff_pin v
            WHERE v.merchant_id = s.merchant_id AND v.store_id = s.id) AS versions
    FROM store s WHERE s.merchant_id = :merchant_id AND s.id = :store_id
""")

SET_SHARED = _statement("""
    UPDATE store SET staff_pin_hash = :new_verifier, pin_pepper_version = :pepper_version, staff_pin_since = :now
    WHERE merchant_id = :merchant_id AND id = :store_id
""")


def gate_of(row: Any) -> PinGate:
    """Return the gate that a statement with GATE in its select list has read."""
    return PinGate(
        is_known=row.is_known,
        card_burst=row.card_burst,
        card_day=row.card_day,
        new_cards_hour=row.new_cards_hour,
        new_cards_day=row.new_cards_day,
        address_hour=row.address_hour,
    )


def versions_of(row: Any) -> tuple[int, ...]:
    """Return the pepper versions under which the store's PINs are stored, newest first."""
    found = set(row.versions or ())
    if row.has_shared:
        found.add(row.pin_pepper_version)
    return tuple(sorted(found, reverse=True))


@dataclass(frozen=True, slots=True)
class PepperCount:
    """How many PINs there are, and how many of them were made with an older pepper."""

    pins: int
    old: int


async def count_peppers(session: AsyncSession, merchant_id: UUID, *, newest: int) -> PepperCount:
    """Count a merchant's PINs, the shared ones too, and those that have not moved to the newest pepper yet."""
    statement = text("""
        SELECT count(*) AS pins, count(*) FILTER (WHERE version < :newest) AS old FROM (
            SELECT pepper_version AS version FROM staff_pin WHERE merchant_id = :merchant_id
            UNION ALL
            SELECT pin_pepper_version FROM store
            WHERE merchant_id = :merchant_id AND staff_pin_hash IS NOT NULL) kept
    """)
    row = (await session.execute(statement, {"merchant_id": merchant_id, "newest": newest})).one()
    return PepperCount(row.pins, row.old)


async def count_wrong_by_store(session: AsyncSession, merchant_id: UUID, *, now: datetime) -> dict[UUID, int]:
    """Count the wrong PINs of the last hour in each of the merchant's stores that had any."""
    statement = _statement(
        f"SELECT a.store_id, count(*) AS wrong {_wrong('true', ALERT)} GROUP BY a.store_id"
    )
    rows = await session.execute(statement, {"merchant_id": merchant_id, "now": now})
    return {row.store_id: row.wrong for row in rows}


async def count_wrong_lately(
    session: AsyncSession, merchant_id: UUID, store_id: UUID, *, now: datetime
) -> int:
    """Count the store's wrong PINs of the last hour, those on phones and those on devices."""
    statement = _statement(f"SELECT count(*) {_wrong('a.store_id = :store_id', ALERT)}")
    result = await session.execute(statement, {"merchant_id": merchant_id, "store_id": store_id, "now": now})
    return int(result.scalar_one())
