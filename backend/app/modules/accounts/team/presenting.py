"""What the team's pages show: roles in words, members and invitations as rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from app.kernel.i18n import gettext as _
from app.kernel.i18n import msg
from app.modules.accounts.models import MemberInvitation
from app.modules.accounts.team.queries import TeamMember

ROLE_NAMES: Mapping[str, str] = {
    "owner": msg("Owner"),
    "manager": msg("Manager"),
    "cashier": msg("Cashier"),
    "analyst": msg("Analyst"),
}
ROLE_TEXTS: Mapping[str, str] = {
    "owner": msg("May do everything."),
    "manager": msg("Runs the programme, the staff and the customers; not the team, keys and settings."),
    "cashier": msg("Sees the home page and the stores."),
    "analyst": msg("Sees the figures and changes nothing."),
}


@dataclass(frozen=True, slots=True)
class MemberLine:
    """A member on the team's page."""

    id: UUID
    title: str
    email: str
    initials: str
    role: str
    where: str
    is_owner: bool
    is_you: bool
    is_disabled: bool
    last_seen_at: datetime | None


@dataclass(frozen=True, slots=True)
class InvitationLine:
    """An invitation on the team's page."""

    id: UUID
    email: str
    role: str
    where: str
    expires_at: datetime
    is_over: bool


def member_rows(
    members: Sequence[TeamMember], *, viewer_id: UUID | None, store_names: Mapping[UUID, str]
) -> list[MemberLine]:
    """Return the members in words."""
    return [
        MemberLine(
            row.id,
            row.name or row.email,
            row.email,
            (row.name or row.email)[:1].upper(),
            _(ROLE_NAMES[row.role]),
            where_of(row.store_ids, store_names),
            row.role == "owner",
            row.id == viewer_id,
            row.disabled_at is not None,
            row.last_seen_at,
        )
        for row in members
    ]


def invitation_rows(
    rows: Sequence[MemberInvitation], *, store_names: Mapping[UUID, str], now: datetime
) -> list[InvitationLine]:
    """Return the invitations in words."""
    return [
        InvitationLine(
            row.id,
            row.email,
            _(ROLE_NAMES[row.role]),
            where_of(row.store_ids, store_names),
            row.expires_at,
            now >= row.expires_at,
        )
        for row in rows
    ]


def where_of(store_ids: Sequence[UUID], names: Mapping[UUID, str]) -> str:
    """Return the stores somebody is limited to, in words."""
    if not store_ids:
        return _("All stores")
    return ", ".join(sorted(names.get(store_id, _("a closed store")) for store_id in store_ids))
