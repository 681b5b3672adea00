"""What members do with their own sign-in: prove themselves again, change password and address, raise an alarm."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from app.db.session import Database, let_go
from app.kernel.adapters import resources_of
from app.kernel.errors import Unauthenticated
from app.kernel.outcomes import Refusal
from app.kernel.permissions import Principal
from app.modules.accounts.members import MemberView, find_member
from app.modules.accounts.passwords import in_hash_thread
from app.modules.accounts.signing_in.limits import refund_attempt, reserve_attempt
from app.utils.security import Keyring, verify_password

CONFIRMATIONS_MAX = 10


async def get_own_member(session: AsyncSession, principal: Principal) -> MemberView:
    """Return the signed-in member; raises Unauthenticated once they are gone."""
    member = await find_member(session, principal.merchant_id, principal.id) if principal.id else None
    if member is None:
        raise Unauthenticated
    return member


async def confirm_password(
    session: AsyncSession, principal: Principal, *, password: str, now: datetime
) -> MemberView | Refusal:
    """Ask the signed-in member for their password again, before something that matters; tries are counted.

    Refuses password_wrong or rate_limited. Call it before anything is written.
    """
    resources = resources_of(session)
    keyring = resources.get(Keyring)
    member = await get_own_member(session, principal)
    subjects = {"member": (str(member.id), CONFIRMATIONS_MAX)}
    async with let_go(session):
        refused = await reserve_attempt(
            resources.get(Database), keyring, purpose="confirm", subjects=subjects, now=now
        )
        if refused is not None:
            return refused
        is_right = await in_hash_thread(verify_password, password, member.password_hash)
    if not is_right:
        return Refusal("password_wrong")
    await refund_attempt(session, keyring, purpose="confirm", subjects=subjects, now=now)
    return member
