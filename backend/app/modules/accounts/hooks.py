"""The points accounts owns: a second factor at sign-in, what others add to the own account, members who go."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar, Protocol
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.kernel.audit import AuditEntry, record_audit
from app.kernel.hooks import Collect, Keyed, Tell
from app.kernel.i18n import msg
from app.kernel.permissions import Principal
from app.kernel.points import PageContext, Panel


@dataclass(frozen=True, slots=True)
class MemberRef:
    """A member whose first factor was right (or who is signed in); the transaction is bound to the tenant."""

    merchant_id: UUID
    member_id: UUID
    email: str
    locale: str


class SignInFactor(Protocol):
    """A second factor that members may set up.

    page_url: where a browser goes on after the right password; its page finds who it is with
    accounts.public.find_half_sign_in, tries a code with try_half_sign_in and ends with finish_sign_in.
    """

    page_url: str

    async def is_required(self, session: AsyncSession, member: MemberRef) -> bool:
        """Tell whether this member has set the factor up."""
        ...

    async def is_right(self, session: AsyncSession, member: MemberRef, *, code: str, now: datetime) -> bool:
        """Tell whether the code is right, and use it up; the attempt was reserved before, and is counted."""
        ...


# The first offer that the member has set up is asked; today there is one module with all of them.
SIGN_IN_FACTOR: Keyed[SignInFactor] = Keyed(
    "SIGN_IN_FACTOR", about="What is asked for after the right password."
)


# The template gets `next`, where the sign-in page's own form goes on.
SIGN_IN_BLOCK: Keyed[str] = Keyed(
    "SIGN_IN_BLOCK", about="Templates below the password on the sign-in page: other ways to sign in."
)


@dataclass(frozen=True)
class MemberGone:
    """A member was removed from the team; their rows elsewhere go with them."""

    session: AsyncSession
    merchant_id: UUID
    member_id: UUID
    now: datetime
    modules_on: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Undone:
    """Something that was taken back. action: of its audit entry, one of WORDS. name: what people call it."""

    action: str
    name: str
    target_id: UUID
    WORDS: ClassVar[Mapping[str, str]] = {
        "api_key.taken_back": msg("API key ended"),
        "member.invitation_taken_back": msg("Invitation withdrawn"),
        "member.taken_back": msg("Member closed out"),
        "owner.given_back": msg("Business given back"),
        "device.taken_back": msg("Device shut out"),
        "staff.pins_taken_back": msg("PINs ended"),
    }

    @property
    def words(self) -> str:
        """Return what happened, as a text still to be translated."""
        return self.WORDS[self.action]


@dataclass(frozen=True)
class TakenBack:
    """A member said "that was not me": what was made with an account since then is undone by whoever owns it.

    member_id: the account; the member's own, or one that was made by it. by: the member who said so.
    """

    session: AsyncSession
    merchant_id: UUID
    member_id: UUID
    since: datetime
    now: datetime
    by: UUID
    modules_on: frozenset[str] = frozenset()
    undone: list[Undone] = field(default_factory=list)

    async def targets(self, *actions: str) -> list[UUID]:
        """Return what this account did these actions to, as the audit trail says."""
        rows = await self.session.execute(
            select(AuditEntry.target_id)
            .where(
                AuditEntry.merchant_id == self.merchant_id,
                AuditEntry.actor_id == self.member_id,
                AuditEntry.at >= self.since,
                AuditEntry.action.in_(actions),
                AuditEntry.target_id.is_not(None),
            )
            .distinct()
        )
        return [target for target in rows.scalars() if target is not None]

    async def note(self, action: str, target_id: UUID, *, kind: str, name: str) -> None:
        """Put something that was taken back on the member's list and into the audit trail."""
        self.undone.append(Undone(action, name, target_id))
        by = Principal("member", self.merchant_id, self.by)
        await record_audit(
            self.session, by, action=action, target_kind=kind, target_id=target_id, now=self.now
        )


ACCOUNT_TAKEN_BACK: Tell[TakenBack] = Tell(
    "ACCOUNT_TAKEN_BACK", about="An alarm's link gave an account back to its mailbox."
)
MEMBER_GONE: Tell[MemberGone] = Tell("MEMBER_GONE", about="A member was removed from the team.")
ACCOUNT_PANEL: Collect[PageContext, Panel] = Collect(
    "ACCOUNT_PANEL", about="Blocks on the own account's page, for the signed-in member."
)
MEMBER_PANEL: Collect[PageContext, Panel] = Collect(
    "MEMBER_PANEL", about="Blocks on a member's page in the team, for the owner; subject_id is the member."
)
