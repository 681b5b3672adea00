"""The demo's figures: counted with the shop, so that they are there when its first page opens."""

from __future__ import annotations

from app.kernel.points import DemoShop
from app.modules.analytics.counting.service import begin_counting, continue_counting


async def count_demo_shop(shop: DemoShop) -> None:
    """Count the year that has just been written, in the same transaction."""
    await begin_counting(shop.session, shop.merchant_id, now=shop.now)
    while await continue_counting(shop.session, shop.merchant_id, now=shop.now):
        pass
