"""A business is closed by its owner only, stands still for thirty days, and comes back or goes for good."""

from __future__ import annotations

import asyncio
from copy import copy
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx2
import pytest_asyncio
from sqlalchemy import func, select, text

from app.db.lookup import Lookup
from app.db.session import system_scope, tenant_scope
from app.kernel.audit import AuditEntry
from app.kernel.clock import FixedClock
from app.kernel.jobs import JobContext
from app.kernel.jobs.runner import JobRunner
from app.modules.accounts.factories import make_member, sign_in_as
from app.modules.accounts.tests.helpers import HIDDEN, mails_to, sign_in
from app.modules.cards.factories import MadeCard, make_card
from app.modules.cards.public import PassObject
from app.modules.closing import erasing, guards
from app.modules.closing.erasing import erase_batch, removable_tables
from app.modules.closing.jobs import go_round
from app.modules.closing.models import BusinessClosing
from app.modules.customers.public import Customer
from app.modules.merchants.factories import MadeMerchant, make_merchant
from app.modules.merchants.models import Merchant
from app.modules.merchants.public import list_merchant_ids
from app.modules.staff.factories import make_staff
from app.modules.stamps.models import StampEvent
from app.modules.stores.factories import make_store
from app.modules.wallets.models import CardRefresh
from app.process import Process

PAGE = "/dashboard/closing"
EMAIL = "ana@example.com"


@dataclass
class Shop:
    """A shop with a customer who has three stamps, and its owner's browser."""

    process: Process
    clock: FixedClock
    client: httpx2.AsyncClient
    merchant: MadeMerchant
    store: Any
    card: MadeCard
    pin: str

    async def close(self, headers: dict[str, str] | None = None, **over: str) -> httpx2.Response:
        """Send the form as the owner's browser does."""
        form = {"name": self.merchant.name, "password": self.merchant.password, **over}
        return await self.send(PAGE, form, headers=headers)

    async def send(
        self, path: str, form: dict[str, str], headers: dict[str, str] | None = None
    ) -> httpx2.Response:
        """Send a form with the token of the member's own browser."""
        browser = {**(headers or self.merchant.headers), "accept": "text/html"}
        shown = await self.client.get("/dashboard/account", headers=browser)
        token = dict(HIDDEN.findall(shown.text))["csrf"]
        for name, value in shown.cookies.items():
            browser["Cookie"] += f"; {name}={value}"
        return await self.client.post(path, data={"csrf": token, **form}, headers=browser)

    async def stamp(self) -> httpx2.Response:
        """Type the PIN."""
        body = {"pass_id": self.card.card_number, "staff_pin": self.pin}
        return await self.client.post(f"/stamp/{self.store.id}", json=body)

    async def sign_in(self) -> dict[str, str]:
        """Let the owner sign in anew, weeks later."""
        return await sign_in_as(
            self.process.database, self.merchant.id, self.merchant.owner_id, now=self.clock.at
        )

    async def one(self, statement: Any) -> Any:
        """Read a value in the shop's transaction."""
        async with tenant_scope(self.process.database, self.merchant.id) as session:
            return await session.scalar(statement)

    async def work(self) -> None:
        """Do what the worker does: look, then what is due in this module."""
        made = self.process
        await go_round.run(
            JobContext(made.database, made.settings, self.clock, made.registry, made.resources)
        )
        only = copy(made.registry)
        only.modules = (only.by_name["closing"],)
        await JobRunner(made.database, only, made.settings, self.clock, resources=made.resources).drain()


@pytest_asyncio.fixture(loop_scope="session")
async def shop(process: Process, clock: FixedClock, client: httpx2.AsyncClient) -> Shop:
    """Return an open shop."""
    merchant = await make_merchant(process.database)
    store = await make_store(process.database, merchant)
    _staff_id, pin = await make_staff(process.database, store)
    card = await make_card(process.database, store, stamps=3, name="Ana", email=EMAIL, verified=True)
    return Shop(process, clock, client, merchant, store, card, pin)


CLOSED = select(func.count()).select_from(BusinessClosing)


async def test_name_and_password_are_asked_for(shop: Shop) -> None:
    """A wrong name, a wrong password: said beside the field, and the business goes on."""
    wrong_name = await shop.close(name="Tea")
    wrong_password = await shop.close(password="not-the-password-1")  # noqa: S106

    assert (wrong_name.status_code, wrong_password.status_code) == (422, 422)
    assert "not the name of the business" in wrong_name.text
    assert "not your password" in wrong_password.text
    assert await shop.one(CLOSED) == 0
    assert (await shop.stamp()).status_code == 201


async def test_nobody_but_the_owner_closes(shop: Shop) -> None:
    """A manager with the right name and their own password is refused, and sees no page."""
    manager = await make_member(shop.process.database, shop.merchant.id, "manager")
    refused = await shop.close(headers=manager.headers)
    page = await shop.client.get(PAGE, headers=manager.headers)

    assert (refused.status_code, page.status_code) == (403, 403)
    assert await shop.one(CLOSED) == 0


