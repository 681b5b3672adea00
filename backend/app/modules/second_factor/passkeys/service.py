"""Passkeys' use cases: add, rename, remove, and prove."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.config import Settings
from app.kernel.adapters import resources_of
from app.kernel.audit import record_audit
from app.kernel.errors import NotFound
from app.kernel.outcomes import Refusal
from app.kernel.permissions import Principal
from app.modules.accounts.public import MemberView
from app.modules.second_factor.models import Passkey
from app.modules.second_factor.passkeys.ceremonies import (
    Answer,
    KnownKey,
    Site,
    UnusableAnswer,
    creation_options,
    handle_of,
    read_answer,
    request_options,
    verify_new_key,
    verify_use,
)
from app.modules.second_factor.passkeys.challenges import Asked, ask, take_answer
from app.modules.second_factor.rules import PASSKEYS_MAX, free_name, is_cloned
from app.utils.id_generator import new_id

# One answer for every reason a key does not open: unknown, somebody else's, a bad signature, a question too old.
REFUSED = Refusal("passkey_refused")


def site_of(session: AsyncSession) -> Site:
    """Return where this installation's passkeys are good."""
    return Site.of(resources_of(session).get(Settings).public_url)


async def list_passkeys(session: AsyncSession, merchant_id: UUID, *, member_id: UUID) -> list[Passkey]:
    """Return the member's passkeys, the oldest first."""
    rows = await session.execute(
        select(Passkey)
        .where(Passkey.merchant_id == merchant_id, Passkey.member_id == member_id)
        .order_by(Passkey.id)
        .limit(PASSKEYS_MAX)
    )
    return list(rows.scalars())


async def begin_adding(
    session: AsyncSession, member: MemberView, *, asked: Asked, now: datetime
) -> dict[str, Any] | Refusal:
    """Return what the browser is to make, or refuse one key too many."""
    known = await list_passkeys(session, member.merchant_id, member_id=member.id)
    if len(known) >= PASSKEYS_MAX:
        return Refusal("too_many_passkeys")
    return creation_options(
        site_of(session),
        await ask(session, asked, now=now),
        handle=handle_of(member.merchant_id, member.id),
        account=member.email,
        name=member.name or member.email,
        known=[KnownKey(row.credential_id, row.transports) for row in known],
    )


async def finish_adding(
    session: AsyncSession, principal: Principal, *, asked: Asked, answer: str, name: str, now: datetime
) -> Passkey | Refusal:
    """Keep the key of a good answer. name: as the page will list it, already in the member's language."""
    try:
        read = read_answer(answer)
        if not await take_answer(session, asked, challenge=read.challenge, now=now):
            return REFUSED
        key = verify_new_key(site_of(session), read)
    except UnusableAnswer:
        return REFUSED
    assert principal.id is not None
    known = await list_passkeys(session, principal.merchant_id, member_id=principal.id)
    if len(known) >= PASSKEYS_MAX:
        return Refusal("too_many_passkeys")
    statement = insert(Passkey).values(
        merchant_id=principal.merchant_id,
        id=new_id(),
        member_id=principal.id,
        name=free_name(name, [row.name for row in known], fallback="Passkey"),
        credential_id=key.credential_id,
        public_key=key.public_key,
        sign_count=key.sign_count,
        transports=key.transports,
        is_synced=key.is_synced,
        created_at=now,
    )
    once = statement.on_conflict_do_nothing(index_elements=["merchant_id", "credential_id"])
    made = (await session.execute(once.returning(Passkey))).scalar_one_or_none()
    if made is None:
        return REFUSED
    await _record(session, principal, "passkey.added", made.id, now=now)
    return made


async def rename_passkey(
    session: AsyncSession, principal: Principal, passkey_id: UUID, *, name: str, now: datetime
) -> None:
    """Give one of the member's passkeys another name; raises NotFound."""
    assert principal.id is not None
    known = await list_passkeys(session, principal.merchant_id, member_id=principal.id)
    others = [row.name for row in known if row.id != passkey_id]
    changed = await session.execute(
        update(Passkey)
        .where(*_own(principal, passkey_id))
        .values(name=free_name(name, others, fallback="Passkey"))
        .returning(Passkey.id)
    )
    if changed.one_or_none() is None:
        raise NotFound("passkey")
    await _record(session, principal, "passkey.renamed", passkey_id, now=now)


async def remove_passkey(
    session: AsyncSession, principal: Principal, passkey_id: UUID, *, now: datetime
) -> None:
    """Delete one of the member's passkeys; raises NotFound."""
    gone = await session.execute(delete(Passkey).where(*_own(principal, passkey_id)).returning(Passkey.id))
    if gone.one_or_none() is None:
        raise NotFound("passkey")
    await _record(session, principal, "passkey.removed", passkey_id, now=now)


async def forget_passkeys(session: AsyncSession, merchant_id: UUID, *, member_id: UUID) -> int:
    """Delete all of the member's passkeys; returns how many there were."""
    gone = await session.execute(
        delete(Passkey)
        .where(Passkey.merchant_id == merchant_id, Passkey.member_id == member_id)
        .returning(Passkey.id)
    )
    return len(gone.all())


async def begin_proof(
    session: AsyncSession, *, asked: Asked, now: datetime, known: list[Passkey] | None = None
) -> dict[str, Any]:
    """Return what the browser is to prove. known: a member's keys; without them the person chooses."""
    keys = [KnownKey(row.credential_id, row.transports) for row in known or [] if row.blocked_at is None]
    return request_options(site_of(session), await ask(session, asked, now=now), known=keys)


async def take_proof(
    session: AsyncSession, answer: Answer, *, asked: Asked, member: tuple[UUID, UUID], now: datetime
) -> Passkey | Refusal:
    """Return the passkey that proved itself; the tenant is bound, the question is used up in any case.

    A key whose counter stands still or goes back has been copied: it is blocked, and signs nobody in.
    """
    if not await take_answer(session, asked, challenge=answer.challenge, now=now):
        return REFUSED
    merchant_id, member_id = member
    row = (
        await session.execute(
            select(Passkey)
            .where(
                Passkey.merchant_id == merchant_id,
                Passkey.member_id == member_id,
                Passkey.credential_id == answer.credential_id,
            )
            .with_for_update()
            .execution_options(populate_existing=True)
        )
    ).scalar_one_or_none()
    if row is None or row.blocked_at is not None:
        return REFUSED
    try:
        seen = verify_use(site_of(session), answer, public_key=row.public_key)
    except UnusableAnswer:
        return REFUSED
    if is_cloned(row.sign_count, seen):
        row.blocked_at = now
        principal = Principal("member", merchant_id, member_id)
        await _record(session, principal, "passkey.blocked", row.id, now=now)
        return REFUSED
    row.sign_count, row.last_used_at = seen, now
    return row


def _own(principal: Principal, passkey_id: UUID) -> tuple[Any, ...]:
    return (
        Passkey.merchant_id == principal.merchant_id,
        Passkey.member_id == principal.id,
        Passkey.id == passkey_id,
    )


async def _record(
    session: AsyncSession,
    principal: Principal,
    action: str,
    passkey_id: UUID,
    *,
    now: datetime,
) -> None:
    await record_audit(
        session,
        principal,
        action=action,
        target_kind="passkey",
        target_id=passkey_id,
        now=now,
    )
