"""From visits at the till to findings: each rule, deciding, undoing, and what the stamp does not pay for it."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from sqlalchemy import select, text
from sqlalchemy.dialects import postgresql

from app.db.session import tenant_scope
from app.kernel.jobs import JobContext
from app.kernel.permissions import Principal
from app.kernel.points import PERSONAL_DATA
from app.modules.accounts.factories import make_member
from app.modules.cards.factories import make_card
from app.modules.fraud.jobs import SCAN_EVERY, look_soon, scan, sweep
from app.modules.fraud.models import FraudFinding, FraudOwnCard
from app.modules.fraud.queries import find_last_scan, recent
from app.modules.fraud.service import link_own_card, scan_visits
from app.modules.fraud.settings import FraudSettings
from app.modules.merchants.factories import make_merchant
from app.modules.messaging.models import OutboxMessage
from app.modules.staff.factories import make_device, make_staff
from app.modules.stores.factories import make_store
from app.modules.visits.public import Visit
from app.modules.wallets.public import CARDS_CHANGED, CardsChanged

QUICK = {"cooldown_minutes": 0, "visits_per_day": 1_000, "full_card": "carry_on"}
ALWAYS = {day: [["00:00", "24:00"]] for day in ("mon", "tue", "wed", "thu", "fri", "sat", "sun")}


class Shop:
    """A shop with one person at a device, and short words for what happens there."""

    def __init__(self, client, database, clock, merchant, store, staff, device):
        self.client, self.database, self.clock = client, database, clock
        self.merchant, self.store, self.device = merchant, store, device
        self.staff_id, self.pin = staff

    async def open_shift(self) -> None:
        """Type the PIN again: the device locks itself when it is left alone."""
        answer = await self.client.post("/device/shift", json={"pin": self.pin}, headers=self.device.headers)
        assert answer.status_code == 201

    async def card(self, **details):
        """Make a card."""
        return await make_card(self.database, self.store, **details)

    async def stamp(self, card, times: int = 1, *, every: float = 10.0) -> None:
        """Give stamps on the device, so many seconds apart."""
        for _time in range(times):
            answer = await self.client.post(
                "/device/visits", json={"pass_id": card.card_number}, headers=self.device.headers
            )
            assert answer.status_code == 201, answer.text
            self.clock.advance(seconds=every)

    async def scan(self) -> None:
        """Look at the newest visits, as the worker does."""
        async with tenant_scope(self.database, self.merchant.id) as session:
            await scan_visits(session, self.merchant.id, now=self.clock.now())

    async def findings(self, rule: str) -> list[FraudFinding]:
        """Return a rule's findings."""
        async with tenant_scope(self.database, self.merchant.id) as session:
            rows = await session.scalars(select(FraudFinding).where(FraudFinding.rule == rule))
            return list(rows)

    async def post(self, path: str, data: dict[str, str], merchant=None):
        """Send a form of the dashboard, as the owner or as another merchant's."""
        self.client.cookies.clear()
        self.client.cookies.update((merchant or self.merchant).cookies)
        page = await self.client.get("/dashboard/fraud/settings")
        token = re.search(r'name="csrf" value="([^"]+)"', page.text).group(1)
        answer = await self.client.post(f"/dashboard/fraud/{path}", data=data | {"csrf": token})
        self.client.cookies.clear()
        return answer

    async def set(self, **values) -> None:
        """Change the thresholds over HTTP, as the form does."""
        body = {**FraudSettings().model_dump(), **values}
        form = {name: str(value).lower() for name, value in body.items()}
        answer = await self.post("settings", form)
        assert answer.status_code == 303, answer.text


@pytest.fixture
async def shop(client, database, clock):
    """Make the shop; it is open around the clock until a test says otherwise."""
    merchant = await make_merchant(database)
    store = await make_store(database, merchant, opening_hours=ALWAYS, **QUICK)
    staff_id, pin = await make_staff(database, store, name="Marie")
    device = await make_device(database, store, pin=pin)
    return Shop(client, database, clock, merchant, store, (staff_id, pin), device)


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


async def test_decided_finding_stays_decided_until_it_goes_on(shop):
    """Dismissed, it does not come back by itself; as many visits again make it news."""
    await shop.set(card_visits=2)
    card = await shop.card()
    await shop.stamp(card, 3)
    await shop.scan()
    [found] = await shop.findings("card_speed")
    answer = await shop.post(f"{found.id}/decide", {"status": "dismissed"})
    assert answer.status_code == 303
    shop.clock.advance(seconds=1)
    await shop.stamp(card, 2)
    await shop.scan()
    assert [row.status for row in await shop.findings("card_speed")] == ["dismissed"]
    await shop.stamp(card)
    await shop.scan()
    assert [(row.status, row.decided_at) for row in await shop.findings("card_speed")] == [("open", None)]


