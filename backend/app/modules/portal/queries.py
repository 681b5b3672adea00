"""A card's history for its holder: visits, redemptions and what moved without either."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.kernel.i18n import current
from app.kernel.i18n import gettext as _
from app.modules.points.public import PointsEvent
from app.modules.rewards.public import GIFT_REASON, Redemption, Reward, title_in
from app.modules.stamps.public import StampEvent
from app.modules.stores.models import Store
from app.modules.visits.public import ShownLine, Visit, explain_visit

HISTORY_LENGTH = 20
# Entries that belong to no visit and no redemption.
OTHER_KINDS = ("expire", "adjust", "transfer", "gift")


@dataclass(frozen=True, slots=True)
class HistoryItem:
    """One line of it. what: visit, redemption, expire, adjust, transfer or gift.

    title: of the reward, or what a gift is for. why: the rules' parts in what a visit gave, where there were several.
    """

    what: str
    at: datetime
    store_name: str
    stamps: int = 0
    points: int = 0
    amount_minor: int | None = None
    currency: str = ""
    title: str = ""
    voided: bool = False
    id: UUID | None = None
    why: Sequence[ShownLine] = ()


@dataclass(frozen=True, slots=True)
class RedemptionView:
    """A redemption for the full-screen view."""

    id: UUID
    pass_id: UUID
    title: str
    store_id: UUID
    store_name: str
    time_zone: str
    staff_id: UUID | None
    redeemed_at: datetime
    voided: bool


async def list_history(
    session: AsyncSession, merchant_id: UUID, pass_id: UUID, *, limit: int = HISTORY_LENGTH
) -> list[HistoryItem]:
    """Return the newest lines of a card's history."""
    items = [
        *await _visits(session, merchant_id, pass_id, limit=limit),
        *await _redemptions(session, merchant_id, pass_id, limit=limit),
        *await _others(session, merchant_id, pass_id, limit=limit),
    ]
    return sorted(items, key=lambda item: item.at, reverse=True)[:limit]


async def _visits(
    session: AsyncSession, merchant_id: UUID, pass_id: UUID, *, limit: int
) -> list[HistoryItem]:
    statement = (
        select(
            Visit.id,
            Visit.at,
            Visit.stamps,
            Visit.points,
            Visit.amount_minor,
            Visit.currency,
            Visit.voided_at,
            Visit.explanation,
            Store.name,
        )
        .join(Store, (Store.merchant_id == Visit.merchant_id) & (Store.id == Visit.store_id))
        .where(Visit.merchant_id == merchant_id, Visit.pass_id == pass_id)
        .order_by(Visit.id.desc())
        .limit(limit)
    )
    return [
        HistoryItem(
            "visit",
            row.at,
            row.name,
            stamps=row.stamps,
            points=row.points,
            amount_minor=row.amount_minor,
            currency=row.currency,
            voided=row.voided_at is not None,
            id=row.id,
            why=explain_visit(row.explanation, points=row.points, currency=row.currency),
        )
        for row in await session.execute(statement)
    ]


async def _redemptions(
    session: AsyncSession, merchant_id: UUID, pass_id: UUID, *, limit: int
) -> list[HistoryItem]:
    statement = (
        select(
            Redemption.id,
            Redemption.redeemed_at,
            Redemption.voided_at,
            Redemption.kind,
            Redemption.cost,
            Reward,
            Store.name,
        )
        .join(Reward, (Reward.merchant_id == Redemption.merchant_id) & (Reward.id == Redemption.reward_id))
        .join(Store, (Store.merchant_id == Redemption.merchant_id) & (Store.id == Redemption.store_id))
        .where(Redemption.merchant_id == merchant_id, Redemption.pass_id == pass_id)
        .order_by(Redemption.id.desc())
        .limit(limit)
    )
    return [
        HistoryItem(
            "redemption",
            row.redeemed_at,
            row.name,
            stamps=-row.cost if row.kind == "stamps" else 0,
            points=-row.cost if row.kind == "points" else 0,
            title=title_in(row.Reward, current().language),
            voided=row.voided_at is not None,
            id=row.id,
        )
        for row in await session.execute(statement)
    ]


async def _others(
    session: AsyncSession, merchant_id: UUID, pass_id: UUID, *, limit: int
) -> list[HistoryItem]:
    items: list[HistoryItem] = []
    for model, amount in ((StampEvent, StampEvent.stamps_added), (PointsEvent, PointsEvent.points_added)):
        statement = (
            select(model.id, model.kind, model.timestamp, model.rule, amount.label("moved"), Store.name)
            .join(Store, (Store.merchant_id == model.merchant_id) & (Store.id == model.store_id))
            .where(model.merchant_id == merchant_id, model.pass_id == pass_id, model.kind.in_(OTHER_KINDS))
            .order_by(model.id.desc())
            .limit(limit)
        )
        for row in await session.execute(statement):
            stamps, points = (row.moved, 0) if model is StampEvent else (0, row.moved)
            words = GIFT_REASON.find(str(row.rule.get("reason", ""))) if row.kind == "gift" else None
            title = _(words) if words else ""
            items.append(
                HistoryItem(row.kind, row.timestamp, row.name, stamps=stamps, points=points, title=title)
            )
    return items


async def find_redemption(
    session: AsyncSession, merchant_id: UUID, redemption_id: UUID
) -> RedemptionView | None:
    """Return a redemption with its reward and store, or None."""
    statement = (
        select(Redemption, Reward, Store.name, Store.time_zone)
        .join(Reward, (Reward.merchant_id == Redemption.merchant_id) & (Reward.id == Redemption.reward_id))
        .join(Store, (Store.merchant_id == Redemption.merchant_id) & (Store.id == Redemption.store_id))
        .where(Redemption.merchant_id == merchant_id, Redemption.id == redemption_id)
    )
    row = (await session.execute(statement)).one_or_none()
    if row is None:
        return None
    redemption = row[0]
    return RedemptionView(
        id=redemption.id,
        pass_id=redemption.pass_id,
        title=title_in(row.Reward, current().language),
        store_id=redemption.store_id,
        store_name=row.name,
        time_zone=row.time_zone,
        staff_id=redemption.staff_id,
        redeemed_at=redemption.redeemed_at,
        voided=redemption.voided_at is not None,
    )
