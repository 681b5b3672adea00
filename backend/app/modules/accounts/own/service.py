"""What members do with their own sign-in: prove themselves again, change name and password."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from app.db.session import Database, let_go
from app.kernel.adapters import resources_of
from app.kernel.audit import record_audit
from app.kernel.errors import Unauthenticated
from app.kernel.i18n import gettext as _
from app.kernel.outcomes import Refusal
from app.kernel.permissions import Principal
from app.modules.accounts.members import MemberView, find_member, hold_sign_in, store_sign_in
from app.modules.accounts.passwords import hash_new_password, in_hash_thread
from app.modules.accounts.signing_in.limits import refund_attempt, reserve_attempt
from app.modules.accounts.signing_in.links import use_links
from app.modules.accounts.signing_in.mails import MailText, alarm_path, alarm_text, send_security_mail
from app.modules.accounts.signing_in.sessions import revoke_sessions
from app.utils.security import Keyring, verify_password
from app.utils.validators import without_links

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


async def change_name(session: AsyncSession, principal: Principal, *, name: str, now: datetime) -> None:
    """Change how the team calls the signed-in member."""
    member = await get_own_member(session, principal)
    if name == member.name:
        return
    await store_sign_in(session, member, name=name)
    await _tell(session, principal, "account.changed", now=now, facts={"fields": ["name"]})


async def change_password(
    session: AsyncSession, principal: Principal, *, old: str, new: str, now: datetime
) -> Refusal | None:
    """Give the signed-in member another password; every other session of theirs ends, and a mail tells them.

    Refuses password_wrong, weak_password or rate_limited.
    """
    member = await confirm_password(session, principal, password=old, now=now)
    if isinstance(member, Refusal):
        return member
    hashed = await hash_new_password(new, about=(member.merchant_name, member.email, member.name))
    if isinstance(hashed, Refusal):
        return hashed
    # An alarm or a reset may have closed the old password since it was confirmed: theirs holds.
    if not await hold_sign_in(session, member):
        return Refusal("password_wrong")
    await use_links(session, member.merchant_id, member_id=member.id, now=now)
    await store_sign_in(session, member, password_hash=hashed)
    await revoke_sessions(session, principal, keep=principal.extra["session_id"], now=now)
    await _tell(session, principal, "password.changed", now=now)
    path = await alarm_path(session, member, now=now)

    def write() -> MailText:
        return MailText(
            _("Your password was changed"),
            _(
                "The password for the dashboard of %(name)s was changed. If it was you, you need not do anything.",
                name=without_links(member.merchant_name),
            ),
            alarm_text(),
            path,
            _("That was not me"),
        )

    await send_security_mail(session, member, kind="password_changed", write=write, now=now)
    return None


async def _tell(
    session: AsyncSession,
    principal: Principal,
    action: str,
    *,
    now: datetime,
    facts: dict[str, object] | None = None,
) -> None:
    await record_audit(
        session, principal, action=action, target_kind="member", target_id=principal.id, now=now, facts=facts
    )
