"""Sweeping what has ended: sign-ups never finished, old sessions, used links, counts of past windows."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import delete

from app.kernel.jobs import JobContext, Periodic
from app.modules.accounts.models import (
    HalfSignIn,
    MemberInvitation,
    MemberLink,
    MerchantSession,
    SignInLimit,
    SignUp,
    SignUpInvitation,
)

# Ended sessions stay for a while, so that an owner can still ask when somebody was signed in.
SESSIONS_KEPT = timedelta(days=90)
LINKS_KEPT = timedelta(days=7)
LIMITS_KEPT = timedelta(days=1)
# An invitation that ran out can still be sent again for a while.
INVITATIONS_KEPT = timedelta(days=30)


async def _sweep(context: JobContext) -> None:
    now = context.clock.now()
    async with context.session() as session:
        await session.execute(delete(SignUp).where(SignUp.expires_at <= now))
        await session.execute(
            delete(MerchantSession).where(MerchantSession.expires_at <= now - SESSIONS_KEPT)
        )
        await session.execute(
            delete(SignUpInvitation).where(SignUpInvitation.expires_at <= now - INVITATIONS_KEPT)
        )
        await session.execute(delete(MemberLink).where(MemberLink.expires_at <= now - LINKS_KEPT))
        await session.execute(delete(HalfSignIn).where(HalfSignIn.expires_at <= now))
        await session.execute(
            delete(MemberInvitation).where(MemberInvitation.expires_at <= now - INVITATIONS_KEPT)
        )
        await session.execute(delete(SignInLimit).where(SignInLimit.window_start <= now - LIMITS_KEPT))


sweep = Periodic("accounts.sweep", every=timedelta(hours=1), run=_sweep)
