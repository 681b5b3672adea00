"""From visits at the till to findings: each rule, who is told, what is kept, and what the stamp does not pay for it."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import select, text
from sqlalchemy.dialects import postgresql

from app.db.session import tenant_scope
from app.kernel.jobs import JobContext
from app.kernel.permissions import Principal
from app.kernel.points import PERSONAL_DATA
from app.modules.fraud.jobs import SCAN_EVERY, look_soon, scan, sweep
from app.modules.fraud.models import FraudFinding, FraudOwnCard
from app.modules.fraud.queries import find_last_scan, recent
from app.modules.fraud.service import link_own_card
from app.modules.fraud.tests.conftest import QUICK, Shop
from app.modules.merchants.factories import make_merchant
from app.modules.messaging.models import OutboxMessage
from app.modules.staff.factories import make_device, make_staff
from app.modules.stores.factories import make_store
from app.modules.visits.public import Visit
from app.modules.wallets.public import CARDS_CHANGED, CardsChanged


async def test_hurried_person_is_found_with_the_visits_behind_it(shop):
    """Three visits in fifteen minutes are fine where three are normal; the fourth shows all four, once."""
    await shop.set(staff_visits=3, staff_minutes=15)
    cards = [await shop.card() for _n in range(4)]
    for card in cards[:3]:
        await shop.stamp(card)
    await shop.scan()
    assert await shop.findings("staff_speed") == []
    await shop.stamp(cards[3])
    for _look in range(2):
        await shop.scan()
    [found] = await shop.findings("staff_speed")
    assert (found.staff_id, found.store_id, found.status, len(found.events)) == (
        shop.staff_id, shop.store.id, "open", 4
    )  # fmt: skip
    async with tenant_scope(shop.database, shop.merchant.id) as session:
        visits = set((await session.scalars(select(Visit.id))).all())
    assert {visit_id for visit_id, _at in found.events} == {str(visit_id) for visit_id in visits}


async def test_control_switched_off_rules_find_nothing(shop):
    """The control: the same hurry with every rule at 0 leaves no finding."""
    await shop.set(staff_visits=0, card_visits=0, pair_visits=0, closed_minutes=-1)
    card = await shop.card()
    await shop.stamp(card, 12)
    await shop.scan()
    async with tenant_scope(shop.database, shop.merchant.id) as session:
        assert (await session.scalars(select(FraudFinding))).all() == []


async def test_one_card_too_often_is_found(shop):
    """The fifth visit of a card within three hours is shown with the card; four are not."""
    card = await shop.card()
    await shop.stamp(card, 4, every=600)
    await shop.scan()
    assert await shop.findings("card_speed") == []
    await shop.stamp(card)
    await shop.scan()
    [found] = await shop.findings("card_speed")
    assert (found.pass_id, len(found.events)) == (card.id, 5)


async def test_same_person_same_card_is_found_over_days(shop):
    """Where six a week are normal, the seventh by the same person is shown, although no day was unusual."""
    await shop.set(pair_visits=6)
    card = await shop.card()
    for day in range(7):
        assert await shop.findings("same_pair") == [], day
        await shop.open_shift()
        await shop.stamp(card)
        await shop.scan()
        shop.clock.advance(hours=20)
    [found] = await shop.findings("same_pair")
    assert (found.staff_id, found.pass_id, len(found.events)) == (shop.staff_id, card.id, 7)


async def test_closed_hours_come_from_the_store(client, database, clock):
    """Ten in the morning is outside of a shop's afternoon hours, and inside of one that has said none."""
    merchant = await make_merchant(database)
    afternoons = {"fri": [["14:00", "18:00"]]}
    for hours, count in ((afternoons, 1), ({}, 0)):
        store = await make_store(database, merchant, opening_hours=hours, **QUICK)
        _staff_id, pin = await make_staff(database, store)
        shop = Shop(
            client, database, clock, merchant, store, (None, pin), await make_device(database, store, pin=pin)
        )
        await shop.stamp(await shop.card())
        await shop.scan()
        found = [row for row in await shop.findings("closed_hours") if row.store_id == store.id]
        assert len(found) == count


async def test_own_card_is_found_at_once(shop):
    """One stamp to one's own card is enough; the same stamp on a colleague's device is not shown."""
    own = await shop.card()
    other_id, other_pin = await make_staff(shop.database, shop.store, name="Paul")
    linked = await shop.post("own-cards", {"staff_id": str(other_id), "card": own.card_number})
    assert linked.status_code == 303
    await shop.stamp(own)
    await shop.scan()
    assert await shop.findings("own_card") == []
    shop.device = await make_device(shop.database, shop.store, pin=other_pin, now=shop.clock.now())
    await shop.stamp(own)
    await shop.scan()
    [found] = await shop.findings("own_card")
    assert (found.staff_id, found.pass_id, len(found.events)) == (other_id, own.id, 1)


