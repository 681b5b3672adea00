"""The places of a worker: what one business may hold of them, whatever it has queued."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from app.db.session import system_scope, tenant_scope
from app.kernel.adapters import Resources
from app.kernel.jobs import Backoff, enqueue, job, places
from app.kernel.jobs.places import (
    CALLING_PLACES,
    LONG_PLACES,
    LONG_PLACES_OF_A_MERCHANT,
    PLACES,
    PROMPT_PLACES,
    WAITING_PLACES,
    Places,
    kind_of,
)
from app.kernel.jobs.runner import JobRunner
from app.kernel.module import Module
from app.kernel.registry import Registry
from tests.waiting import WAIT_SECONDS_MAX

SHORT = Backoff(first=timedelta(seconds=10), give_up_after=timedelta(minutes=3))
MINE, OTHER = uuid4(), uuid4()


class Factory:
    """A worker whose jobs go on until they are let go; who is at work is on the list."""

    def __init__(self, database, settings, clock):
        mark = uuid4().hex[:8]
        self.database = database
        self.at_work: list[tuple[str, UUID]] = []
        self.most: Counter[tuple[str, UUID]] = Counter()
        self.let_go = asyncio.Event()

        def of(name, **options):
            @job(f"places_{mark}.{name}", retry=SHORT, **options)
            async def work(ctx):
                self.at_work.append((name, ctx.merchant_id))
                now = Counter(self.at_work)
                self.most |= now
                await self.let_go.wait()
                self.at_work.remove((name, ctx.merchant_id))

            return work

        self.jobs = {
            "prompt": of("prompt"),
            "patient": of("patient", priority=-5),
            "calling": of("calling", priority=-2, calls_strangers=True),
            "long": of("long", priority=-15, timeout=timedelta(minutes=30)),
        }
        module = Module(name="places", title="Places", jobs=tuple(self.jobs.values()), package="app.kernel")
        self.runner = JobRunner(database, Registry([module]), settings, clock, resources=Resources())
        self.stop = asyncio.Event()

    async def queue(self, merchant_id: UUID, **counts: int) -> None:
        """Queue so many jobs of each kind for a business."""
        async with tenant_scope(self.database, merchant_id) as session:
            for kind, count in counts.items():
                for _number in range(count):
                    await enqueue(session, self.jobs[kind], merchant_id=merchant_id)

    async def waiting(self, kind: str) -> int:
        """Return how many jobs of a kind have not begun."""
        async with system_scope(self.database) as session:
            query = text("SELECT count(*) FROM pgqueuer WHERE entrypoint = :name AND status = 'queued'")
            return await session.scalar(query, {"name": self.jobs[kind].name})

    async def until(self, *wanted: tuple[str, UUID]) -> None:
        """Wait until these are at work."""
        async with asyncio.timeout(WAIT_SECONDS_MAX):
            while Counter(wanted) - Counter(self.at_work):
                await asyncio.sleep(0.01)


@pytest.fixture
async def factory(database, settings, clock):
    """Return a running worker; it ends with the test."""
    factory = Factory(database, settings, clock)
    running = asyncio.create_task(factory.runner.run(factory.stop))
    yield factory
    factory.let_go.set()
    factory.stop.set()
    await asyncio.wait_for(running, WAIT_SECONDS_MAX)


async def test_one_business_leaves_places_for_whoever_comes_later(factory):
    """A hundred jobs that may wait and ten long ones hold five places; another's prompt and long work begins."""
    await factory.queue(MINE, long=10)
    await factory.until(*[("long", MINE)] * LONG_PLACES_OF_A_MERCHANT)
    await factory.queue(MINE, patient=100)
    await factory.until(*[("patient", MINE)] * (WAITING_PLACES - LONG_PLACES_OF_A_MERCHANT))
    await factory.queue(OTHER, prompt=4)
    await factory.until(*[("prompt", OTHER)] * 4)

    held = Counter(merchant for _kind, merchant in factory.at_work)
    assert held == {MINE: WAITING_PLACES, OTHER: 4}
    assert factory.most["long", MINE] == LONG_PLACES_OF_A_MERCHANT


async def test_a_business_beyond_its_share_lets_the_next_one_pass(factory, clock):
    """Long work of another begins while the first has more of it queued in front; that comes back by itself."""
    await factory.queue(MINE, long=LONG_PLACES_OF_A_MERCHANT + 1)
    await factory.queue(OTHER, long=1)
    await factory.until(*[("long", MINE)] * LONG_PLACES_OF_A_MERCHANT, ("long", OTHER))
    assert await factory.waiting("long") == 1

    factory.let_go.set()
    async with asyncio.timeout(WAIT_SECONDS_MAX):
        while await factory.waiting("long"):
            clock.advance(seconds=3)
            await asyncio.sleep(0.05)


