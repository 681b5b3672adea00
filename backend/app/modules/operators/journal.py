"""What operators did: one entry for each change, and for each sign-in."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.kernel.i18n import msg
from app.modules.operators.models import OperatorEntry
from app.utils.id_generator import new_id

ENTRIES_PAGE_SIZE = 50

ACTION_WORDS: Mapping[str, str] = {
    "operator.created": msg("Operator made"),
    "operator.reset": msg("Password and app of an operator renewed"),
    "operator.removed": msg("Operator removed"),
    "session.opened": msg("Signed in"),
    "session.closed": msg("Signed out"),
    "jobs.retried": msg("Work queued again"),
    "jobs.dropped": msg("Work dropped"),
    "invitation.made": msg("Invitation made"),
    "plan.given": msg("Plan given to a shop"),
    "invitation.withdrawn": msg("Invitation withdrawn"),
}


def record_entry(
    session: AsyncSession,
    operator_name: str,
    *,
    action: str,
    now: datetime,
    facts: Mapping[str, object] | None = None,
) -> None:
    """Append one entry in the caller's transaction. facts: kinds, numbers and ids; never a person's data."""
    assert action in ACTION_WORDS, action
    session.add(
        OperatorEntry(
            id=new_id(), operator_name=operator_name, action=action, facts=dict(facts or {}), at=now
        )
    )


async def list_entries(session: AsyncSession, *, before: UUID | None = None) -> list[OperatorEntry]:
    """Return the newest entries, one more than a page holds; before: older than this one."""
    statement = select(OperatorEntry).order_by(OperatorEntry.id.desc()).limit(ENTRIES_PAGE_SIZE + 1)
    if before is not None:
        statement = statement.where(OperatorEntry.id < before)
    return list((await session.execute(statement)).scalars())
