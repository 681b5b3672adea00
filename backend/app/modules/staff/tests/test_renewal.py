"""PINs on a schedule: due, told, drawn on the page, ended at a quiet hour; and the page of a store's settings."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from app.db.session import tenant_scope
from app.kernel.jobs import JobContext
from app.modules.merchants.factories import make_merchant
from app.modules.messaging.models import OutboxMessage
from app.modules.staff.factories import make_device, make_shared_pin, make_staff
from app.modules.staff.jobs import renew_pins
from app.modules.staff.rules import renewal_of, renewal_since
from app.modules.stores.factories import make_store

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
WEEK = timedelta(weeks=1)


def test_pin_is_due_after_its_weeks_and_ends_at_a_quiet_hour_after_the_grace():
    """Drawn at noon: due to the second four weeks later, ended at the first four in the morning a week after."""
    renewal = renewal_of(NOON, weeks=4, grace=WEEK, counted_from=NOON - WEEK, time_zone="Europe/Luxembourg")
    assert renewal.due_at == NOON + 4 * WEEK
    assert renewal.ends_at == datetime(2026, 12, 26, 3, 0, tzinfo=UTC)
    second = timedelta(seconds=1)
    moments = (renewal.due_at - second, renewal.due_at, renewal.ends_at - second, renewal.ends_at)
    assert [renewal.state(moment) for moment in moments] == ["fine", "due", "due", "ended"]


def test_switching_renewal_on_ends_nothing_sooner_than_the_grace():
    """A PIN of a year ago is due at once and has the whole grace; one of unknown age counts from the switch."""
    old = renewal_of(NOON - 52 * WEEK, weeks=4, grace=WEEK, counted_from=NOON, time_zone="UTC")
    assert (old.due_at, old.ends_at) == (NOON, datetime(2026, 11, 28, 4, 0, tzinfo=UTC))
    unknown = renewal_of(None, weeks=4, grace=WEEK, counted_from=NOON, time_zone="UTC")
    assert unknown.due_at == NOON + 4 * WEEK


@pytest.mark.parametrize(
    ("before", "after", "since", "expected"),
    [
        (0, 4, None, NOON),
        (8, 4, NOON - WEEK, NOON),
        (4, 8, NOON - WEEK, NOON - WEEK),
        (4, 4, NOON - WEEK, NOON - WEEK),
        (4, 0, NOON - WEEK, None),
    ],
)
def test_renewal_counts_from_a_switch_or_a_shorter_period(before, after, since, expected):
    """A longer period keeps the old beginning; off forgets it."""
    assert renewal_since(before, after, since, now=NOON) == expected


class Shop:
    """A store with Marie and a shared PIN, and an owner at the dashboard."""

    def __init__(self, client, database, clock, process, merchant, store):
        self.client, self.database, self.clock, self.process = client, database, clock, process
        self.merchant, self.store = merchant, store
        client.cookies.update(merchant.cookies)
        self.url = f"/dashboard/staff/{store.id}"

    async def send(self, path: str, **data: str):
        """Send one of the page's forms."""
        page = await self.client.get(self.url)
        token = re.search(r'name="csrf" value="([^"]+)"', page.text).group(1)
        return await self.client.post(f"{self.url}/{path}", data=data | {"csrf": token})

    async def sign_in(self) -> None:
        """Sign the owner in again: weeks have passed."""
        self.client.cookies.clear()
        body = {"email": self.merchant.email, "password": self.merchant.password}
        answer = await self.client.post("/sessions", json=body, headers={"Origin": "http://testserver"})
        assert answer.status_code == 201, answer.text

    async def run(self) -> None:
        """Let the worker's hour come."""
        process = self.process
        context = JobContext(
            process.database, process.settings, self.clock, process.registry, process.resources
        )
        await renew_pins.run(context)

    async def mails(self) -> list[str]:
        """Return the keys of the mails about renewal, by stage."""
        async with tenant_scope(self.database, self.merchant.id) as session:
            rows = await session.scalars(
                select(OutboxMessage.once_key)
                .where(OutboxMessage.kind == "pin_renewal")
                .order_by(OutboxMessage.created_at)
            )
            return [key.split(":")[2] for key in rows]


@pytest.fixture
async def shop(client, database, clock, process, counter):
    """Make the shop with PINs drawn now."""
    merchant = await make_merchant(database)
    store = await make_store(database, merchant)
    return Shop(client, database, clock, process, merchant, store)


