"""Invitations to sign up, made by the operator where strangers may not: a link that makes one business, once."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.kernel.adapters import resources_of
from app.modules.accounts.models import SignUpInvitation
from app.modules.accounts.rules import split_token
from app.utils.id_generator import new_id
from app.utils.security import Keyring, hash_token, new_token, same

SIGN_UP_INVITATION_LIFETIME = timedelta(days=14)
INVITATIONS_LISTED_MAX = 200
INVITED_PATH = "/sign-up/invited"


async def invite_to_sign_up(
    session: AsyncSession, *, note: str, made_by: str, key: str, now: datetime
) -> str | None:
    """Make an invitation and return its link's path, shown this once; None where the form was sent before.

    note: for whom it is, in the operator's words. key: of the shown form; one form makes one invitation.
    """
    secret, keyring = new_token(), resources_of(session).get(Keyring)
    form = keyring.mac("token", "sign-up-invitation", made_by, key or new_token())
    statement = insert(SignUpInvitation).values(
        id=new_id(),
        form_hash=form,
        token_hash=hash_token(secret),
        note=note,
        made_by=made_by,
        created_at=now,
        expires_at=now + SIGN_UP_INVITATION_LIFETIME,
    )
    made = await session.execute(
        statement.on_conflict_do_nothing(index_elements=["form_hash"]).returning(SignUpInvitation.id)
    )
    invitation_id = made.scalar_one_or_none()
    return f"{INVITED_PATH}/{invitation_id.hex}.{secret}" if invitation_id else None


async def list_sign_up_invitations(session: AsyncSession) -> list[SignUpInvitation]:
    """Return the newest invitations."""
    newest = select(SignUpInvitation).order_by(SignUpInvitation.created_at.desc(), SignUpInvitation.id.desc())
    return list((await session.execute(newest.limit(INVITATIONS_LISTED_MAX))).scalars())


async def withdraw_sign_up_invitation(session: AsyncSession, invitation_id: UUID, *, now: datetime) -> bool:
    """End an invitation that nobody has used; False where there is none such."""
    ended = await session.execute(
        update(SignUpInvitation)
        .where(
            SignUpInvitation.id == invitation_id,
            SignUpInvitation.used_at.is_(None),
            SignUpInvitation.withdrawn_at.is_(None),
        )
        .values(withdrawn_at=now)
        .returning(SignUpInvitation.id)
    )
    return ended.first() is not None


async def find_sign_up_invitation(session: AsyncSession, token: str, *, now: datetime) -> UUID | None:
    """Return the invitation of a link while it may be used."""
    invitation_id, secret = split_token(token)
    if invitation_id is None:
        return None
    row = await session.scalar(select(SignUpInvitation).where(SignUpInvitation.id == invitation_id))
    if row is None or not same(row.token_hash, hash_token(secret)):
        return None
    is_open = row.used_at is None and row.withdrawn_at is None and now < row.expires_at
    return row.id if is_open else None


async def lock_sign_up_invitation(session: AsyncSession, invitation_id: UUID | None) -> bool:
    """Hold the invitation of a sign-up that is being finished; False where another one has used it meanwhile.

    None: the sign-up needed none. It may have run out since: the sign-up was asked for in time.
    """
    if invitation_id is None:
        return True
    row = await session.scalar(
        select(SignUpInvitation).where(SignUpInvitation.id == invitation_id).with_for_update()
    )
    return row is not None and row.used_at is None and row.withdrawn_at is None


async def use_sign_up_invitation(
    session: AsyncSession, invitation_id: UUID | None, *, merchant_id: UUID, now: datetime
) -> None:
    """Use up what lock_sign_up_invitation holds."""
    if invitation_id is not None:
        await session.execute(
            update(SignUpInvitation)
            .where(SignUpInvitation.id == invitation_id, SignUpInvitation.used_at.is_(None))
            .values(used_at=now, merchant_id=merchant_id)
        )
