"""Levels in the demo shops: a ladder by what people spent, or by visits where nothing is typed in."""

from __future__ import annotations

from decimal import Decimal

from sqlalchemy import func, select

from app.kernel.permissions import Principal
from app.kernel.points import DemoShop
from app.kernel.settings import save_settings
from app.modules.merchants.public import switch_feature
from app.modules.tiers.config import LevelDraft, add_level
from app.modules.tiers.service import FEATURE, weigh_cards
from app.modules.tiers.settings import TierSettings
from app.modules.visits.public import Visit

BATCH = 250


async def add_levels(shop: DemoShop) -> None:
    """Switch levels on, set a ladder that spreads the customers, and look at every card."""
    session, merchant_id = shop.session, shop.merchant_id
    spends = await session.scalar(
        select(func.count(Visit.amount_minor)).where(Visit.merchant_id == merchant_id)
    )
    steps = (0, 15_000, 60_000) if spends else (0, 12, 40)
    await save_settings(session, TierSettings(basis="spend" if spends else "visits"), merchant_id=merchant_id)
    owner = Principal("system", merchant_id, None)
    await switch_feature(session, owner, FEATURE, is_on=True, now=shop.now)
    perk = "A biscuit with every coffee"
    drafts = (
        LevelDraft("Bronze", steps[0]),
        LevelDraft("Silver", steps[1], Decimal("1.25"), perk, entry_points=20),
        LevelDraft("Gold", steps[2], Decimal("1.5"), f"{perk}\nFirst to know of new things", entry_points=50),
    )
    for draft in drafts:
        await add_level(session, owner, draft, now=shop.now)
    ids = sorted(shop.card_ids)
    for start in range(0, len(ids), BATCH):
        await weigh_cards(session, merchant_id, ids[start : start + BATCH], now=shop.now)