async def test_undoing_takes_back_one_or_all(shop):
    """One tap takes a visit back, another all that are left; the card is as before and the finding confirmed."""
    await shop.set(card_visits=2)
    card = await shop.card(stamps=1)
    await shop.stamp(card, 3)
    await shop.scan()
    [found] = await shop.findings("card_speed")
    await shop.post(f"{found.id}/undo", {"visit_id": found.events[0][0]})

    async def stamps() -> int:
        state = await shop.client.get(f"/device/cards/{card.card_number}", headers=shop.device.headers)
        return state.json()["stamp_count"]

    assert await stamps() == 3
    assert (await shop.findings("card_speed"))[0].status == "open"
    await shop.post(f"{found.id}/undo", {})
    assert await stamps() == 1
    assert (await shop.findings("card_speed"))[0].status == "confirmed"


async def test_a_visit_that_is_not_behind_the_finding_is_not_undone(shop):
    """The page's power ends at its own events: another visit is not found, and stays."""
    await shop.set(card_visits=2)
    card, other = await shop.card(), await shop.card()
    await shop.stamp(card, 3)
    await shop.stamp(other)
    await shop.scan()
    [found] = await shop.findings("card_speed")
    async with tenant_scope(shop.database, shop.merchant.id) as session:
        foreign = await session.scalar(select(Visit.id).where(Visit.pass_id == other.id))
    answer = await shop.post(f"{found.id}/undo", {"visit_id": str(foreign)})
    assert answer.status_code == 404
    async with tenant_scope(shop.database, shop.merchant.id) as session:
        assert await session.scalar(select(Visit.voided_at).where(Visit.id == foreign)) is None


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


async def test_page_shows_filters_and_tells_of_news(shop):
    """The finding stands on the page with its visits and on the home; filters leave it out; the poll tells of it."""
    headers = shop.merchant.headers
    before = shop.clock.now()
    await shop.set(card_visits=2)
    card = await shop.card(name="Anna")
    await shop.stamp(card, 3)
    await shop.scan()
    page = await shop.client.get("/dashboard/fraud", headers=headers)
    assert "One card, many visits" in page.text
    assert page.text.count("Anna") >= 4
    assert "Unusual visits" in (await shop.client.get("/dashboard", headers=headers)).text
    for query in ("status=confirmed", "rule=own_card", f"staff={shop.store.id}"):
        empty = await shop.client.get(f"/dashboard/fraud?{query}", headers=headers)
        assert "One card, many visits</h2>" not in empty.text
        assert "Nothing unusual" in empty.text
    news = await shop.client.get(
        "/dashboard/fraud/news", params={"since": before.isoformat()}, headers=headers
    )
    assert "Something new was found" in news.text
    later = await shop.client.get(
        "/dashboard/fraud/news", params={"since": shop.clock.now().isoformat()}, headers=headers
    )
    assert "Something new was found" not in later.text


async def test_thresholds_must_make_sense(shop):
    """A number out of range comes back with words beside its field, and nothing is changed."""
    form = {name: str(value) for name, value in FraudSettings().model_dump().items()}
    bad = await shop.post("settings", form | {"staff_minutes": "0"})
    assert bad.status_code == 422
    assert "The smallest number possible is 1." in bad.text
    unknown = await shop.post("own-cards", {"staff_id": str(shop.staff_id), "card": "nonsense"})
    assert unknown.status_code == 422
    assert "No card has this number." in unknown.text


async def test_another_merchants_findings_do_not_exist(shop, database):
    """A stranger's owner sees, decides and undoes nothing here."""
    await shop.set(card_visits=2)
    await shop.stamp(await shop.card(), 3)
    await shop.scan()
    [found] = await shop.findings("card_speed")
    stranger = await make_merchant(database)
    for path, data in (("decide", {"status": "dismissed"}), ("undo", {})):
        answer = await shop.post(f"{found.id}/{path}", data, stranger)
        assert answer.status_code == 404
    assert (
        "One card, many visits</h2>"
        not in (await shop.client.get("/dashboard/fraud", headers=stranger.headers)).text
    )
    assert (await shop.findings("card_speed"))[0].status == "open"


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


async def test_member_of_another_store_sees_and_changes_nothing_here(shop, database):
    """A manager limited to another store finds nothing, decides nothing, undoes nothing, and sets no rules."""
    await shop.set(card_visits=2)
    await shop.stamp(await shop.card(), 3)
    await shop.scan()
    [found] = await shop.findings("card_speed")
    elsewhere = await make_store(database, shop.merchant)
    far = await make_member(database, shop.merchant.id, "manager", store_ids=(elsewhere.id,))
    near = await make_member(database, shop.merchant.id, "manager", store_ids=(shop.store.id,))
    for manager, sees in ((far, False), (near, True)):
        page = await shop.client.get("/dashboard/fraud", headers=manager.headers)
        assert page.status_code == 200
        assert (f'id="f-{found.id}"' in page.text) is sees
    for path, data in (("decide", {"status": "dismissed"}), ("undo", {})):
        assert (await shop.post(f"{found.id}/{path}", data, far)).status_code == 404
    form = {name: str(value) for name, value in FraudSettings().model_dump().items()}
    assert (await shop.post("settings", form, near)).status_code == 403
    assert (await shop.post("fingerprints/on", {}, near)).status_code == 403
    assert (await shop.findings("card_speed"))[0].status == "open"
    assert (await shop.post(f"{found.id}/decide", {"status": "dismissed"}, near)).status_code == 303
