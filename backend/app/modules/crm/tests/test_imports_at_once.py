"""Imports and undos that are killed, doubled or raced, each with its control."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import select, text

from app.db.session import tenant_scope
from app.modules.cards.public import PassObject
from app.modules.crm.importing import work
from app.modules.crm.importing.jobs import work_on_import
from app.modules.crm.importing.work import BATCH, next_batch
from app.modules.crm.tests.importers import Shop, many
from tests.waiting import Meeting, somebody_waits


@pytest.fixture
async def shop(client, database, process):
    """Return an open shop."""
    return await Shop(client, database, process).open()


async def test_a_killed_worker_doubles_nobody(shop, clock):
    """Killed after a kept batch and in the middle of the next, the job goes on: everybody once, each balance once."""
    count = 2 * BATCH + 20
    url = await shop.upload(many(count))
    plan = {"column_name": "0", "column_email": "1", "column_points": "2", "store": str(shop.store.id)}
    await shop.post(f"{url}/check", url, **plan)
    await shop.work()
    await shop.post(f"{url}/start", url)
    run_id = (await shop.run(url)).id
    async with tenant_scope(shop.database, shop.merchant.id) as session:
        assert await next_batch(session, shop.merchant.id, run_id, now=clock.now())

    class Killed(Exception):
        """The end of a process, as far as its transaction knows."""

    with pytest.raises(Killed):  # noqa: PT012 (the transaction must end by it)
        async with tenant_scope(shop.database, shop.merchant.id) as session:
            await next_batch(session, shop.merchant.id, run_id, now=clock.now())
            raise Killed
    assert len(await shop.people()) == BATCH

    await shop.work()
    run = await shop.run(url)
    assert (run.status, run.counts) == ("done", {"new": count})
    assert len(await shop.people()) == count
    assert (await shop.ask("SELECT count(*), sum(points_added) FROM points_event"))[0] == (count, 5 * count)
    await work_on_import(shop.context(), run_id=run_id)
    assert len(await shop.people()) == count


async def two_runs(shop):
    """Have two files checked that name the same thirty people, and both begun, as if nobody had refused one."""
    urls = [await shop.upload(many(30)), await shop.upload(many(30) + "Extra,extra@example.com,1\n")]
    for url in urls:
        await shop.post(f"{url}/check", url, column_name="0", column_email="1")
    await shop.work()
    assert (await shop.post(f"{urls[0]}/start", urls[0])).status_code == 303
    await shop.post(f"{urls[1]}/start", urls[1])
    runs = [await shop.run(url) for url in urls]
    assert [run.status for run in runs] == ["running", "checked"]
    async with tenant_scope(shop.database, shop.merchant.id) as session:
        await session.execute(
            text("UPDATE import_run SET status = 'running', rows_done = 0, counts = '{}' WHERE id = :id"),
            {"id": runs[1].id},
        )
    return urls, runs


async def test_two_imports_at_once_add_a_person_once(shop):
    """The second is refused while one is under way; two workers on two runs, forced, still add everybody once."""
    urls, runs = await two_runs(shop)
    await asyncio.gather(*(work_on_import(shop.context(), run_id=run.id) for run in runs for _ in range(2)))

    assert len(await shop.people()) == 31
    counts = [(await shop.run(url)).counts for url in urls]
    assert sum(count.get("new", 0) for count in counts) == 31


async def test_control_without_the_lock_people_are_doubled(shop, monkeypatch):
    """With one batch at a time taken away, both runs look before either has written: the test above can fail."""
    _urls, runs = await two_runs(shop)
    looked, real = Meeting(2), work._match

    async def look_together(session, run, rows, parsed):
        found = await real(session, run, rows, parsed)
        if run.rows_done == 0:
            await looked.wait()
        return found

    async def no_lock(_session, *_name):
        return None

    monkeypatch.setattr(work, "lock_name", no_lock)
    monkeypatch.setattr(work, "_match", look_together)
    await asyncio.gather(*(work_on_import(shop.context(), run_id=run.id) for run in runs))

    assert len(await shop.people()) == 61


class Stamp:
    """A visit that is written and not yet committed, as the till writes it: the card's row is held."""

    def __init__(self, shop):
        self.shop = shop
        self.session = shop.database.sessions()

    async def give(self, card_id):
        """Write it."""
        await self.session.execute(
            text("SELECT set_config('stempel.merchant_id', :m, true)"), {"m": str(self.shop.merchant.id)}
        )
        await self.session.execute(
            text("UPDATE pass_object SET last_visit_at = now() WHERE id = :id"), {"id": card_id}
        )
        await self.session.execute(
            text(
                "INSERT INTO visit (merchant_id, id, store_id, pass_id, given_by, source, currency, stamps, at)"
                " VALUES (:m, gen_random_uuid(), :s, :c, 'pin', 'staff_device', 'EUR', 0, now())"
            ),
            {"m": self.shop.merchant.id, "s": self.shop.store.id, "c": card_id},
        )

    async def commit(self):
        """Let it be."""
        await self.session.commit()
        await self.session.close()


async def undo_beside_a_stamp(shop):
    """Take an import back while its first customer is being given a visit; return who is left."""
    url = await shop.bring(many(3), column_name="0", column_email="1", store=str(shop.store.id))
    (card, *_others) = await shop.ask("SELECT id FROM pass_object ORDER BY id")
    assert (await shop.post(f"{url}/undo", url)).status_code == 303
    stamp = Stamp(shop)
    await stamp.give(card.id)
    undo = asyncio.create_task(work_on_import(shop.context(), run_id=(await shop.run(url)).id))
    await somebody_waits(shop.database)
    await stamp.commit()
    await undo
    assert (await shop.run(url)).status == "undone"
    return [name for name, _email, _phone in await shop.people()]


async def test_who_is_being_stamped_stays(shop):
    """A visit committed while the undo has begun is waited for and seen: the customer came, and stays."""
    assert await undo_beside_a_stamp(shop) == ["P0"]


async def test_control_without_the_locks_a_customer_who_came_is_erased(shop, monkeypatch):
    """With the locks taken away the undo asks too early: the test above can fail."""

    async def only_read(session, merchant_id, ids):
        found = await session.scalars(
            select(PassObject).where(PassObject.merchant_id == merchant_id, PassObject.customer_id.in_(ids))
        )
        cards = {}
        for card in found.all():
            cards.setdefault(card.customer_id, []).append(card)
        return cards

    monkeypatch.setattr(work, "_lock_people", only_read)

    assert await undo_beside_a_stamp(shop) == []