async def test_a_closed_shop_gives_no_stamp_and_no_card(shop: Shop) -> None:
    """Stamps and joining stop with words of their own; the card keeps what it had and says so."""
    assert (await shop.close()).status_code == 303
    stamp = await shop.stamp()
    join = await shop.client.post("/passes/create", json={"store_id": str(shop.store.id)})
    poster = await shop.client.get(f"/join/{shop.store.id}", headers={"accept": "text/html"})

    assert [(answer.status_code, answer.json()["code"]) for answer in (stamp, join)] == [
        (409, "shop_closed"),
        (409, "shop_closed"),
    ]
    assert (poster.status_code, "closed its loyalty programme" in poster.text) == (409, True)
    assert await shop.one(select(PassObject.stamp_count).where(PassObject.id == shop.card.id)) == 3
    assert await shop.one(select(func.count()).select_from(PassObject)) == 1


async def test_a_reward_can_still_be_had(shop: Shop) -> None:
    """What was earned before is handed out in the thirty days."""
    async with tenant_scope(shop.process.database, shop.merchant.id) as session:
        reward = (await session.execute(text("SELECT id, threshold FROM reward"))).one()
    full = await make_card(
        shop.process.database, shop.store, stamps=reward.threshold, columns={"reward_unlocked": True}
    )
    assert (await shop.close()).status_code == 303
    body = {"pass_id": full.card_number, "reward_id": str(reward.id), "staff_pin": shop.pin}
    redeemed = await shop.client.post(f"/rewards/{shop.store.id}/redeem", json=body)

    assert redeemed.status_code == 201, redeemed.text


async def test_control_without_the_guard_a_closed_shop_stamps(shop: Shop, monkeypatch: Any) -> None:
    """The guard is what stops it: without what it reads, the stamp is given."""
    assert (await shop.close()).status_code == 303
    monkeypatch.setattr(guards, "FEATURE", "something else")
    assert (await shop.stamp()).status_code == 201


async def test_members_and_keys_may_look_and_change_nothing(shop: Shop) -> None:
    """Pages open, changes are refused for owner and manager alike, on pages and over HTTP; the export works."""
    manager = await make_member(shop.process.database, shop.merchant.id, "manager")
    made = await shop.client.post(
        "/api-keys",
        json={"name": "till", "scopes": ["stores.view", "stores.edit"]},
        headers=shop.merchant.headers,
    )
    key = {"Authorization": f"Bearer {made.json()['key']}"}
    assert (await shop.client.get("/stores", headers=key)).status_code == 200
    assert (await shop.close()).status_code == 303
    body = {"name": "Second", "loyalty_type": "stamps"}
    for headers in (shop.merchant.headers, manager.headers, key):
        page = await shop.client.get("/stores", headers=headers)
        change = await shop.client.post("/stores", json=body, headers=headers)
        assert (page.status_code, change.status_code) == (200, 409)
        assert change.json()["code"] == "business_closed"
    export = await shop.send("/dashboard/exports/customers", {"form": "csv"})
    assert export.status_code == 200
    assert EMAIL in export.text


async def test_opened_again_everything_is_as_it_was(shop: Shop) -> None:
    """On the last day the owner opens it; the next stamp is the fourth, and both steps left entry and mail."""
    assert (await shop.close()).status_code == 303
    shop.clock.at += timedelta(days=29)
    opened = await shop.send(f"{PAGE}/open", {}, headers=await shop.sign_in())
    stamp = await shop.stamp()

    assert opened.status_code == 303
    assert (stamp.status_code, stamp.json()["stamp_count"]) == (201, 4)
    assert await shop.one(CLOSED) == 0
    subjects = [subject for kind, subject, _text in await mails_to(shop.process, shop.merchant.email)]
    assert subjects[-2:] == ["CoffeeLux is closed", "CoffeeLux is open again"]
    async with tenant_scope(shop.process.database, shop.merchant.id) as session:
        actions = set(await session.scalars(select(AuditEntry.action)))
    assert {"business.closed", "business.opened_again"} <= actions


async def test_pressed_twice_it_is_closed_once(shop: Shop) -> None:
    """Two forms at once: one closing, one mail, and the thirty days count from the first."""
    answers = await asyncio.wait_for(asyncio.gather(shop.close(), shop.close()), 60)

    assert [answer.status_code for answer in answers] == [303, 303]
    kinds = [kind for kind, _subject, _text in await mails_to(shop.process, shop.merchant.email)]
    assert kinds.count("business_closed") == 1


async def test_nothing_is_erased_before_its_time(shop: Shop) -> None:
    """A minute before the thirty days are over the worker leaves everybody alone."""
    assert (await shop.close()).status_code == 303
    shop.clock.at += timedelta(days=30) - timedelta(minutes=1)
    await shop.work()

    assert await shop.one(select(Customer.name).where(Customer.id == shop.card.customer_id)) == "Ana"


