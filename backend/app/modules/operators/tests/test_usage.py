"""The operator sees what shops use, gives plans, and so does the command line."""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
import pytest_asyncio
from sqlalchemy import select

from app.commands import usage as command
from app.commands.errors import CommandError
from app.commands.usage import read_all, set_plan_in, usage_table
from app.db.session import Database, tenant_scope
from app.kernel.audit import AuditEntry
from app.kernel.clock import FixedClock
from app.modules.billing.public import Plans, read_usage
from app.modules.billing.service import count_usage
from app.modules.merchants.factories import MadeMerchant, make_merchant
from app.modules.stores.factories import make_store
from app.process import Process

from .conftest import Desk

PLANS = Plans.model_validate(
    {"plans": {"small": {"title": "Small one", "limits": {"stores": 1}}, "large": {"title": "Large one"}}}
)


@pytest_asyncio.fixture(loop_scope="session")
async def shop(process: Process, clock: FixedClock) -> AsyncIterator[MadeMerchant]:
    """Return a counted shop with one store, on an installation with two plans and no default."""
    process.resources.put(Plans, PLANS)
    merchant = await make_merchant(process.database, name=f"Kanne {uuid4().hex[:8]}")
    await make_store(process.database, merchant)
    async with tenant_scope(process.database, merchant.id) as session:
        await count_usage(session, merchant.id, now=clock.at)
    yield merchant
    process.resources.put(Plans, Plans())


async def test_the_operator_gives_a_plan(
    desk: Desk, shop: MadeMerchant, database: Database, clock: FixedClock
) -> None:
    """Chosen in the table it is in effect at once, with an entry on both sides; an unknown plan changes nothing."""
    page = f"/operator/usage?q={shop.name.replace(' ', '%20')}"
    given = await desk.post(page, f"/operator/usage/{shop.id}/plan", plan="small")
    unknown = await desk.post(page, f"/operator/usage/{shop.id}/plan", plan="gold")
    shown, record = await desk.get(page), await desk.get("/operator/record")

    assert (given.status_code, unknown.status_code) == (303, 404)
    assert '<strong class="number">1</strong> <span class="muted">of 1</span>' in shown.text
    assert "Plan given to a shop" in record.text
    async with tenant_scope(database, shop.id) as session:
        usage = await read_usage(session, shop.id, now=clock.at)
        entries = list(
            await session.scalars(select(AuditEntry.facts).where(AuditEntry.action == "billing.plan_given"))
        )
    assert (usage.given, entries) == ("small", [{"plan": "small"}])


async def test_the_command_line_reads_and_gives(process: Process, shop: MadeMerchant) -> None:
    """One shop's usage with its plan; an unknown shop and an unknown plan are said in a sentence."""
    async with process.database.sessions() as session, session.begin():
        await set_plan_in(process, session, shop.id, plan="small")
    found = await read_all(process, shop.id)

    stores = next(row for row in found[0][1].rows if row.meter == "stores")
    assert (stores.shown, stores.limit, stores.level) == (1, 1, "reached")
    assert usage_table(found).row_count == len(found[0][1].rows)
    with pytest.raises(CommandError, match="There is no business"):
        await read_all(process, uuid4())
    with pytest.raises(CommandError, match="Plans: small, large"):
        async with process.database.sessions() as session, session.begin():
            await set_plan_in(process, session, shop.id, plan="gold")


async def test_the_command_line_leaves_nobody_out(
    process: Process, shop: MadeMerchant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four shops are read in pages of two: each stands there once, by name."""
    more = [await make_merchant(process.database, name=f"{start}-{uuid4().hex[:8]}") for start in "Bac"]
    monkeypatch.setattr(command, "SHOPS_AT_ONCE", 2)
    found = [name.rpartition("\n")[2] for name, _usage in await read_all(process, None)]

    wanted = [str(made.id) for made in (more[1], more[0], more[2], shop)]
    assert [shop_id for shop_id in found if shop_id in wanted] == wanted
    assert len(found) == len(set(found))
