"""Making, changing and removing operators: by the command line only."""

from __future__ import annotations

import base64
import secrets
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.kernel.adapters import resources_of
from app.kernel.outcomes import Refusal
from app.kernel.sealing import SealedColumn
from app.modules.accounts.public import hash_new_password
from app.modules.operators.journal import record_entry
from app.modules.operators.models import Operator, OperatorSession
from app.modules.second_factor.public import ISSUER, TOTP_SECRET_BYTES, totp_of
from app.utils.id_generator import new_id
from app.utils.security import Keyring

COMMAND_LINE = "(command line)"


@dataclass(frozen=True, slots=True)
class AppSecret:
    """What an authenticator app is given, shown once. uri: for a QR code. key: to be typed."""

    uri: str = field(repr=False)
    key: str = field(repr=False)


def seal_context(operator_id: UUID) -> str:
    """Return what a sealed secret is bound to: its row."""
    return f"operator:{operator_id}"


# A rotation of the keys takes the secrets along.
SEALED_SECRETS = SealedColumn(Operator.sealed_secret, lambda row: seal_context(row.id))


def _draw(keyring: Keyring, operator_id: UUID, name: str) -> tuple[bytes, AppSecret]:
    secret = secrets.token_bytes(TOTP_SECRET_BYTES)
    uri = totp_of(secret).get_provisioning_uri(f"operator {name}", ISSUER)
    key = base64.b32encode(secret).decode().rstrip("=")
    return keyring.seal(secret, context=seal_context(operator_id)), AppSecret(uri, key)


async def create_operator(
    session: AsyncSession, name: str, *, password: str, now: datetime
) -> AppSecret | Refusal | None:
    """Make an operator and return the secret for their app; None where the name is taken.

    Refuses weak_password. The app's first code, at the first sign-in, confirms that it works.
    """
    hashed = await hash_new_password(password, about=(name,))
    if isinstance(hashed, Refusal):
        return hashed
    operator_id = new_id()
    sealed, secret = _draw(resources_of(session).get(Keyring), operator_id, name)
    statement = insert(Operator).values(
        id=operator_id, name=name, password_hash=hashed, sealed_secret=sealed, created_at=now
    )
    made = await session.execute(
        statement.on_conflict_do_nothing(index_elements=["name"]).returning(Operator.id)
    )
    if made.first() is None:
        return None
    record_entry(session, COMMAND_LINE, action="operator.created", facts={"operator": name}, now=now)
    return secret


async def reset_operator(
    session: AsyncSession, name: str, *, password: str, now: datetime
) -> AppSecret | Refusal | None:
    """Give an operator a new password and app secret and end all sessions; None where there is no such operator."""
    hashed = await hash_new_password(password, about=(name,))
    if isinstance(hashed, Refusal):
        return hashed
    found = await session.execute(select(Operator).where(Operator.name == name).with_for_update())
    operator = found.scalar_one_or_none()
    if operator is None:
        return None
    operator.sealed_secret, secret = _draw(resources_of(session).get(Keyring), operator.id, name)
    operator.password_hash, operator.last_step, operator.confirmed_at = hashed, None, None
    await session.execute(
        update(OperatorSession)
        .where(OperatorSession.operator_id == operator.id, OperatorSession.revoked_at.is_(None))
        .values(revoked_at=now)
    )
    record_entry(session, COMMAND_LINE, action="operator.reset", facts={"operator": name}, now=now)
    return secret


async def remove_operator(session: AsyncSession, name: str, *, now: datetime) -> bool:
    """Remove an operator with all sessions; False where there is none of this name."""
    gone = await session.execute(delete(Operator).where(Operator.name == name).returning(Operator.id))
    operator_id = gone.scalar_one_or_none()
    if operator_id is None:
        return False
    await session.execute(delete(OperatorSession).where(OperatorSession.operator_id == operator_id))
    record_entry(session, COMMAND_LINE, action="operator.removed", facts={"operator": name}, now=now)
    return True


async def list_operators(session: AsyncSession) -> list[Operator]:
    """Return all operators by name."""
    return list((await session.execute(select(Operator).order_by(Operator.name))).scalars())