async def test_after_thirty_days_people_are_erased_and_cards_end(shop: Shop) -> None:
    """The customer is blank, the card is erased and waits for its wallets, and nobody signs in any more."""
    assert (await shop.close()).status_code == 303
    shop.clock.at += timedelta(days=30)
    headers = {**await shop.sign_in(), "accept": "text/html"}
    before = await shop.client.get("/dashboard", headers=headers)
    await shop.work()
    page = await shop.client.get("/dashboard", headers=headers)
    again = await sign_in(shop.client, shop.merchant.email, shop.merchant.password)

    customer = (Customer.name, Customer.email, Customer.erased_at)
    async with tenant_scope(shop.process.database, shop.merchant.id) as session:
        name, email, erased_at = (await session.execute(select(*customer))).one()
        status = await session.scalar(select(PassObject.status))
        marked = await session.scalar(select(func.count()).select_from(CardRefresh))
    assert (name, email, erased_at is not None) == (None, None, True)
    assert (status, marked) == ("erased", 1)
    assert (before.status_code, page.status_code, again.status_code) == (200, 303, 401)
    assert page.headers["location"].startswith("/sign-in")


async def test_days_later_nothing_is_left_but_numbers(shop: Shop) -> None:
    """Every row that may go is gone, the business has no name and no owner; the ledger still stands."""
    assert (await shop.close()).status_code == 303
    shop.clock.at += timedelta(days=30)
    await shop.work()
    shop.clock.at += timedelta(days=3)
    await shop.work()

    async with tenant_scope(shop.process.database, shop.merchant.id) as session:
        left = {
            table.name: await session.scalar(
                select(func.count()).select_from(table).where(table.c.merchant_id == shop.merchant.id)
            )
            for table in removable_tables()
        }
        merchant = await session.get(Merchant, shop.merchant.id)
        lookups = await session.scalar(select(func.count()).where(Lookup.merchant_id == shop.merchant.id))
        stamps = await session.scalar(select(func.sum(StampEvent.stamps_added)))
    async with system_scope(shop.process.database) as system:
        assert shop.merchant.id not in await list_merchant_ids(system)
    assert {name: rows for name, rows in left.items() if rows} == {}
    assert merchant is not None
    assert (merchant.name, merchant.owner_name, merchant.password_hash) == ("–", "", "")
    assert (lookups, stamps) == (0, 3)


async def test_a_neighbour_keeps_everything(shop: Shop) -> None:
    """While one business is erased and emptied, another one's customer and card stay."""
    neighbour = await make_merchant(shop.process.database)
    card = await make_card(
        shop.process.database, await make_store(shop.process.database, neighbour), name="Bob"
    )
    assert (await shop.close()).status_code == 303
    for days in (30, 3):
        shop.clock.at += timedelta(days=days)
        await shop.work()

    async with tenant_scope(shop.process.database, neighbour.id) as session:
        assert await session.scalar(select(Customer.name).where(Customer.id == card.customer_id)) == "Bob"
        assert await session.scalar(select(PassObject.status)) == "active"
        assert (await session.get(Merchant, neighbour.id)).name == "CoffeeLux"  # type: ignore[union-attr]


async def _open_while_the_eraser_waits(shop: Shop) -> str | None:
    """Take the last step of opening again just before the eraser looks; return what the customer is called then."""
    assert (await shop.close()).status_code == 303
    shop.clock.at += timedelta(days=30)
    async with tenant_scope(shop.process.database, shop.merchant.id) as session:
        await session.execute(text("SELECT 1 FROM business_closing FOR UPDATE"))

        async def erase() -> None:
            async with tenant_scope(shop.process.database, shop.merchant.id) as other:
                await erase_batch(other, shop.merchant.id, now=shop.clock.at)

        task = asyncio.create_task(erase())
        async with asyncio.timeout(20):
            while not task.done() and not await _somebody_waits(shop):
                await asyncio.sleep(0.01)
        await session.execute(text("DELETE FROM business_closing"))
    await asyncio.wait_for(task, 20)
    name: str | None = await shop.one(select(Customer.name).where(Customer.id == shop.card.customer_id))
    return name


async def _somebody_waits(shop: Shop) -> bool:
    async with shop.process.database.sessions() as session:
        waiting = await session.scalar(
            text(
                "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
            )
        )
    return bool(waiting)


async def test_opened_in_the_last_moment_nobody_is_erased(shop: Shop) -> None:
    """The eraser waits for the row, and finds the business open."""
    assert await _open_while_the_eraser_waits(shop) == "Ana"


async def test_control_without_the_lock_the_reopened_is_erased(shop: Shop, monkeypatch: Any) -> None:
    """The lock is what keeps it: an eraser that only looked would have gone on."""
    looked = erasing.find_closing

    async def look_only(session: Any, merchant_id: Any, *, lock: bool) -> Any:
        return await looked(session, merchant_id)

    monkeypatch.setattr(erasing, "find_closing", look_only)
    assert await _open_while_the_eraser_waits(shop) is None
