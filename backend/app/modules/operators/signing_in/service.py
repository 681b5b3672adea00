"""Signing in with name, password and code at once; recognising and ending sessions."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.session import Database
from app.kernel.adapters import resources_of
from app.kernel.outcomes import Refusal
from app.modules.accounts.public import (
    Browser,
    device_after,
    in_hash_thread,
    known_device,
    refund_attempt,
    reserve_attempt,
    sign_in_subjects,
)
from app.modules.operators.journal import record_entry
from app.modules.operators.models import Operator, OperatorSession
from app.modules.operators.rules import SEEN_EVERY, SESSION_LIFETIME, clean_name, is_session_over
from app.modules.operators.signing_in.accounts import seal_context
from app.modules.second_factor.public import (
    TOTP_SECRET_BYTES,
    code_at,
    matching_step,
    parse_totp_code,
    steps_around,
)
from app.utils.id_generator import new_id
from app.utils.security import Keyring, b64, hash_token, new_token, same, unb64, verify_password

OPERATOR_COOKIE = "operator_session"
PURPOSE = "operator"
REFUSED = Refusal("operator_refused")
_NO_SECRET = bytes(TOTP_SECRET_BYTES)


@dataclass(frozen=True, slots=True)
class Credentials:
    """What was typed, and where."""

    name: str
    password: str = field(repr=False)
    code: str = field(repr=False)
    browser: Browser = field(default_factory=Browser)


@dataclass(frozen=True, slots=True)
class OperatorRef:
    """Who is signed in."""

    id: UUID
    name: str
    session_id: UUID


@dataclass(frozen=True, slots=True)
class OperatorSignedIn:
    """An open session. token and device: the values of the session's and the browser's cookie."""

    token: str = field(repr=False)
    device: str = field(repr=False)


def device_key(name: str) -> str:
    """Return under what an operator is kept among a browser's known sign-ins; no e-mail looks like it."""
    return f"operator:{name}"


async def sign_in(session: AsyncSession, typed: Credentials, *, now: datetime) -> OperatorSignedIn | Refusal:
    """Open a session; refuses rate_limited, or operator_refused whatever was wrong.

    The try is counted before anything is verified. A browser that this operator has used before is counted by
    itself, so that a stranger who tries names locks nobody out.
    """
    resources = resources_of(session)
    keyring, browser = resources.get(Keyring), typed.browser
    name = clean_name(typed.name) or ""
    key = device_key(name or "?")
    subjects = sign_in_subjects(key, address=browser.address, device=known_device(keyring, browser, key))
    database = resources.get(Database)
    refused = await reserve_attempt(database, keyring, purpose=PURPOSE, subjects=subjects, now=now)
    if refused is not None:
        return refused
    operator = await _verify(session, name, typed, keyring=keyring, now=now)
    if operator is None:
        return REFUSED
    await refund_attempt(session, keyring, purpose=PURPOSE, subjects=subjects, now=now)
    _device, cookie = device_after(keyring, browser, key)
    record_entry(session, operator.name, action="session.opened", now=now)
    return OperatorSignedIn(_open_session(session, operator.id, browser=browser.name, now=now), cookie)


async def _verify(
    session: AsyncSession, name: str, typed: Credentials, *, keyring: Keyring, now: datetime
) -> Operator | None:
    """Return the operator when password and code are right; the code is used up. Takes as long for unknown names."""
    found = await session.execute(select(Operator.password_hash).where(Operator.name == name))
    stored = found.scalar_one_or_none()
    is_password_right = await in_hash_thread(verify_password, typed.password, stored)
    # The row's lock lets one of two equal codes in.
    row = await session.execute(select(Operator).where(Operator.name == name).with_for_update())
    operator = row.scalar_one_or_none()
    secret, last_step = _NO_SECRET, None
    if operator is not None:
        secret = keyring.unseal(operator.sealed_secret, context=seal_context(operator.id))
        last_step = operator.last_step
    codes = {step: code_at(secret, step) for step in steps_around(now)}
    step = matching_step(parse_totp_code(typed.code) or "", codes, last_step=last_step)
    if operator is None or stored is None or not is_password_right or step is None:
        return None
    if not same(operator.password_hash, stored):
        return None
    operator.last_step, operator.last_signed_in_at = step, now
    operator.confirmed_at = operator.confirmed_at or now
    return operator


def _open_session(session: AsyncSession, operator_id: UUID, *, browser: str, now: datetime) -> str:
    session_id, secret = new_id(), new_token()
    session.add(
        OperatorSession(
            id=session_id,
            operator_id=operator_id,
            token_hash=hash_token(secret),
            browser=browser,
            created_at=now,
            last_seen_at=now,
            expires_at=now + SESSION_LIFETIME,
        )
    )
    return f"{b64(session_id.bytes)}.{secret}"


async def find_operator(session: AsyncSession, token: str, *, now: datetime) -> OperatorRef | None:
    """Return who the cookie's value stands for, and note that they were seen."""
    head, _dot, secret = token.partition(".")
    try:
        session_id = UUID(bytes=unb64(head))
    except ValueError:
        return None
    found = await session.execute(
        select(OperatorSession, Operator.name)
        .join(Operator, Operator.id == OperatorSession.operator_id)
        .where(OperatorSession.id == session_id)
    )
    pair = found.one_or_none()
    if pair is None or not same(pair[0].token_hash, hash_token(secret)):
        return None
    row, name = pair
    if is_session_over(
        last_seen_at=row.last_seen_at, expires_at=row.expires_at, revoked_at=row.revoked_at, now=now
    ):
        return None
    if now - row.last_seen_at >= SEEN_EVERY:
        row.last_seen_at = now
    return OperatorRef(row.operator_id, name, row.id)


async def sign_out(session: AsyncSession, operator: OperatorRef, *, now: datetime) -> None:
    """End the session at hand."""
    await session.execute(
        update(OperatorSession)
        .where(OperatorSession.id == operator.session_id, OperatorSession.revoked_at.is_(None))
        .values(revoked_at=now)
    )
    record_entry(session, operator.name, action="session.closed", now=now)
