"""Single-use links to a member's mailbox: a reset, a new address to confirm, "that was not me"."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.session import set_tenant
from app.modules.accounts.members import lock_sign_in
from app.modules.accounts.models import MemberLink
from app.modules.accounts.rules import split_token
from app.utils.id_generator import new_id
from app.utils.security import hash_token, new_token, same

LIFETIMES = {"reset": timedelta(hours=1), "email": timedelta(hours=24), "alarm": timedelta(days=7)}


@dataclass(frozen=True, slots=True)
class LinkWish:
    """A link to be made. kind: one of LIFETIMES. email: a new address. session_id: of the sign-in told about."""

    kind: str
    merchant_id: UUID
    member_id: UUID
    email: str | None = None
    session_id: UUID | None = None


async def make_link(session: AsyncSession, wish: LinkWish, *, now: datetime) -> str:
    """Keep a link of the bound tenant and return its token."""
    link_id, secret = new_id(), new_token()
    await session.execute(
        insert(MemberLink).values(
            merchant_id=wish.merchant_id,
            id=link_id,
            kind=wish.kind,
            member_id=wish.member_id,
            token_hash=hash_token(secret),
            email=wish.email,
            session_id=wish.session_id,
            expires_at=now + LIFETIMES[wish.kind],
        )
    )
    return f"{wish.merchant_id.hex}.{link_id.hex}.{secret}"


async def lock_link(session: AsyncSession, kind: str, *, token: str, now: datetime) -> MemberLink | None:
    """Return the usable link of a token, locked, and bind its tenant; None for everything else.

    Whose link it is gets locked first, as wherever a sign-in changes and ends links: two links of one member, used at
    once, would else hold one each and wait for the other's.
    """
    merchant_id, rest = split_token(token)
    link_id, secret = split_token(rest)
    if merchant_id is None or link_id is None:
        return None
    await set_tenant(session, merchant_id)
    own = (MemberLink.merchant_id == merchant_id, MemberLink.id == link_id, MemberLink.kind == kind)
    shown = (
        await session.execute(select(MemberLink.member_id, MemberLink.token_hash).where(*own))
    ).one_or_none()
    # Nobody makes others wait without the secret.
    if shown is None or not same(shown.token_hash, hash_token(secret)):
        return None
    await lock_sign_in(session, merchant_id, shown.member_id)
    row = (await session.execute(select(MemberLink).where(*own).with_for_update())).scalar_one_or_none()
    return None if row is None or row.used_at is not None or now >= row.expires_at else row


# Whoever took over an account must not be able to close the way back: alarms stay until they are used or run out.
CHANGING_KINDS = ("reset", "email")


async def use_links(
    session: AsyncSession,
    merchant_id: UUID,
    *,
    member_id: UUID,
    now: datetime,
    kinds: tuple[str, ...] = CHANGING_KINDS,
) -> None:
    """End a member's links: the one just used, and all of these kinds that were mailed before."""
    await session.execute(
        update(MemberLink)
        .where(
            MemberLink.merchant_id == merchant_id,
            MemberLink.member_id == member_id,
            MemberLink.kind.in_(kinds),
            MemberLink.used_at.is_(None),
        )
        .values(used_at=now)
    )


async def use_alarms(session: AsyncSession, raised: MemberLink, *, now: datetime) -> str | None:
    """End an alarm and those mailed after it; return the address that the oldest of them gives back, if one does.

    Those mailed before stay: an intruder who has moved the address gets alarms in a mailbox of their own, and must
    not close the owner's way back with one of them.
    """
    ended = await session.execute(
        update(MemberLink)
        .where(
            MemberLink.merchant_id == raised.merchant_id,
            MemberLink.member_id == raised.member_id,
            MemberLink.kind == "alarm",
            MemberLink.id >= raised.id,
            MemberLink.used_at.is_(None),
        )
        .values(used_at=now)
        .returning(MemberLink.id, MemberLink.email)
        .execution_options(synchronize_session=False)
    )
    return next((email for _id, email in sorted(ended.all(), key=lambda row: row[0]) if email), None)
