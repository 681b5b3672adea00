"""Small changes of a customer and their cards, each with its audit entry."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.kernel.audit import record_audit
from app.kernel.errors import NotFound
from app.kernel.permissions import Principal
from app.modules.cards.public import get_card_row
from app.modules.crm.profile.service import get_living_person
from app.modules.customers.public import add_note, delete_note


async def switch_card(
    session: AsyncSession,
    principal: Principal,
    pass_id: UUID,
    *,
    act: Callable[..., Awaitable[object]],
    action: str,
    now: datetime,
) -> tuple[UUID, bool]:
    """Block a card, unblock it or end its links; returns whose it is and whether anything changed.

    Raises NotFound.
    """
    card = await get_card_row(session, principal.merchant_id, pass_id)
    if card.status not in {"active", "blocked"}:
        raise NotFound("card")
    customer = await get_living_person(session, principal, card.customer_id, now=now)
    changed = bool(await act(session, principal.merchant_id, pass_id, now=now))
    if changed:
        await record_audit(session, principal, action=action, target_kind="card", target_id=pass_id, now=now)
    return customer.id, changed


async def write_note(
    session: AsyncSession, principal: Principal, customer_id: UUID, *, text: str, now: datetime
) -> None:
    """Keep a note about a customer. Raises NotFound."""
    await get_living_person(session, principal, customer_id, now=now)
    await add_note(session, principal.merchant_id, customer_id, text=text, author_id=principal.id, now=now)
    await _record(session, principal, "customer.note_added", customer_id, now=now)


async def remove_note(
    session: AsyncSession, principal: Principal, customer_id: UUID, *, note_id: UUID, now: datetime
) -> None:
    """Remove a note. Raises NotFound."""
    await get_living_person(session, principal, customer_id, now=now)
    await delete_note(session, principal.merchant_id, customer_id, note_id=note_id)
    await _record(session, principal, "customer.note_deleted", customer_id, now=now)


async def _record(
    session: AsyncSession, principal: Principal, action: str, target_id: UUID, *, now: datetime
) -> None:
    await record_audit(
        session, principal, action=action, target_kind="customer", target_id=target_id, now=now
    )
