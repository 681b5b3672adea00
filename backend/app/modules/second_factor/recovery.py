"""Recovery codes: made ten at a time, shown once, each good for one sign-in."""

from __future__ import annotations

import secrets
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.kernel.adapters import resources_of
from app.modules.second_factor.models import RecoveryCode
from app.modules.second_factor.rules import RECOVERY_CODES, RECOVERY_SYMBOLS, recovery_code_of
from app.utils.id_generator import new_id
from app.utils.security import Keyring


def hash_recovery_code(
    keyring: Keyring, merchant_id: UUID, member_id: UUID, *, code: str, version: int
) -> bytes:
    """Return what is stored of a code: an HMAC bound to its member."""
    return keyring.mac("token", "recovery-code", merchant_id, member_id, code, version=version)


async def draw_codes(
    session: AsyncSession, merchant_id: UUID, *, member_id: UUID, now: datetime
) -> list[str]:
    """Replace the member's codes by ten new ones and return them, this once."""
    keyring = resources_of(session).get(Keyring)
    codes = [recovery_code_of(secrets.randbits(5 * RECOVERY_SYMBOLS)) for _number in range(RECOVERY_CODES)]
    await forget_codes(session, merchant_id, member_id=member_id)
    version = keyring.newest("token")
    session.add_all(
        RecoveryCode(
            merchant_id=merchant_id,
            id=new_id(),
            member_id=member_id,
            code_hash=hash_recovery_code(keyring, merchant_id, member_id, code=code, version=version),
            created_at=now,
        )
        for code in codes
    )
    return codes


async def spend_code(
    session: AsyncSession, merchant_id: UUID, *, member_id: UUID, code: str, now: datetime
) -> bool:
    """Use up a code; False where it is not one of the member's or was used.

    The update locks the row: of two at once the second waits, looks again and finds the code used.
    """
    keyring = resources_of(session).get(Keyring)
    hashes = [
        hash_recovery_code(keyring, merchant_id, member_id, code=code, version=version)
        for version in keyring.versions("token")
    ]
    spent = await session.execute(
        update(RecoveryCode)
        .where(
            RecoveryCode.merchant_id == merchant_id,
            RecoveryCode.member_id == member_id,
            RecoveryCode.code_hash.in_(hashes),
            RecoveryCode.used_at.is_(None),
        )
        .values(used_at=now)
        .returning(RecoveryCode.id)
    )
    return spent.first() is not None


async def count_codes_left(session: AsyncSession, merchant_id: UUID, *, member_id: UUID) -> int:
    """Return how many codes are still good."""
    statement = select(func.count()).where(
        RecoveryCode.merchant_id == merchant_id,
        RecoveryCode.member_id == member_id,
        RecoveryCode.used_at.is_(None),
    )
    return int((await session.execute(statement)).scalar_one())


async def forget_codes(session: AsyncSession, merchant_id: UUID, *, member_id: UUID) -> None:
    """Delete the member's codes, used and unused."""
    await session.execute(
        delete(RecoveryCode).where(
            RecoveryCode.merchant_id == merchant_id, RecoveryCode.member_id == member_id
        )
    )
