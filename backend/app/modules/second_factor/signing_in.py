"""What accounts asks of this module: is the password enough, is the code right, and members who go."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from app.modules.accounts.public import MemberGone, MemberRef, TakenBack
from app.modules.second_factor.service import (
    check_code,
    factors_of,
    forget_member,
    forget_since,
    is_required_here,
)

STEP_PATH = "/sign-in/second-step"


@dataclass(frozen=True)
class SecondStep:
    """The offer under SIGN_IN_FACTOR: an app's codes, passkeys and recovery codes, whichever a member has."""

    page_url: str = STEP_PATH

    async def is_required(self, session: AsyncSession, member: MemberRef) -> bool:
        """Tell whether the password is not enough: a factor is set up, or the owner asks for one."""
        factors = await factors_of(session, member.merchant_id, member_id=member.member_id)
        return factors.on or await is_required_here(session, member.merchant_id)

    async def is_right(self, session: AsyncSession, member: MemberRef, *, code: str, now: datetime) -> bool:
        """Tell whether the code is right, and use it up; a member without a factor has no right code."""
        return await check_code(session, member.merchant_id, member_id=member.member_id, code=code, now=now)


async def on_member_gone(gone: MemberGone) -> None:
    """Forget the factors of somebody who left the team."""
    await forget_member(gone.session, gone.merchant_id, member_id=gone.member_id)


async def on_taken_back(back: TakenBack) -> None:
    """Forget the factors that a stranger may have set up; the member's own from before stay."""
    await forget_since(back.session, back.merchant_id, member_id=back.member_id, since=back.since)
