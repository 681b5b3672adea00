"""The points accounts owns: a second factor at sign-in, what others add to the own account, members who go."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.kernel.hooks import Collect, Keyed, Tell
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


@dataclass(frozen=True)
class TakenBack:
    """A member said "that was not me": what the stranger may have added since then signs in no more."""

    session: AsyncSession
    merchant_id: UUID
    member_id: UUID
    since: datetime
    now: datetime
    modules_on: frozenset[str] = frozenset()


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
