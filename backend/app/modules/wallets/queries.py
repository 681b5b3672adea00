"""Reads for the card's view. Rewards come later in INSTALLED: their table is read as a plain one."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import Boolean, Integer, String, Uuid, column, select, table
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession

from app.modules.cards.models import PassObject
from app.modules.customers.models import Customer
from app.modules.wallets.rules import CardBalances, RewardRow

_REWARD = table(
    "reward",
    column("merchant_id", Uuid),
    column("id", Uuid),
    column("program_id", Uuid),
    column("kind", String),
    column("threshold", Integer),
    column("title", String),
    column("text", String),
    column("active", Boolean),
    column("texts", JSONB),
)


async def find_card_with_holder(
    session: AsyncSession, merchant_id: UUID, pass_id: UUID
) -> tuple[PassObject, str | None] | None:
    """Return the card as it is now and its holder's name, or None for an unknown one."""
    row = (
        await session.execute(
            select(PassObject, Customer.name)
            .join(
                Customer,
                (Customer.merchant_id == PassObject.merchant_id) & (Customer.id == PassObject.customer_id),
            )
            .where(PassObject.merchant_id == merchant_id, PassObject.id == pass_id)
            .execution_options(populate_existing=True)
        )
    ).one_or_none()
    return (row[0], row[1]) if row else None


async def find_balances(session: AsyncSession, merchant_id: UUID, pass_id: UUID) -> PassObject | None:
    """Return the card's row; one that this session has read already costs no statement."""
    return await session.get(PassObject, (merchant_id, pass_id))


def balances_of(card: PassObject) -> CardBalances:
    """Return what the rules need of a card."""
    return CardBalances(
        stamp_count=card.stamp_count,
        points_balance=card.points_balance,
        banked=_numbers(card.rewards_banked),
        kept=_numbers(card.rewards_kept),
    )


def _numbers(stored: dict[str, Any]) -> dict[str, int]:
    return {key: int(value) for key, value in stored.items()}


async def list_reward_rows(session: AsyncSession, merchant_id: UUID, program_id: UUID) -> list[RewardRow]:
    """Return every reward of a programme, inactive ones too: a banked one may wait on a card."""
    rows = await session.execute(
        select(
            _REWARD.c.id,
            _REWARD.c.kind,
            _REWARD.c.threshold,
            _REWARD.c.title,
            _REWARD.c.text,
            _REWARD.c.active,
            _REWARD.c.texts,
        ).where(_REWARD.c.merchant_id == merchant_id, _REWARD.c.program_id == program_id)
    )
    return [RewardRow(*row) for row in rows]
