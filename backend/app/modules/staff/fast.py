"""A remembered PIN inside somebody else's statement: the same look as check_pin's, folded into one read.

Used by the award of visits/statements.py, which reads card, programme, limits and PIN in one go.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from types import SimpleNamespace
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.kernel.adapters import Resources, resources_of
from app.kernel.outcomes import Refusal
from app.modules.staff.pins import PinHasher, address_key, staff_of
from app.modules.staff.queries import GATE, gate_of
from app.modules.staff.rules import StaffRef, decide_gate
from app.utils.security import Keyring

PIN_COLUMNS = """store.phone_pins, gate.card_burst, gate.card_day, gate.new_cards_hour, gate.new_cards_day,
       gate.address_hour, gate.is_known, coalesce(store.staff_pin_hash = {verifier}, false) AS is_shared,
       member.id AS staff_id, member.name AS staff_name, member.role AS staff_role"""

PIN_JOINS = """CROSS JOIN LATERAL (SELECT {gate}) gate
LEFT JOIN staff_pin pin
  ON pin.merchant_id = store.merchant_id AND pin.store_id = store.id AND pin.pin_hash = {verifier}
LEFT JOIN staff_member member
  ON member.merchant_id = pin.merchant_id AND member.id = pin.staff_id AND member.left_at IS NULL"""


def fold_pin(*, address: str, verifier: str, now: str) -> tuple[str, str]:
    """Return the columns and joins for a statement that has `card` and `store`; the arguments are placeholders."""
    names = {
        "merchant_id": "card.merchant_id",
        "store_id": "store.id",
        "card_id": "card.id",
        "is_known": "store.id = ANY(card.known_stores)",
        "address_key": f"{address}::bytea",
        "now": f"{now}::timestamptz",
    }
    gate = re.sub(r"(?<!:):([a-z_]+)", lambda match: names[match.group(1)], GATE)
    return PIN_COLUMNS.format(verifier=verifier), PIN_JOINS.format(gate=gate, verifier=verifier)


def find_remembered_pin(
    session: AsyncSession, store_id: UUID, pin: str | None, *, now: datetime
) -> bytes | None:
    """Return the verifier a right PIN led to a few minutes ago in this process, or None."""
    return remembered_verifier(resources_of(session), store_id, pin, now=now)


def remembered_verifier(
    resources: Resources, store_id: UUID, pin: str | None, *, now: datetime
) -> bytes | None:
    """Return the same without a session."""
    return resources.get(PinHasher).find_remembered(store_id, pin, now=now) if pin else None


def pin_address(session: AsyncSession, address: str) -> bytes:
    """Return the key under which the limits count an address."""
    return address_key(resources_of(session).get(Keyring), address)


def judge_pin(row: Mapping[str, Any]) -> StaffRef | Refusal | None:
    """Decide from the folded columns: who it is, or a refusal, or None where the remembered PIN is no longer one.

    The block state is read at the same moment as the PIN's row: the same as reserving and refunding at once.
    """
    values = SimpleNamespace(**row)
    if not values.phone_pins:
        return Refusal("pins_off")
    blocked = decide_gate(gate_of(values))
    if blocked is not None:
        return blocked
    return staff_of(values) if values.is_shared or values.staff_id is not None else None
