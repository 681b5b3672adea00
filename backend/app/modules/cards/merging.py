"""The only way two cards become one: once their mailbox, or the merchant, says that both are one person's."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from uuid import UUID

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from app.kernel.errors import NotFound
from app.modules.cards.balances import lock_cards, raise_revision
from app.modules.cards.hooks import CARD_CHANGED, CARD_MERGED, CardChanged, CardMerged, MergedBalance
from app.modules.cards.models import PassObject
from app.modules.cards.queries import CardRef, find_card_in_program, list_cards_of_customer
from app.modules.cards.rules import MergeSide, merge_sides
from app.modules.customers.public import join_customers
from app.modules.merchants.public import get_merchant


async def merge_cards(
    session: AsyncSession, merchant_id: UUID, *, source_id: UUID, target_id: UUID, now: datetime
) -> None:
    """Move everything of the source to the target by transfer entries; the source is merged afterwards.

    Both are of one programme. A blocked source leaves the target blocked: joining must not unblock.
    Merging the same pair again changes nothing. Raises NotFound for a card that is gone.
    """
    assert source_id != target_id
    # Locked in id order: two devices that confirm the same pair at once must not deadlock.
    rows = {card.id: card for card in await lock_cards(session, merchant_id, (source_id, target_id))}
    if len(rows) < 2:
        raise NotFound("card")
    source, target = rows[source_id], rows[target_id]
    if source.status == "merged" and source.merged_into == target_id:
        return
    if {source.status, target.status} - {"active", "blocked"}:
        raise NotFound("card")
    assert source.program_id == target.program_id, "cards of different programmes have nothing to move"
    before = MergedBalance(source.id, source.store_id, source.stamp_count, source.points_balance)
    gains = MergedBalance(target.id, target.store_id, target.stamp_count, target.points_balance)
    _move(source, target, now=now)
    await session.flush()  # subscribers read and write the rows by statements of their own
    modules_on = (await get_merchant(session, merchant_id)).modules_on
    await CARD_MERGED.tell(
        CardMerged(session, merchant_id, target.program_id, before, gains, now=now, modules_on=modules_on)
    )
    for pass_id in (source_id, target_id):
        await CARD_CHANGED.tell(CardChanged(session, merchant_id, pass_id, now=now, modules_on=modules_on))


def _side(card: PassObject) -> MergeSide:
    return MergeSide(**{name: getattr(card, name) for name in MergeSide.__dataclass_fields__})


def _move(source: PassObject, target: PassObject, *, now: datetime) -> None:
    joined = asdict(merge_sides(_side(source), _side(target)))
    for name, value in joined.items():
        setattr(target, name, value)
    target.reward_unlocked = source.reward_unlocked or target.reward_unlocked
    if source.status == "blocked":
        target.status = "blocked"
    source.stamp_count = source.points_balance = 0
    source.rewards_banked, source.rewards_kept = {}, {}
    source.reward_unlocked = False
    source.status, source.merged_into = "merged", target.id
    # Links and cookies of the duplicate end here; they never open the card of whoever owns the mailbox.
    source.token_version += 1
    for card in (source, target):
        raise_revision(card, now=now)


async def merge_people(
    session: AsyncSession, merchant_id: UUID, *, source_id: UUID, target_id: UUID, now: datetime
) -> None:
    """Let everything of a duplicate customer belong to the one who stays; the duplicate's row is blanked.

    Cards of the same programme become one, others change hands.
    """
    for card in await list_cards_of_customer(session, merchant_id, source_id):
        existing = await find_card_in_program(session, merchant_id, target_id, card.program_id)
        if existing is not None:
            await merge_cards(session, merchant_id, source_id=card.id, target_id=existing.id, now=now)
        await _hand_over(session, card, target_id)
    await join_customers(session, merchant_id, source_id=source_id, target_id=target_id, now=now)


async def _hand_over(session: AsyncSession, card: CardRef, owner_id: UUID) -> None:
    """Let the card belong to the customer who stays; a merged one too, so that erasing finds it.

    Links and cookies made before the mailbox answered end here: whoever typed the address need not own it, and
    would else read the other person's name, cards and history on this card's page.
    """
    await session.execute(
        update(PassObject)
        .where(PassObject.merchant_id == card.merchant_id, PassObject.id == card.id)
        .values(customer_id=owner_id, token_version=PassObject.token_version + 1)
        .execution_options(synchronize_session=False)
    )
