"""The demo's figures: counted with the shop, so that they are there when its first page opens."""

from __future__ import annotations

from app.kernel.points import DemoShop
from app.modules.analytics.counting.service import begin_counting, continue_counting, leave_pending


async def count_demo_shop(shop: DemoShop) -> None:
    """Count the year that has just been written, in the same transaction."""
    await begin_counting(shop.session, shop.merchant_id, now=shop.now)
    while await continue_counting(shop.session, shop.merchant_id, now=shop.now):
        pass
    # What other modules still add to the shop is counted by the worker's first round.
    await leave_pending(shop.session, [(shop.merchant_id, pass_id) for pass_id in shop.card_ids])
