"""What is kept of birthday gifts, for whom, and whom the round looks at."""

from __future__ import annotations

from sqlalchemy import select, text

from app.db.session import system_scope, tenant_scope
from app.kernel.points import PERSONAL_DATA
from app.modules.birthdays.jobs import go_round
from app.modules.birthdays.tests.conftest import Shop
from app.modules.customers.public import erase_person
from app.modules.merchants.factories import make_merchant
from app.modules.rewards.models import Gift


async def test_a_persons_download_and_deletion(shop: Shop) -> None:
    """The download names day and gift; deleting the person forgets the day, and that something was given stays."""
    card = await shop.card()
    await shop.work()
    handler = PERSONAL_DATA.get("birthdays")
    async with tenant_scope(shop.database, shop.merchant.id) as session:
        told = await handler.export(session, shop.merchant.id, card.customer_id)
        (gift,) = told["birthday_gifts"]
        assert (gift["for"], gift["kind"], gift["good_until"]) == ("2026-05-20", "reward", "2026-06-03")
        await erase_person(session, shop.merchant.id, card.customer_id)
    (kept,) = await shop.gifts()
    assert (kept.celebrated_on, kept.good_until, kept.year) == (None, None, 2026)
    async with tenant_scope(shop.database, shop.merchant.id) as session:
        assert await session.scalar(select(Gift.reason)) == "birthdays.gift"


async def test_the_round_looks_at_shops_that_have_it_on(shop: Shop) -> None:
    """The hourly round asks for a look at this shop, and at none that has it off."""
    off = await make_merchant(shop.database)
    await go_round.run(shop.context())
    async with system_scope(shop.database) as session:
        keys = await session.scalars(
            text("SELECT dedupe_key FROM pgqueuer WHERE dedupe_key LIKE 'birthdays.look:%'")
        )
        found = list(keys)
    assert [key for key in found if str(shop.merchant.id) in key]
    assert not [key for key in found if str(off.id) in key]
