"""Device fingerprints: nothing while off, one row while on, found, shown, swept and erased."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import event, select, text

from app.db.session import tenant_scope
from app.kernel.jobs import JobContext
from app.kernel.permissions import Principal
from app.kernel.points import FRAUD_RULE, PERSONAL_DATA, SeenVisit, VisitScan
from app.kernel.web.cookies import cookie_name
from app.modules.accounts.tests.helpers import statements_of
from app.modules.cards.factories import make_card
from app.modules.fingerprints.jobs import sweep
from app.modules.fingerprints.models import VisitTrace
from app.modules.fraud.jobs import sweep as fraud_sweep
from app.modules.fraud.service import scan_visits
from app.modules.merchants.factories import make_merchant
from app.modules.merchants.public import switch_feature
from app.modules.staff.factories import make_staff
from app.modules.stores.factories import make_store
from app.modules.visits.public import Visit

AGENT = "Mozilla/5.0 (iPhone; CPU iPhone OS 19_1 like Mac OS X)"


async def switch(database, merchant, *, is_on: bool, now) -> None:
    """Switch the feature as the features page does."""
    principal = Principal("member", merchant.id, merchant.owner_id, role="owner")
    async with tenant_scope(database, merchant.id) as session:
        await switch_feature(session, principal, "fingerprints", is_on=is_on, now=now)


class Phone:
    """A customer's phone that holds cards and shows them at the till."""

    def __init__(self, client, settings, store, pin):
        self.client, self.store, self.pin = client, store, pin
        self.cookie = cookie_name(settings, "cards")

    async def stamp(self, card, held=()):
        """Type the PIN on the phone; held: the cards in its cookie, the last used first."""
        headers = {"User-Agent": AGENT}
        if held:
            headers["Cookie"] = f"{self.cookie}={'~'.join(one.token for one in held)}"
        answer = await self.client.post(
            f"/stamp/{self.store.id}",
            json={"pass_id": card.card_number, "staff_pin": self.pin},
            headers=headers,
        )
        assert answer.status_code == 201, answer.text


@pytest.fixture
async def place(client, database, settings):
    """Make a merchant with a store and a phone; the feature is off, as for everybody."""
    merchant = await make_merchant(database)
    store = await make_store(database, merchant)
    _staff_id, pin = await make_staff(database, store)
    return merchant, store, Phone(client, settings, store, pin)


async def traces(database, merchant) -> list[VisitTrace]:
    """Return what is kept."""
    async with tenant_scope(database, merchant.id) as session:
        return list(await session.scalars(select(VisitTrace).order_by(VisitTrace.at)))


async def test_off_nothing_is_kept(place, database):
    """Off, as it is at first, a stamp leaves no trace."""
    merchant, store, phone = place
    card = await make_card(database, store)
    await phone.stamp(card, [card])
    assert await traces(database, merchant) == []


async def test_on_keyed_hashes_are_kept_of_phones_only(place, database, clock):
    """On, a stamp on a phone keeps three hashes; another merchant has other hashes of the same phone."""
    merchant, store, phone = place
    await switch(database, merchant, is_on=True, now=clock.now())
    card = await make_card(database, store)
    await phone.stamp(card, [card])
    [mine] = await traces(database, merchant)
    assert (mine.pass_id, len(mine.address_hash), len(mine.agent_hash), len(mine.device_hash)) == (
        card.id,
        16,
        16,
        16,
    )
    assert b"127.0.0.1" not in mine.address_hash
    other = await make_merchant(database)
    other_store = await make_store(database, other)
    _staff_id, pin = await make_staff(database, other_store)
    await switch(database, other, is_on=True, now=clock.now())
    elsewhere = Phone(phone.client, database.settings, other_store, pin)
    foreign = await make_card(database, other_store)
    await elsewhere.stamp(foreign, [foreign, card])
    [theirs] = await traces(database, other)
    assert theirs.address_hash != mine.address_hash
    assert theirs.agent_hash != mine.agent_hash


async def test_off_a_stamp_sends_the_same_statements_and_on_one_more(place, database, clock):
    """The hot path pays nothing for a feature that is off, and one INSERT for it while it is on."""
    merchant, store, phone = place
    cards = [await make_card(database, store) for _n in range(3)]
    await phone.stamp(cards[0])
    sent: list[str] = []
    listener = lambda _c, _cur, statement, *_rest: sent.append(statement)  # noqa: E731
    event.listen(database.engine.sync_engine, "before_cursor_execute", listener)
    try:
        await phone.stamp(cards[1])
        off = list(sent)
        await switch(database, merchant, is_on=True, now=clock.now())
        sent.clear()
        await phone.stamp(cards[2])
    finally:
        event.remove(database.engine.sync_engine, "before_cursor_execute", listener)
    assert [statement for statement in off if "visit_trace" in statement] == []
    assert len([statement for statement in sent if "visit_trace" in statement]) == 1
    assert len(sent) == len(off) + 1


async def scan_of(session, merchant, now):
    """Return all visits as a scan."""
    rows = await session.execute(
        select(Visit.id, Visit.at, Visit.store_id, Visit.pass_id, Visit.staff_id, Visit.given_by)
    )
    return VisitScan(session, merchant.id, [SeenVisit(*row) for row in rows], now)


async def test_one_phone_with_many_cards_is_found(place, database, clock):
    """Three cards on a phone are a family; the fourth shows all four visits, whatever card was used last."""
    merchant, store, phone = place
    await switch(database, merchant, is_on=True, now=clock.now())
    cards = [await make_card(database, store) for _n in range(4)]
    other = await make_card(database, store)
    rule = FRAUD_RULE.get("same_device")
    found = []
    await phone.stamp(other, [other])
    for number, card in enumerate(cards):
        await phone.stamp(card, [card, *cards[:number]])
        async with tenant_scope(database, merchant.id) as session:
            found.append(await rule.find(await scan_of(session, merchant, clock.now())))
    assert [len(suspicions) for suspicions in found] == [0, 0, 0, 1]
    assert {visit.pass_id for visit in found[3][0].visits} == {card.id for card in cards}


