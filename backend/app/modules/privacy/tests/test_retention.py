"""Customers who stay away are erased after as many months as the merchant says, and nobody else."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from app.db.session import tenant_scope
from app.installed import INSTALLED
from app.kernel.jobs import JobContext
from app.kernel.settings import save_settings
from app.modules.accounts.jobs import SESSIONS_KEPT
from app.modules.cards.factories import make_card
from app.modules.cards.jobs import LINKS_KEPT
from app.modules.cards.jobs import sweep as sweep_links
from app.modules.cards.models import CardLink
from app.modules.customers.models import Customer
from app.modules.exports.service import KEPT_FOR
from app.modules.merchants.factories import make_merchant
from app.modules.messaging.rules import CONTENT_KEPT_FOR
from app.modules.privacy.processing.keeping import RULES
from app.modules.privacy.retention import RETENTION, erase_inactive, erase_inactive_job
from app.modules.privacy.rules import months_before
from app.modules.privacy.settings import PrivacySettings
from app.modules.stores.factories import make_store


@pytest.mark.parametrize(
    ("now", "months", "expected"),
    [
        (datetime(2026, 11, 20, tzinfo=UTC), 12, datetime(2025, 11, 20, tzinfo=UTC)),
        (datetime(2026, 3, 31, tzinfo=UTC), 1, datetime(2026, 2, 28, tzinfo=UTC)),
        (datetime(2024, 2, 29, tzinfo=UTC), 12, datetime(2023, 2, 28, tzinfo=UTC)),
        (datetime(2026, 1, 15, tzinfo=UTC), 36, datetime(2023, 1, 15, tzinfo=UTC)),
    ],
)
def test_months_are_counted_by_the_calendar(now, months, expected):
    """The same day so many months ago, or the last day that month has."""
    assert months_before(now, months) == expected


async def test_only_who_stayed_away_is_erased(database, clock):
    """On both sides of the limit; a visit or a young card keeps somebody; off keeps everybody."""
    merchant = await make_merchant(database)
    store = await make_store(database, merchant)
    limit = months_before(clock.now(), 12)
    old = limit - timedelta(days=400)
    names = {
        "gone": {"now": old, "columns": {"last_visit_at": limit - timedelta(seconds=1)}},
        "never came": {"now": limit - timedelta(seconds=1)},
        "came": {"now": old, "columns": {"last_visit_at": limit}},
        "young": {"now": limit},
    }
    for name, options in names.items():
        await make_card(database, store, name=name, **options)

    async def left():
        async with tenant_scope(database, merchant.id) as session:
            rows = await session.scalars(select(Customer.name).where(Customer.erased_at.is_(None)))
            return set(rows)

    async with tenant_scope(database, merchant.id) as session:
        assert await erase_inactive(session, merchant.id, now=clock.now()) == 0
    assert await left() == set(names)
    async with tenant_scope(database, merchant.id) as session:
        await save_settings(session, PrivacySettings(inactive_months=12), merchant_id=merchant.id)
    async with tenant_scope(database, merchant.id) as session:
        assert await erase_inactive(session, merchant.id, now=clock.now()) == 2
    assert await left() == {"came", "young"}


async def test_the_nightly_job_erases_and_stops(process, database, clock):
    """From the periodic job to the worker: the one who stayed away is gone, in the shop that says so alone."""
    limit = months_before(clock.now(), 12)
    shops = [await make_merchant(database) for _shop in range(2)]
    for merchant in shops:
        await make_card(
            database, await make_store(database, merchant), name="Ada", now=limit - timedelta(days=1)
        )
    async with tenant_scope(database, shops[0].id) as session:
        await save_settings(session, PrivacySettings(inactive_months=12), merchant_id=shops[0].id)
    context = JobContext(database, process.settings, clock, process.registry, process.resources)

    await RETENTION.run(context)
    for merchant in shops:
        await erase_inactive_job(replace(context, merchant_id=merchant.id))

    for merchant, left in zip(shops, (0, 1), strict=True):
        async with tenant_scope(database, merchant.id) as session:
            rows = await session.scalars(select(Customer.name).where(Customer.erased_at.is_(None)))
            assert len(rows.all()) == left


async def test_links_are_forgotten_seven_days_after_they_end(process, database, clock):
    """A link lives seven days and is told apart from one that never was for seven more; then its row goes."""
    merchant = await make_merchant(database)
    await make_card(database, await make_store(database, merchant), email="ada@example.com")

    async def links():
        async with tenant_scope(database, merchant.id) as session:
            return len((await session.scalars(select(CardLink))).all())

    context = JobContext(database, process.settings, clock, process.registry, process.resources)
    clock.advance(days=14, seconds=-1)
    await sweep_links.run(context)
    assert await links() == 1
    clock.advance(seconds=1)
    await sweep_links.run(context)
    assert await links() == 0


def test_every_rule_on_the_page_is_a_job_that_runs(process):
    """Each rule names a periodic job of this installation; the days in the words are the ones in the code."""
    jobs = {periodic.name for module in INSTALLED for periodic in module.periodic}
    assert {rule.job for rule in RULES} <= jobs
    assert RETENTION.name in jobs
    kept = {rule.job: rule.kept for rule in RULES}
    assert (kept["messaging.blank_old_content"].split(" ")[0], CONTENT_KEPT_FOR) == ("30", timedelta(days=30))
    assert (kept["cards.sweep_links"].split(" ")[0], LINKS_KEPT) == ("seven", timedelta(days=7))
    assert (kept["exports.forget"], KEPT_FOR) == ("seven days", timedelta(days=7))
    assert (kept["accounts.sweep"].split(" ")[0], SESSIONS_KEPT) == ("90", timedelta(days=90))


async def test_the_page_says_how_long_things_are_kept(client, database):
    """Every rule with its period, and the shop's own about customers."""
    merchant = await make_merchant(database)
    async with tenant_scope(database, merchant.id) as session:
        await save_settings(session, PrivacySettings(inactive_months=24), merchant_id=merchant.id)
    client.cookies.update(merchant.cookies)
    page = await client.get("/dashboard/privacy")
    section = page.text.partition('aria-labelledby="keeping"')[2].partition("</section>")[0]
    assert "after 24 months without a visit" in section
    for rule in RULES:
        assert rule.what in section
        assert rule.kept in section
