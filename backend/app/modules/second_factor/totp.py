"""The authenticator app: its secret, sealed at rest; set up, confirmed by a code, checked, turned off."""

from __future__ import annotations

import base64
import secrets
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP
from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.kernel.adapters import resources_of
from app.kernel.sealing import SealedColumn
from app.modules.second_factor.models import MemberTotp
from app.modules.second_factor.rules import (
    TOTP_DIGITS,
    TOTP_SECRET_BYTES,
    TOTP_STEP,
    matching_step,
    steps_around,
)
from app.utils.security import Keyring, same

ISSUER = "Stempel"


@dataclass(frozen=True, slots=True)
class TotpOffer:
    """A secret that waits for its first code. uri: what the QR code holds. secret: to be typed by hand."""

    uri: str
    secret: str


def seal_context(merchant_id: UUID, member_id: UUID) -> str:
    """Return what a sealed secret is bound to: its row."""
    return f"member_totp:{merchant_id}:{member_id}"


# A rotation of the keys takes the secrets along.
SEALED_SECRETS = SealedColumn(
    MemberTotp.sealed_secret, lambda row: seal_context(row.merchant_id, row.member_id)
)


def totp_of(secret: bytes) -> TOTP:
    """Return the generator of a secret's codes.

    SHA-1 is what authenticator apps compute, whatever the address says; within an HMAC nothing is known against it.
    """
    return TOTP(secret, TOTP_DIGITS, SHA1(), int(TOTP_STEP.total_seconds()))  # noqa: S303


def code_at(secret: bytes, step: int) -> str:
    """Return the code of a step."""
    return totp_of(secret).generate(step * int(TOTP_STEP.total_seconds())).decode()


def _mark(session: AsyncSession, begun_in: str) -> bytes:
    return resources_of(session).get(Keyring).mac("lookup", "totp-begun-in", begun_in)


async def begin_totp(
    session: AsyncSession, merchant_id: UUID, *, member_id: UUID, begun_in: str, now: datetime
) -> bool:
    """Keep a new secret that counts for nothing yet; False where the member's app is confirmed already.

    begun_in: the session, or the half sign-in, that asks; no other one is ever shown the secret.
    """
    secret = secrets.token_bytes(TOTP_SECRET_BYTES)
    sealed = resources_of(session).get(Keyring).seal(secret, context=seal_context(merchant_id, member_id))
    mark = _mark(session, begun_in)
    statement = insert(MemberTotp).values(
        merchant_id=merchant_id, member_id=member_id, sealed_secret=sealed, begun_in=mark, created_at=now
    )
    kept = await session.execute(
        statement.on_conflict_do_update(
            index_elements=["merchant_id", "member_id"],
            set_={"sealed_secret": sealed, "begun_in": mark, "created_at": now},
            where=MemberTotp.confirmed_at.is_(None),
        ).returning(MemberTotp.member_id)
    )
    return kept.first() is not None


async def find_totp(
    session: AsyncSession, merchant_id: UUID, *, member_id: UUID, lock: str = ""
) -> MemberTotp | None:
    """Return the member's app, confirmed or not. lock: "update" takes the row's lock."""
    statement = select(MemberTotp).where(
        MemberTotp.merchant_id == merchant_id, MemberTotp.member_id == member_id
    )
    if lock == "update":
        statement = statement.with_for_update().execution_options(populate_existing=True)
    return (await session.execute(statement)).scalar_one_or_none()


async def find_pending(
    session: AsyncSession, merchant_id: UUID, *, member_id: UUID, begun_in: str
) -> MemberTotp | None:
    """Return the app that waits for its first code in this session; None for one that another session began."""
    row = await find_totp(session, merchant_id, member_id=member_id)
    return row if row is not None and _is_pending(session, row, begun_in) else None


def _is_pending(session: AsyncSession, row: MemberTotp, begun_in: str) -> bool:
    return row.confirmed_at is None and same(row.begun_in, _mark(session, begun_in))


def offer_of(session: AsyncSession, row: MemberTotp, *, account: str) -> TotpOffer:
    """Return what the set-up page shows of a secret. account: the name under which the app lists it."""
    secret = _unseal(session, row)
    uri = totp_of(secret).get_provisioning_uri(account, ISSUER)
    return TotpOffer(uri, base64.b32encode(secret).decode().rstrip("="))


async def take_totp_code(
    session: AsyncSession, merchant_id: UUID, *, member_id: UUID, code: str, now: datetime, begun_in: str = ""
) -> bool:
    """Tell whether the code is right and use it up: its step and all before it are over.

    begun_in: takes the code that confirms the app begun there, and only that. The row's lock lets one of two equal
    codes in.
    """
    row = await find_totp(session, merchant_id, member_id=member_id, lock="update")
    if row is None:
        return False
    if not (_is_pending(session, row, begun_in) if begun_in else row.confirmed_at is not None):
        return False
    secret = _unseal(session, row)
    codes = {step: code_at(secret, step) for step in steps_around(now)}
    step = matching_step(code, codes, last_step=row.last_step)
    if step is None:
        return False
    row.last_step, row.last_used_at = step, now
    row.confirmed_at = row.confirmed_at or now
    return True


async def forget_totp(session: AsyncSession, merchant_id: UUID, *, member_id: UUID) -> bool:
    """Delete the member's app; returns whether it counted."""
    gone = await session.execute(
        delete(MemberTotp)
        .where(MemberTotp.merchant_id == merchant_id, MemberTotp.member_id == member_id)
        .returning(MemberTotp.confirmed_at)
    )
    return gone.scalar_one_or_none() is not None


def _unseal(session: AsyncSession, row: MemberTotp) -> bytes:
    keyring = resources_of(session).get(Keyring)
    return keyring.unseal(row.sealed_secret, context=seal_context(row.merchant_id, row.member_id))
