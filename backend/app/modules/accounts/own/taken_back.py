"""Taking back what a stranger made with somebody's account: keys, invitations, members, the business itself.

The audit trail says who made what: it only grows, and nobody who signs in can change it.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.kernel.audit import AuditEntry, record_audit
from app.kernel.i18n import gettext as _
from app.modules.accounts.hooks import ACCOUNT_TAKEN_BACK, TakenBack, Undone
from app.modules.accounts.members import MemberView, get_owner, swap_owner
from app.modules.accounts.models import ApiKey, Member, MemberInvitation
from app.modules.accounts.signing_in.mails import MailText, send_security_mail
from app.modules.accounts.signing_in.sessions import principal_of
from app.modules.accounts.team.service import end_sign_ins
from app.utils.validators import without_links

ACCOUNT_PATH = "/dashboard/account"
# So many are named in the mail; the list of changes has them all.
NAMED_MAX = 30


async def give_business_back(
    session: AsyncSession, merchant_id: UUID, *, member_id: UUID, since: datetime, now: datetime
) -> list[Undone]:
    """Make the one owner again who handed the business over since then; whoever has it now is closed out.

    The first hand-over counts: a stranger may have passed the business on. Nothing where there was none.
    """
    first = await session.scalar(
        select(AuditEntry.actor_id)
        .where(
            AuditEntry.merchant_id == merchant_id,
            AuditEntry.action == "owner.changed",
            AuditEntry.at >= since,
        )
        .order_by(AuditEntry.at, AuditEntry.id)
        .limit(1)
    )
    owner = await get_owner(session, merchant_id)
    if first != member_id or owner.id == member_id:
        return []
    statement = select(Member).where(Member.merchant_id == merchant_id, Member.id == member_id)
    former = (await session.execute(statement.with_for_update())).scalar_one_or_none()
    if former is None or not await swap_owner(session, owner, former):
        return []
    session.expunge(former)
    back = await get_owner(session, merchant_id)
    await record_audit(
        session,
        principal_of(back),
        action="owner.given_back",
        target_kind="member",
        target_id=member_id,
        now=now,
    )
    return [
        Undone("owner.given_back", back.name or back.email, member_id),
        *await _close_out(session, back, [owner.id], now=now),
    ]


async def take_back(
    session: AsyncSession, member: MemberView, *, since: datetime, now: datetime
) -> list[Undone]:
    """Undo what was made with this account since then, and with the accounts that were made by it."""
    undone: list[Undone] = []
    queue, seen = [member.id], {member.id}
    while queue:
        actor_id = queue.pop()
        back = TakenBack(session, member.merchant_id, actor_id, since, now, by=member.id)
        await _end_keys(back)
        await _withdraw_invitations(back)
        made = await _made_members(back)
        closed = await _close_out(session, member, made, now=now)
        await ACCOUNT_TAKEN_BACK.tell(back)
        undone += [*back.undone, *closed]
        queue += [row.target_id for row in closed if row.target_id not in seen]
        seen.update(row.target_id for row in closed)
    return undone


async def _end_keys(back: TakenBack) -> None:
    made = await back.targets("api_key.created")
    ended = await back.session.execute(
        update(ApiKey)
        .where(ApiKey.merchant_id == back.merchant_id, ApiKey.id.in_(made), ApiKey.revoked_at.is_(None))
        .values(revoked_at=back.now)
        .returning(ApiKey.id, ApiKey.name)
        .execution_options(synchronize_session=False)
    )
    for key_id, name in ended.all():
        await back.note("api_key.taken_back", key_id, kind="api_key", name=name)


async def _withdraw_invitations(back: TakenBack) -> None:
    made = await back.targets("member.invited", "member.invited_again")
    gone = await back.session.execute(
        delete(MemberInvitation)
        .where(MemberInvitation.merchant_id == back.merchant_id, MemberInvitation.id.in_(made))
        .returning(MemberInvitation.id, MemberInvitation.email)
        .execution_options(synchronize_session=False)
    )
    for invitation_id, email in gone.all():
        await back.note("member.invitation_taken_back", invitation_id, kind="invitation", name=email)


async def _made_members(back: TakenBack) -> list[UUID]:
    """Return who joined by this account's invitations, was let in again, or was given other rights by it."""
    touched = await back.targets("member.enabled", "member.changed")
    invited = (Member.invited_by == back.member_id) & (Member.invited_at >= back.since)
    rows = await back.session.execute(
        select(Member.id).where(
            Member.merchant_id == back.merchant_id,
            Member.id != back.by,
            or_(invited, Member.id.in_(touched)),
        )
    )
    return list(rows.scalars())


async def _close_out(
    session: AsyncSession, by: MemberView, member_ids: list[UUID], *, now: datetime
) -> list[Undone]:
    """Close these members' sign-ins until somebody who may opens them again; those closed already stay so."""
    closed = await session.execute(
        update(Member)
        .where(Member.merchant_id == by.merchant_id, Member.id.in_(member_ids), Member.disabled_at.is_(None))
        .values(disabled_at=now)
        .returning(Member.id, Member.name, Member.email)
        .execution_options(synchronize_session=False)
    )
    undone = []
    for member_id, name, email in closed.all():
        await end_sign_ins(session, by.merchant_id, member_id, now=now)
        await record_audit(
            session,
            principal_of(by),
            action="member.taken_back",
            target_kind="member",
            target_id=member_id,
            now=now,
        )
        undone.append(Undone("member.taken_back", f"{name} <{email}>" if name else email, member_id))
    return undone


async def tell_taken_back(
    session: AsyncSession, member: MemberView, undone: list[Undone], *, now: datetime
) -> None:
    """Mail the list of what was taken back, to the member and to the owner; nothing where there was nothing."""
    if not undone:
        return
    owner = await get_owner(session, member.merchant_id)

    def write() -> MailText:
        lines = [f"– {_(row.words)}: {without_links(row.name)}" for row in undone[:NAMED_MAX]]
        more = len(undone) - NAMED_MAX
        if more > 0:
            lines.append(_("– and %(count)s more", count=more))
        return MailText(
            _("Taken back after the report of a foreign sign-in"),
            _(
                'Somebody clicked "That was not me" for %(who)s at %(name)s. This was made with that account '
                "meanwhile, and does not work any more:",
                who=without_links(member.name or member.email),
                name=without_links(member.merchant_name),
            )
            + "\n\n"
            + "\n".join(lines),
            _("Was one of these your own? Make it again, or open the member's sign-in again in the team."),
            ACCOUNT_PATH,
            _("See my account"),
        )

    for recipient in sorted({member.email, owner.email}):
        await send_security_mail(
            session, member, kind="taken_back", write=write, now=now, recipient=recipient
        )


async def list_taken_back(
    session: AsyncSession, merchant_id: UUID, *, member_id: UUID, since: datetime
) -> list[tuple[AuditEntry, str]]:
    """Return what was taken back for this member since then, newest first, with the names of members."""
    rows = await session.execute(
        select(AuditEntry, Member.name, Member.email)
        .outerjoin(
            Member, (Member.merchant_id == AuditEntry.merchant_id) & (Member.id == AuditEntry.target_id)
        )
        .where(
            AuditEntry.merchant_id == merchant_id,
            AuditEntry.actor_id == member_id,
            AuditEntry.at >= since,
            AuditEntry.action.in_(Undone.WORDS),
        )
        .order_by(AuditEntry.at.desc(), AuditEntry.id.desc())
        .limit(NAMED_MAX)
    )
    return [(entry, name or email or "") for entry, name, email in rows.all()]
