"""Members who are limited to some stores see and undo the visits of these alone."""

from __future__ import annotations

import httpx2

from app.db.session import Database, tenant_scope
from app.kernel.clock import FixedClock
from app.modules.accounts.factories import make_member
from app.modules.cards.factories import make_card
from app.modules.dashboard.tests.test_pages import give, post_form
from app.modules.merchants.factories import make_merchant
from app.modules.staff.factories import make_staff
from app.modules.stores.factories import make_store
from app.modules.visits.public import Visit


async def test_a_limited_manager_reaches_the_own_stores_visits_only(
    client: httpx2.AsyncClient, database: Database, clock: FixedClock
) -> None:
    """The list, the feed and the undoing stop at the member's stores; the other store's visit stays."""
    merchant = await make_merchant(database)
    own, other = await make_store(database, merchant), await make_store(database, merchant, name="Kirchberg")
    visits = {}
    for store, name in ((own, "Anna"), (other, "Bob")):
        _staff, pin = await make_staff(database, store)
        card = await make_card(database, store, name=name)
        visits[name] = await give(database, store, card, pin, now=clock.now())
    manager = await make_member(database, merchant.id, "manager", store_ids=(own.id,))

    for page in ("/dashboard/visits", "/dashboard/feed"):
        text = (await client.get(page, headers=manager.headers)).text
        assert ("Anna" in text, "Bob" in text) == (True, False), page
    undone = {
        name: await post_form(
            client, manager, "/dashboard/visits", to=f"/dashboard/visits/{visit}/void", data={"reason": "x"}
        )
        for name, visit in visits.items()
    }

    assert (undone["Anna"].status_code, undone["Bob"].status_code) == (303, 404)
    async with tenant_scope(database, merchant.id) as session:
        left = await session.get(Visit, (merchant.id, visits["Bob"]))
    assert left is not None
    assert left.voided_at is None
