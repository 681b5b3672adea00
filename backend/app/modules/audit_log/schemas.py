"""The audit trail as JSON."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, Field

from app.kernel.audit import AuditEntry
from app.modules.audit_log.presenting import People
from app.modules.audit_log.queries import AuditPage


class Actor(BaseModel):
    """Who did it. name: as the team and the keys are called today."""

    kind: str = Field(description="member, api_key, device, system or operator.")
    id: UUID | None
    name: str


class Target(BaseModel):
    """What it was done to."""

    kind: str
    id: UUID | None


class Entry(BaseModel):
    """One change. facts: ids, numbers and names of fields; never personal values."""

    id: UUID
    at: datetime
    actor: Actor
    action: str = Field(description="Stable, such as store.created.")
    target: Target
    facts: dict[str, Any]

    @classmethod
    def of(cls, row: AuditEntry, people: People) -> Entry:
        """Return the JSON of an entry."""
        return cls(
            id=row.id,
            at=row.at,
            actor=Actor(kind=row.actor_kind, id=row.actor_id, name=people.name_of(row)),
            action=row.action,
            target=Target(kind=row.target_kind, id=row.target_id),
            facts=row.facts,
        )


class EntryList(BaseModel):
    """A page of entries, newest first."""

    entries: list[Entry]
    next_before: str | None = Field(description="Give it as `before` for the page after this one.")

    @classmethod
    def of(cls, page: AuditPage, people: People) -> EntryList:
        """Return the JSON of a page."""
        entries = [Entry.of(row, people) for row in page.entries]
        return cls(entries=entries, next_before=str(page.next_before) if page.next_before else None)