SETTINGS = {
    "pin_digits": "6",
    "idle_lock_minutes": "30",
    "pin_renewal_weeks": "4",
    "pin_renewal_grace_days": "7",
}


async def test_schedule_marks_tells_reminds_and_ends(shop, database, clock, client):
    """Due: a mail, a tile and the page say so, and the PIN works; two days before the end again; then it is over."""
    _staff_id, pin = await make_staff(database, shop.store, now=clock.now())
    device = await make_device(database, shop.store, pin=pin, now=clock.now())
    assert (await shop.send("settings", **SETTINGS)).status_code == 303
    clock.advance(days=27)
    await shop.run()
    assert await shop.mails() == []
    clock.advance(days=1)
    for _hour in range(2):
        await shop.run()
    assert await shop.mails() == ["due"]
    await shop.sign_in()
    assert "PINs to renew" in (await client.get("/dashboard")).text
    assert "1 PIN is to be renewed." in (await client.get(shop.url)).text
    opened = await client.post("/device/shift", json={"pin": pin}, headers=device.headers)
    assert opened.status_code == 201
    clock.advance(days=6)
    await shop.run()
    assert await shop.mails() == ["due", "last_days"]
    clock.advance(days=2)
    await shop.run()
    assert await shop.mails() == ["due", "last_days", "ended"]
    closed = await client.post("/device/shift", json={"pin": pin}, headers=device.headers)
    assert closed.json()["code"] == "pin_wrong"
    await shop.sign_in()
    assert "Time for new PINs" not in (await client.get(shop.url)).text


async def test_due_pins_are_drawn_on_the_page_and_no_others(shop, database, clock, client):
    """The button draws what is due, the shared PIN too, and leaves a younger PIN alone; then nothing is due."""
    await make_staff(database, shop.store, name="Marie", now=clock.now())
    await make_shared_pin(database, shop.store)
    await shop.send("settings", **SETTINGS)
    clock.advance(days=14)
    _paul, young = await make_staff(database, shop.store, name="Paul", now=clock.now())
    clock.advance(days=15)
    await shop.sign_in()
    drawn = await shop.send("renew")
    names = re.findall(r'<div class="secret"><span>([^<]+)</span><code>[0-9]{6}</code>', drawn.text)
    assert names == ["Marie", "Shop PIN"]
    device = await make_device(database, shop.store, pin=young, now=clock.now())
    assert (await client.get("/device", headers=device.headers)).json()["staff_name"] == "Paul"
    again = await shop.send("renew")
    assert "No PIN is due at the moment." in again.text
    clock.advance(days=12)
    await shop.run()
    assert await shop.mails() == []


async def test_control_without_a_schedule_no_pin_is_ever_due(shop, database, clock, client):
    """The control: years pass, nothing is told and nothing ends."""
    _staff_id, pin = await make_staff(database, shop.store, now=clock.now())
    clock.advance(days=900)
    await shop.run()
    assert await shop.mails() == []
    device = await make_device(database, shop.store, pin=pin, now=clock.now())
    assert (await client.get("/device", headers=device.headers)).json()["staff_name"] == "Marie"


async def test_settings_page_changes_digits_and_the_idle_lock(shop, database, clock, client):
    """Four digits hold for the next PIN, with a warning; the device locks itself after the minutes said."""
    _staff_id, pin = await make_staff(database, shop.store, now=clock.now())
    device = await make_device(database, shop.store, pin=pin, now=clock.now())
    sent = await shop.send("settings", **SETTINGS | {"pin_digits": "4", "idle_lock_minutes": "5"})
    assert sent.headers["location"] == f"{shop.url}/settings"
    page = await client.get(f"{shop.url}/settings")
    assert re.search(r'value="4"[^>]*checked', page.text)
    clock.advance(minutes=5)
    assert (await client.get("/device", headers=device.headers)).json()["staff_name"] is None
    drawn = await shop.send("pins")
    assert re.search(r"<code>[0-9]{4}</code>", drawn.text)
    assert "a hundred times easier to guess" in drawn.text
    for bad in ({"idle_lock_minutes": "0"}, {"pin_renewal_weeks": "53"}, {"pin_digits": "9"}):
        refused = await shop.send("settings", **SETTINGS | bad)
        assert refused.status_code == 422
    store_page = await client.get(f"/dashboard/stores/{shop.store.id}")
    assert "PINs and shifts" in store_page.text
    assert "every 4 weeks" in store_page.text