async def _many_that_call(factory) -> None:
    """Let a shop each, as many as there are places, call a program that takes its time; then other work comes."""
    for _shop in range(PLACES):
        await factory.queue(uuid4(), calling=1)
    async with asyncio.timeout(WAIT_SECONDS_MAX):
        while sum(kind == "calling" for kind, _merchant in factory.at_work) < places.CALLING_PLACES:
            await asyncio.sleep(0.01)
    await factory.queue(OTHER, patient=1, long=1)


async def test_slow_programs_of_many_shops_leave_places_for_campaigns_and_files(factory):
    """Three places are all that wait for programs of others, of however many shops."""
    await _many_that_call(factory)
    await factory.until(("patient", OTHER), ("long", OTHER))

    assert Counter(kind for kind, _merchant in factory.at_work)["calling"] == CALLING_PLACES == 3


async def test_control_without_that_limit_campaigns_and_files_find_no_place(factory, monkeypatch):
    """The same where calls may hold all that may wait."""
    monkeypatch.setattr(places, "CALLING_PLACES", WAITING_PLACES)
    await _many_that_call(factory)

    assert [Places.room(factory.runner._places, kind) for kind in ("patient", "long")] == [0, 0]
    assert [await factory.waiting(kind) for kind in ("patient", "long")] == [1, 1]


async def test_a_flood_of_prompt_work_leaves_places_for_what_may_wait(factory):
    """Eight places are prompt work's at most: campaigns and the calendar go on beside it."""
    await factory.queue(MINE, prompt=50)
    await factory.until(*[("prompt", MINE)] * PROMPT_PLACES)
    await factory.queue(OTHER, patient=2)
    await factory.until(("patient", OTHER), ("patient", OTHER))

    assert factory.most["prompt", MINE] == PROMPT_PLACES


async def test_control_without_shares_one_business_takes_all_places(factory, monkeypatch):
    """Where places are for whoever comes first, the other's prompt work finds none."""
    for name in ("PROMPT_PLACES", "WAITING_PLACES", "LONG_PLACES", "LONG_PLACES_OF_A_MERCHANT"):
        monkeypatch.setattr(places, name, PLACES)
    await factory.queue(MINE, long=PLACES)
    await factory.until(*[("long", MINE)] * PLACES)
    await factory.queue(OTHER, prompt=1)

    assert Places.room(factory.runner._places, "prompt") == 0
    assert await factory.waiting("prompt") == 1


async def test_all_that_waits_is_done_at_last(factory):
    """More of every kind than there are places, of two businesses: nothing is left over."""
    factory.let_go.set()
    for merchant_id in (MINE, OTHER):
        await factory.queue(merchant_id, prompt=30, patient=30, calling=10, long=LONG_PLACES_OF_A_MERCHANT)
    async with asyncio.timeout(WAIT_SECONDS_MAX):
        while factory.at_work or any([await factory.waiting(kind) for kind in factory.jobs]):
            await asyncio.sleep(0.05)

    assert {kind for kind, _merchant in factory.most} == {"prompt", "patient", "calling", "long"}


def test_places_left_follow_from_those_held():
    """Each kind by its own limit and by those it shares."""
    held = Places()
    for number in range(LONG_PLACES):
        held.take(number, "long", MINE)
    assert (held.room("prompt"), held.room("patient"), held.room("long")) == (PLACES - LONG_PLACES, 2, 0)
    held.take(10, "patient", MINE)
    held.take(11, "patient", MINE)
    assert (held.room("prompt"), held.room("patient"), held.room("long")) == (5, 0, 0)
    held.give_back(0)
    assert (held.room("prompt"), held.room("patient"), held.room("long")) == (6, 1, 1)


def test_the_kind_follows_from_the_definition():
    """A file is long, a webhook calls, a campaign is patient, a card prompt; the calendar is patient, however long."""

    async def work(ctx):
        return None

    file = job("x.file", timeout=timedelta(minutes=30), priority=-15)(work)
    mail = job("x.mail", priority=-5)(work)
    hook = job("x.hook", priority=-2, calls_strangers=True)(work)
    card = job("x.card")(work)

    kinds = [kind_of(one, is_periodic=False) for one in (file, mail, hook, card)]
    assert kinds == ["long", "patient", "calling", "prompt"]
    assert kind_of(file, is_periodic=True) == "patient"
