"""Audit entries in words: who, what, when, and the facts beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.kernel.audit import AUDIT_ACTION, AuditEntry
from app.kernel.i18n import gettext as _
from app.kernel.i18n import msg
from app.modules.accounts.public import list_api_keys, list_team
from app.modules.audit_log.facts import facts_in_words
from app.modules.merchants.public import get_merchant

KIND_NAMES: Mapping[str, str] = {
    "member": msg("Team member"),
    "api_key": msg("API key"),
    "device": msg("Staff device"),
    "system": msg("Stempel itself"),
    "operator": msg("The operator"),
}


@dataclass(frozen=True, slots=True)
class People:
    """The names behind ids of members and API keys, for entries hold ids only; and the currency of amounts."""

    names: Mapping[UUID, str]
    viewer_id: UUID | None
    currency: str = ""

    def name_of(self, entry: AuditEntry) -> str:
        """Return who did it: a name where there is one today, else the kind."""
        if entry.actor_id is not None and entry.actor_id == self.viewer_id:
            return _("You")
        name = self.names.get(entry.actor_id) if entry.actor_id else None
        if name:
            return _("API key %(name)s", name=name) if entry.actor_kind == "api_key" else name
        if entry.actor_kind == "member":
            return _("Somebody who left the team")
        return kind_name(entry.actor_kind)


@dataclass(frozen=True, slots=True)
class AuditRow:
    """An entry as the page shows it. kind: who acted, as entries name it."""

    at: datetime
    who: str
    kind: str
    what: str
    details: str


async def people_of(session: AsyncSession, merchant_id: UUID, *, viewer_id: UUID | None) -> People:
    """Return the names of today's team and keys."""
    team = await list_team(session, merchant_id)
    keys = await list_api_keys(session, merchant_id)
    names = {row.id: row.name or row.email for row in team.members} | {key.id: key.name for key in keys}
    return People(names, viewer_id, (await get_merchant(session, merchant_id)).currency)


def kind_name(kind: str) -> str:
    """Return a kind of actor in words."""
    return _(KIND_NAMES[kind]) if kind in KIND_NAMES else kind


def action_name(action: str) -> str:
    """Return what was done, in the words its module offers; an action without words is shown as it is stored."""
    words = AUDIT_ACTION.find(action)
    return _(words) if words else action


def row_of(entry: AuditEntry, people: People) -> AuditRow:
    """Return an entry in words."""
    return AuditRow(
        entry.at,
        people.name_of(entry),
        entry.actor_kind,
        action_name(entry.action),
        facts_in_words(entry.facts, currency=people.currency),
    )


def details_of(facts: Mapping[str, Any]) -> str:
    """Return the facts in one line; ids are left to the file."""
    parts = []
    for name, value in sorted(facts.items()):
        if name.endswith("_id"):
            continue
        shown = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
        parts.append(shown if name == "fields" else f"{name}: {shown}")
    return " · ".join(parts)
