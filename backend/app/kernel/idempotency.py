"""Safe to repeat: one key, one effect, one answer. Used by every POST that takes an Idempotency-Key."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Index, delete, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import NONE, SECRET, Base, merchant_fk
from app.kernel.outcomes import Refusal
from app.utils.security import Keyring, same

KEY_LENGTH_MAX = 200
KEPT_FOR = timedelta(hours=48)


class IdempotencyKey(Base):
    """A key that was used: its fingerprint (an HMAC of the body without secrets) and the granted answer."""

    __tablename__ = "idempotency_key"
    __table_args__ = (merchant_fk(), Index(None, "created_at"))
    __tenant__ = "merchant_id"
    merchant_id: Mapped[UUID] = mapped_column(primary_key=True, info=NONE)
    scope: Mapped[str] = mapped_column(primary_key=True, info=NONE)
    key: Mapped[str] = mapped_column(primary_key=True, info=SECRET)
    fingerprint: Mapped[bytes] = mapped_column(info=SECRET)
    answer: Mapped[dict[str, Any] | None] = mapped_column(info=NONE)
    created_at: Mapped[datetime] = mapped_column(info=NONE)


@dataclass(frozen=True, slots=True)
class Replay:
    """The key was used before with the same body: answer this again."""

    answer: dict[str, Any]


def fingerprint_of(keyring: Keyring, body: Mapping[str, object]) -> bytes:
    """Return the keyed fingerprint of a request body; leave secrets such as staff_pin out of it.

    With the key that is never rotated: a repeat after a rotation is the same request still.
    """
    return keyring.mac("lookup", "idempotency", json.dumps(body, sort_keys=True, default=str))


def judge_stored(
    stored_fingerprint: bytes, answer: dict[str, Any] | None, fingerprint: bytes
) -> Replay | Refusal:
    """Decide what a used key means: the same body replays the answer, another body is refused."""
    if not same(stored_fingerprint, fingerprint) or answer is None:
        return Refusal("key_reused")
    return Replay(answer)


async def claim_key(
    session: AsyncSession, merchant_id: UUID, *, scope: str, key: str, fingerprint: bytes, now: datetime
) -> Replay | Refusal | None:
    """Claim a key in the caller's transaction: None means go on, and call store_answer before the commit.

    A second request with the same key waits here for the first one's commit or rollback; a dead process's
    claim is rolled back by the database, so that a key is never held by nobody.
    """
    statement = (
        insert(IdempotencyKey)
        .values(merchant_id=merchant_id, scope=scope, key=key, fingerprint=fingerprint, created_at=now)
        .on_conflict_do_nothing(index_elements=["merchant_id", "scope", "key"])
        .returning(IdempotencyKey.key)
    )
    if (await session.execute(statement)).one_or_none() is not None:
        return None
    row = (
        await session.execute(
            select(IdempotencyKey.fingerprint, IdempotencyKey.answer).where(
                IdempotencyKey.merchant_id == merchant_id,
                IdempotencyKey.scope == scope,
                IdempotencyKey.key == key,
            )
        )
    ).one()
    return judge_stored(row.fingerprint, row.answer, fingerprint)


async def store_answer(
    session: AsyncSession, merchant_id: UUID, *, scope: str, key: str, answer: dict[str, Any]
) -> None:
    """Keep the granted answer under a key claimed in this transaction; state and ids only, no names."""
    await session.execute(
        update(IdempotencyKey)
        .where(
            IdempotencyKey.merchant_id == merchant_id,
            IdempotencyKey.scope == scope,
            IdempotencyKey.key == key,
        )
        .values(answer=answer)
    )


async def release_key(session: AsyncSession, merchant_id: UUID, *, scope: str, key: str) -> None:
    """Give back a key claimed in this transaction: a refusal is not kept, the same request may come again."""
    await session.execute(
        delete(IdempotencyKey).where(
            IdempotencyKey.merchant_id == merchant_id,
            IdempotencyKey.scope == scope,
            IdempotencyKey.key == key,
        )
    )
