"""What other modules' changes mean for cards' outputs."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.kernel.jobs import enqueue
from app.modules.cards.public import CardChanged, CardMerged
from app.modules.merchants.public import FeatureSwitched
from app.modules.stores.public import ProgramChange, list_stores
from app.modules.wallets.jobs import mark_program
from app.modules.wallets.marks import mark_changed


async def mark_program_changed(session: AsyncSession, merchant_id: UUID, program_id: UUID) -> None:
    """Note that every card of a programme is out of date (rules, look or rewards); done by a job."""
    await enqueue(session, mark_program, merchant_id=merchant_id, key=str(program_id), program_id=program_id)


async def on_program_changed(change: ProgramChange) -> None:
    """Redraw the cards of a programme that existed before."""
    if change.before is not None and change.before != change.after:
        await mark_program_changed(change.session, change.after.merchant_id, change.after.id)


async def on_card_changed(change: CardChanged) -> None:
    """Redraw a card that changed outside a visit."""
    await mark_changed(change.session, change.merchant_id, change.pass_id)


async def on_card_merged(merged: CardMerged) -> None:
    """Redraw both cards of a merge, in the order of their ids as everybody takes marks."""
    for pass_id in sorted((merged.source.pass_id, merged.target.pass_id)):
        await mark_changed(merged.session, merged.merchant_id, pass_id)


async def on_feature_switched(switched: FeatureSwitched) -> None:
    """Redraw all cards of the merchant: what a feature says on a card comes and goes with its switch."""
    stores = await list_stores(switched.session, switched.merchant_id)
    for program_id in sorted({store.program.id for store in stores}):
        await mark_program_changed(switched.session, switched.merchant_id, program_id)