async def test_merchant_is_mailed_about_speed_once_an_hour(shop):
    """Two crowds within the hour are one mail, a third after it another; with mails off there are none."""
    await shop.set(card_visits=1)

    async def mails() -> int:
        async with tenant_scope(shop.database, shop.merchant.id) as session:
            rows = await session.scalars(
                select(OutboxMessage.kind).where(OutboxMessage.kind == "fraud_alert")
            )
            return len(rows.all())

    seen = []
    for minutes in (0, 30, 31):
        shop.clock.advance(minutes=minutes)
        shop.device = await make_device(
            shop.database,
            shop.store,
            pin=(await make_staff(shop.database, shop.store))[1],
            now=shop.clock.now(),
        )
        await shop.stamp(await shop.card(), 2)
        await shop.scan()
        seen.append(await mails())
    assert seen == [1, 1, 2]
    await shop.set(card_visits=1, alert_mails="")
    shop.clock.advance(hours=2)
    shop.device = await make_device(
        shop.database, shop.store, pin=(await make_staff(shop.database, shop.store))[1], now=shop.clock.now()
    )
    await shop.stamp(await shop.card(), 2)
    await shop.scan()
    assert await mails() == 2


async def test_worker_looks_soon_after_a_card_changed(shop, process):
    """Taken marks queue one look a merchant; a second within ten seconds is put off, not lost."""
    assert look_soon in {bound.function for bound in CARDS_CHANGED.bound}
    card = await shop.card()
    context = JobContext(
        process.database, process.settings, shop.clock, process.registry, process.resources, shop.merchant.id
    )
    async with process.database.sessions() as session, session.begin():
        await look_soon(CardsChanged(session, [(shop.merchant.id, card.id)] * 3))
        waiting = "SELECT count(*) FROM pgqueuer WHERE dedupe_key LIKE 'fraud.scan:' || :merchant || ':%'"
        queued = await session.scalar(text(waiting), {"merchant": str(shop.merchant.id)})
    assert queued == 1
    await shop.stamp(card, every=0)
    await scan(context)
    first = shop.clock.now()
    shop.clock.advance(seconds=5)
    await scan(context)
    async with tenant_scope(shop.database, shop.merchant.id) as session:
        assert await find_last_scan(session, shop.merchant.id) == first
    shop.clock.at = first + SCAN_EVERY
    await scan(context)
    async with tenant_scope(shop.database, shop.merchant.id) as session:
        assert await find_last_scan(session, shop.merchant.id) == first + timedelta(seconds=10)


async def test_personal_data_is_shown_and_erased(shop):
    """The download names findings and links of the person's cards; deletion takes both away."""
    await shop.set(card_visits=2)
    card = await shop.card()
    principal = Principal("member", shop.merchant.id, shop.merchant.owner_id, role="owner")
    async with tenant_scope(shop.database, shop.merchant.id) as session:
        await link_own_card(
            session, principal, staff_id=shop.staff_id, card=card.card_number, now=shop.clock.now()
        )
    await shop.stamp(card, 3)
    await shop.scan()
    handler = PERSONAL_DATA.get("fraud")
    async with tenant_scope(shop.database, shop.merchant.id) as session:
        told = await handler.export(session, shop.merchant.id, card.customer_id)
        assert {row["rule"] for row in told["findings"]} == {"card_speed", "own_card"}
        assert told["staff_cards"] == [str(card.id)]
        await handler.erase(session, shop.merchant.id, card.customer_id)
    async with tenant_scope(shop.database, shop.merchant.id) as session:
        assert (await session.scalars(select(FraudOwnCard))).all() == []
        assert (
            await session.scalars(select(FraudFinding).where(FraudFinding.pass_id == card.id))
        ).all() == []


async def test_findings_are_deleted_after_their_time(shop, process):
    """Kept for a year after the last visit, or as long as the merchant says, whatever was decided."""
    await shop.set(card_visits=2, days_kept=60)
    await shop.stamp(await shop.card(), 3)
    await shop.scan()
    [found] = await shop.findings("card_speed")
    context = JobContext(process.database, process.settings, shop.clock, process.registry, process.resources)
    shop.clock.at = found.last_at + timedelta(days=60, seconds=-1)
    await sweep.run(context)
    assert len(await shop.findings("card_speed")) == 1
    shop.clock.at = found.last_at + timedelta(days=60)
    await sweep.run(context)
    assert await shop.findings("card_speed") == []


async def test_newest_visits_are_read_by_their_moment(shop):
    """The statement behind every look walks the index by moment, not a month of ids."""
    sql = recent(shop.merchant.id, since=shop.clock.now()).compile(
        dialect=postgresql.dialect(), compile_kwargs={"literal_binds": True}
    )
    async with tenant_scope(shop.database, shop.merchant.id) as session:
        await session.execute(text("SET LOCAL enable_seqscan = off"))
        await session.execute(text("SET LOCAL enable_sort = off"))
        plan = "\n".join((await session.execute(text(f"EXPLAIN {sql}"))).scalars())
    assert "merchant_id_at" in plan
