"""The short way to an ordinary visit: one statement reads, one writes, each a transaction of its own, without a lock.

The write insists on the row version that was read, so that it is the same as having locked the card in between
(docs/adr/0012). Answered here are what is granted, and a PIN that the limits refuse without looking at it: guessing
is to cost little. Everything else, another refusal, a repetition, a race lost, a hook that wants a session, has changed
nothing and goes the way of service.award_visit.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg

from app.db.session import Database
from app.dependencies import StoreRef
from app.kernel.adapters import Resources
from app.kernel.outcomes import Refusal
from app.modules.staff.public import address_key, count_refused_pin, remembered_verifier
from app.modules.visits import statements
from app.modules.visits.entries import build_rows
from app.modules.visits.figures import count_visit
from app.modules.visits.hooks import EARNED
from app.modules.visits.service import (
    DECOY_VERIFIER,
    AwardCommand,
    AwardGranted,
    decide,
    earn_context,
    fingerprint_of_command,
    read_card_text,
)
from app.utils.security import Keyring


@dataclass(frozen=True, slots=True)
class _Plain:
    """What is known before the database is asked: the card's id, and whom a PIN of the last minutes led to."""

    pass_id: UUID
    verifier: bytes
    address: bytes


async def award_at_once(
    resources: Resources, store: StoreRef, command: AwardCommand, *, now: datetime
) -> AwardGranted | Refusal | None:
    """Give the visit if nothing about it is out of the ordinary, or refuse a PIN while its limits are full.

    None, and nothing has happened, if anything else is the matter.
    """
    direct = resources.get(Database).direct
    plain = _recognise(resources, store, command, now=now)
    if direct is None or plain is None:
        return None
    key = statements.AwardKey(command.route, command.idempotency_key)
    scope = key.scope(plain.pass_id)
    async with direct.acquire() as connection:
        row = await connection.fetchrow(
            statements.READ_AT_ONCE, store.merchant_id, plain.pass_id, store.id, scope, key.key,
            plain.address, plain.verifier, now,
        )  # fmt: skip
        if row is None:
            return None
        values = dict(row)
        version = values.pop("version")
        loaded = statements.read_loaded(values, has_pin=True)
        staff = loaded.staff
        if loaded.status != "active":
            return None
        if isinstance(staff, Refusal):
            # The same reads whether the PIN was used lately or is anybody's guess: the time tells nothing.
            count_refused_pin(staff)
            return staff
        if staff is None or loaded.used_fingerprint is not None:
            return None
        context = earn_context(store, command, loaded, staff=staff, now=now)
        if EARNED.has_listeners(context):
            return None
        granted = decide(context)
        if isinstance(granted, Refusal):
            return None
        fingerprint = fingerprint_of_command(resources.get(Keyring), store, command) if key.key else None
        rows = build_rows(context, loaded, granted, scope=scope, key=key.key, fingerprint=fingerprint)
        arguments = statements.write_arguments(rows)
        try:
            written: int = await connection.fetchval(statements.WRITE_AT_ONCE, *arguments, version)
        except asyncpg.UniqueViolationError:
            return None
    if written != 1:
        return None
    count_visit(command.source, stamps=rows.stamps_added)
    return AwardGranted(rows.answer, given_by=staff.name)


def _recognise(
    resources: Resources, store: StoreRef, command: AwardCommand, *, now: datetime
) -> _Plain | None:
    pass_id, _number = read_card_text(command.card)
    if pass_id is None or command.staff is not None or command.staff_pin is None or command.tenders:
        return None
    verifier = remembered_verifier(resources, store.id, command.staff_pin, now=now) or DECOY_VERIFIER
    return _Plain(pass_id, verifier, address_key(resources.get(Keyring), command.address))