async def test_hashes_are_deleted_after_their_time(place, database, clock, process):
    """Kept for thirty days, and for as many as the merchant says, at once when that becomes fewer."""
    merchant, store, phone = place
    await switch(database, merchant, is_on=True, now=clock.now())
    card = await make_card(database, store)
    await phone.stamp(card, [card])
    context = JobContext(process.database, process.settings, clock, process.registry, process.resources)
    clock.advance(days=30, seconds=-1)
    await sweep.run(context)
    assert len(await traces(database, merchant)) == 1
    clock.advance(seconds=1)
    await sweep.run(context)
    assert await traces(database, merchant) == []


async def shared_device(place, database, clock) -> str:
    """Collect on four cards with one phone, look at it as the worker does, and return the finding's key."""
    merchant, store, phone = place
    await switch(database, merchant, is_on=True, now=clock.now())
    cards = [await make_card(database, store) for _n in range(4)]
    for number, card in enumerate(cards):
        await phone.stamp(card, [card, *cards[:number]])
    async with tenant_scope(database, merchant.id) as session:
        await scan_visits(session, merchant.id, now=clock.now())
    [key] = await keys_of(database, merchant)
    [device] = {row.device_hash for row in await traces(database, merchant)}
    assert key == device.hex()
    return key


async def keys_of(database, merchant) -> list[str]:
    """Return the keys of the findings about phones."""
    async with tenant_scope(database, merchant.id) as session:
        rows = await session.execute(
            text("SELECT key FROM fraud_finding WHERE rule = 'same_device' ORDER BY id")
        )
        return list(rows.scalars())


async def test_a_finding_forgets_the_device_with_its_hash(place, database, clock, process):
    """After the days that hashes are kept the finding stays, with its visits, and names no device any more."""
    merchant, _store, _phone = place
    key = await shared_device(place, database, clock)
    context = JobContext(process.database, process.settings, clock, process.registry, process.resources)
    clock.advance(days=30, seconds=-1)
    await fraud_sweep.run(context)
    assert await keys_of(database, merchant) == [key]
    clock.advance(seconds=1)
    for _run in range(2):
        await fraud_sweep.run(context)
    [forgotten] = await keys_of(database, merchant)
    assert forgotten.startswith("forgotten:")


async def test_erasing_one_person_takes_the_finding_about_the_phone(place, database, clock):
    """The key was made from one of the cards: whoever holds one of them takes the finding along."""
    merchant, _store, _phone = place
    await shared_device(place, database, clock)
    async with tenant_scope(database, merchant.id) as session:
        customer_id = await session.scalar(text("SELECT customer_id FROM pass_object ORDER BY id LIMIT 1"))
        await PERSONAL_DATA.get("fraud").erase(session, merchant.id, customer_id)
    assert await keys_of(database, merchant) == []


async def test_many_phones_are_looked_at_with_one_statement(place, database, clock):
    """Twelve phones cost as many statements as one."""
    merchant, store, phone = place
    await switch(database, merchant, is_on=True, now=clock.now())
    rule, counts = FRAUD_RULE.get("same_device"), []
    for phones in (1, 11):
        for _n in range(phones):
            card = await make_card(database, store)
            await phone.stamp(card, [card])
        async with tenant_scope(database, merchant.id) as session:
            scan = await scan_of(session, merchant, clock.now())
            with statements_of(database) as sent:
                await rule.find(scan)
        counts.append(len(sent))
    assert counts[0] == counts[1]


async def test_shorter_time_counts_at_once_and_the_page_is_closed_while_off(place, database, clock, client):
    """The page says how many are kept; fewer days delete the older ones; without the feature there is no page."""
    merchant, store, phone = place
    headers = merchant.headers
    assert (await client.get("/dashboard/fingerprints", headers=headers)).status_code == 403
    await switch(database, merchant, is_on=True, now=clock.now())
    card = await make_card(database, store)
    await phone.stamp(card, [card])
    clock.advance(days=3)
    client.cookies.update(merchant.cookies)
    page = await client.get("/dashboard/fingerprints")
    assert "1 stamp is kept" in page.text
    token = page.text.partition('name="csrf" value="')[2].partition('"')[0]
    sent = await client.post(
        "/dashboard/fingerprints", data={"csrf": token, "days_kept": "2", "cards_max": "5"}
    )
    assert sent.status_code == 303
    assert await traces(database, merchant) == []


async def test_personal_data_is_shown_and_erased(place, database, clock):
    """The download shows the hashes; deletion takes them away, and leaves another person's."""
    merchant, store, phone = place
    await switch(database, merchant, is_on=True, now=clock.now())
    card, other = await make_card(database, store), await make_card(database, store)
    for one in (card, other):
        await phone.stamp(one, [one])
    handler = PERSONAL_DATA.get("fingerprints")
    async with tenant_scope(database, merchant.id) as session:
        told = await handler.export(session, merchant.id, card.customer_id)
        assert len(told["devices"]) == 1
        await handler.erase(session, merchant.id, card.customer_id)
    assert [row.pass_id for row in await traces(database, merchant)] == [other.id]


def test_kept_at_most_ninety_days():
    """A merchant cannot keep them longer."""
    from app.modules.fingerprints.settings import FingerprintSettings

    with pytest.raises(ValueError, match="less than or equal to 90"):
        FingerprintSettings(days_kept=91)
    assert timedelta(days=FingerprintSettings().days_kept) == timedelta(days=30)
