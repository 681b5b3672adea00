"""Receivers that hang or failed, and what they take from others; a worker killed at the worst moment."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator
from copy import copy
from datetime import timedelta
from uuid import UUID

import asyncpg
import pytest
import pytest_asyncio
from sqlalchemy import text, update

from app.db.session import system_scope, tenant_scope
from app.kernel.jobs.enqueue import enqueue
from app.kernel.jobs.places import CALLING_PLACES, kind_of
from app.kernel.jobs.runner import POLL_BATCH, JobRunner
from app.kernel.permissions import Principal
from app.modules.merchants.factories import make_merchant
from app.modules.merchants.public import switch_feature
from app.modules.webhooks.deliveries import send_test
from app.modules.webhooks.endpoints import Draft, create_endpoint
from app.modules.webhooks.models import WebhookDelivery, WebhookEndpoint
from app.modules.webhooks.rules import ENDPOINTS_MAX, EVENTS
from app.modules.webhooks.sending import jobs
from app.modules.webhooks.tests.conftest import Shop
from app.modules.webhooks.tests.dying_worker import write_wish
from tests.receiver import HOST

pytestmark = pytest.mark.usefixtures("clock_at_start")
WAIT_SECONDS = 30
# Several rounds of the poller, for the control: nothing may come.
CONTROL_SECONDS = 3


@pytest_asyncio.fixture(autouse=True, loop_scope="session")
async def nothing_waits_afterwards(owners_connection: asyncpg.Connection) -> AsyncIterator[None]:
    """Leave nothing of other shops to the poller of the next test."""
    yield
    await owners_connection.execute("UPDATE webhook_delivery SET status = 'failed' WHERE status = 'waiting'")


async def _test_of_another(shop: Shop, merchants: int = 1) -> list[tuple[UUID, UUID]]:
    """Let other shops each send a test to an address of theirs; return the shops and the addresses."""
    made = []
    for _shop in range(merchants):
        merchant = await make_merchant(shop.database)
        owner = Principal("member", merchant.id, merchant.owner_id, role="owner")
        async with tenant_scope(shop.database, merchant.id) as session:
            await switch_feature(session, owner, "webhooks", is_on=True, now=shop.clock.at)
            row = await create_endpoint(
                session, owner, Draft(f"https://{HOST}/other", EVENTS), now=shop.clock.at
            )
            await send_test(session, owner, row.id, now=shop.clock.at)
            made.append((merchant.id, row.id))
    return made


async def _beside_one_that_hangs(shop: Shop, *, seconds: float) -> tuple[bool, int]:
    """Let all ten addresses of a shop hang; tell whether another's event comes meanwhile, and how many hang."""
    for _address in range(ENDPOINTS_MAX - 1):
        await shop.endpoint()
    card = await shop.card()
    let_go, came, hanging = asyncio.Event(), asyncio.Event(), 0
    all_taken = asyncio.Event()
    places = min(CALLING_PLACES, jobs.OF_A_MERCHANT)

    async def hold() -> None:
        nonlocal hanging
        told = json.loads(shop.receiver.came[-1][1])
        if told["data"]["merchant_id"] != str(shop.merchant.id):
            came.set()
            return
        hanging += 1
        if hanging == places:
            all_taken.set()
        await let_go.wait()

    shop.receiver.meanwhile = hold
    made, only = shop.process, copy(shop.process.registry)
    only.modules = (only.by_name["webhooks"],)
    stop = asyncio.Event()
    runner = JobRunner(made.database, only, made.settings, shop.clock, resources=made.resources)
    running = asyncio.create_task(runner.run(stop))
    try:
        await asyncio.wait_for(all_taken.wait(), WAIT_SECONDS)
        # The till does not wait either: the visit is granted while all ten hang.
        await shop.stamp(card)
        await _test_of_another(shop)
        try:
            await asyncio.wait_for(came.wait(), seconds)
        except TimeoutError:
            return False, hanging
        return True, hanging
    finally:
        let_go.set()
        stop.set()
        await asyncio.wait_for(running, WAIT_SECONDS)


async def test_receivers_that_hang_leave_places_to_other_shops(shop: Shop) -> None:
    """Two of ten addresses are tried at a time; another shop's event and the till's stamp go on meanwhile."""
    assert await _beside_one_that_hangs(shop, seconds=WAIT_SECONDS) == (True, 2)


async def test_without_shares_they_hold_up_the_others(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: the same with a share of all places; the other's event waits."""
    monkeypatch.setattr(jobs, "OF_A_MERCHANT", ENDPOINTS_MAX)
    assert await _beside_one_that_hangs(shop, seconds=CONTROL_SECONDS) == (False, 3)


async def _queued(shop: Shop) -> set[str]:
    async with system_scope(shop.database) as session:
        rows = await session.scalars(
            text("SELECT dedupe_key FROM pgqueuer WHERE entrypoint = 'webhooks.send' AND status = 'queued'")
        )
        return {key.rpartition(":")[2] for key in rows}


async def test_those_that_failed_last_stand_in_a_line_of_their_own(shop: Shop) -> None:
    """Of six shops whose receiver failed two are tried, and the same until those have begun; who is well goes on."""
    failing = await _test_of_another(shop, 6)
    for merchant_id, _endpoint_id in failing:
        async with tenant_scope(shop.database, merchant_id) as session:
            await session.execute(update(WebhookEndpoint).values(failures=1))
    (well,) = await _test_of_another(shop)
    for _time in range(2):
        await jobs.poll_due(shop.context())
    wanted = await _queued(shop)
    assert wanted == {str(well[1]), *(str(one[1]) for one in failing[: jobs.FAILING])}
    # Both have begun: no third one until one of them is done.
    for merchant_id, _endpoint_id in failing[: jobs.FAILING]:
        async with tenant_scope(shop.database, merchant_id) as session:
            await session.execute(
                update(WebhookEndpoint).values(sending_until=shop.clock.at + timedelta(minutes=3))
            )
    await jobs.poll_due(shop.context())
    assert await _queued(shop) == wanted
    async with tenant_scope(shop.database, failing[0][0]) as session:
        await session.execute(update(WebhookEndpoint).values(sending_until=None, retry_at=shop.clock.at))
    await jobs.poll_due(shop.context())
    assert await _queued(shop) == wanted | {str(failing[2][1])}


async def _fail(shop: Shop, merchant_id: UUID, *endpoint_ids: UUID, minutes_ago: int) -> None:
    """Let addresses have failed often; they were due for a probe so many minutes ago."""
    async with tenant_scope(shop.database, merchant_id) as session:
        due = shop.clock.at - timedelta(minutes=minutes_ago)
        which = WebhookEndpoint.id.in_(endpoint_ids)
        await session.execute(update(WebhookEndpoint).where(which).values(failures=5, retry_at=due))


async def _one_who_tests_on_and_on(shop: Shop) -> bool:
    """Let a shop press the button at each of two dead addresses; tell whether another's dead one is probed, too."""
    await shop.card()
    mine = [shop.endpoint_id, await shop.endpoint()]
    await _fail(shop, shop.merchant.id, *mine, minutes_ago=-60)
    ((other, its),) = await _test_of_another(shop)
    await _fail(shop, other, its, minutes_ago=1)
    for endpoint_id in mine:
        async with tenant_scope(shop.database, shop.merchant.id) as session:
            await send_test(session, shop.owner, endpoint_id, now=shop.clock.at)
    # What waits at the two is older than all that others have.
    async with tenant_scope(shop.database, shop.merchant.id) as session:
        old = shop.clock.at - timedelta(days=1)
        await session.execute(update(WebhookDelivery).values(next_at=old))
    # Both have begun before the other's is looked for, as far as they are let.
    for endpoint_id in await _picked(shop, set(map(str, mine))):
        async with tenant_scope(shop.database, shop.merchant.id) as session:
            which = WebhookEndpoint.id == UUID(endpoint_id)
            until = shop.clock.at + timedelta(minutes=3)
            await session.execute(update(WebhookEndpoint).where(which).values(sending_until=until))
    return str(its) in await _picked(shop, {str(its)})


async def _picked(shop: Shop, which: set[str]) -> set[str]:
    await jobs.poll_due(shop.context())
    return await _queued(shop) & which


async def test_who_tests_on_and_on_does_not_keep_others_from_being_probed(shop: Shop) -> None:
    """Of the two places for those that failed a shop has one, and the button puts nobody before who waits longer."""
    assert await _one_who_tests_on_and_on(shop)


async def test_the_button_leaves_an_address_behind_those_that_wait_longer(shop: Shop) -> None:
    """One that is due already keeps its turn; one that is not yet is due now, and no earlier."""
    for minutes_ago, due in ((5, -5), (-60, 0)):
        await _fail(shop, shop.merchant.id, shop.endpoint_id, minutes_ago=minutes_ago)
        async with tenant_scope(shop.database, shop.merchant.id) as session:
            await send_test(session, shop.owner, shop.endpoint_id, now=shop.clock.at)
        assert (await shop.row()).retry_at == shop.clock.at + timedelta(minutes=due)


async def test_without_a_share_of_the_failing_others_are_not_probed(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: where one shop may hold both places of those that failed, it does."""
    monkeypatch.setattr(jobs, "FAILING_OF_A_MERCHANT", jobs.FAILING)
    # The other's turn comes last, as with a button that puts its own in front.
    monkeypatch.setattr(jobs, "_DUE", text(str(jobs._DUE).replace("greatest(retry_at,", "coalesce(NULL,")))
    assert not await _one_who_tests_on_and_on(shop)


async def test_the_poller_and_a_drain_end_although_an_address_stays_due(shop: Shop) -> None:
    """Where its run waits for another day, nothing more can be done now: less than a batch, and no round for ever."""
    await shop.card()
    async with system_scope(shop.database) as session:
        await enqueue(
            session,
            jobs.send,
            merchant_id=shop.merchant.id,
            key=str(shop.endpoint_id),
            run_at=shop.clock.at + timedelta(days=1),
            endpoint_id=shop.endpoint_id,
        )
        # Begun once and failed: wishes do not bring it forward.
        await session.execute(
            text("UPDATE pgqueuer SET starts = 1, attempts = 1 WHERE dedupe_key LIKE :key"),
            {"key": f"%{shop.endpoint_id}"},
        )
    async with asyncio.timeout(WAIT_SECONDS):
        await shop.work()
    assert shop.receiver.came == []
    assert await jobs.poll_due(shop.context()) < POLL_BATCH


def test_sending_has_the_few_places_of_what_calls_others() -> None:
    """However many shops' programs answer slowly, campaigns and files find a place (test_job_places.py)."""
    assert kind_of(jobs.send, is_periodic=False) == "calling"


_WAITS_FOR_LOCK = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
)


async def test_a_worker_killed_between_the_answer_and_its_commit_tells_it_once_more(
    shop: Shop, owners_connection: asyncpg.Connection
) -> None:
    """The same id and bytes come a second time and never again; the log has the one line and the one try."""
    await shop.card()
    wish = write_wish(shop.process, shop.receiver, merchant_id=shop.merchant.id, endpoint_id=shop.endpoint_id)
    worker = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "app.modules.webhooks.tests.dying_worker", stdin=asyncio.subprocess.PIPE
    )
    asked = asyncio.Event()

    async def note() -> None:
        # Whoever holds the address's row keeps the worker from noting what it will hear.
        await owners_connection.execute("BEGIN")
        await owners_connection.execute(
            "SELECT FROM webhook_endpoint WHERE id = $1 FOR UPDATE", shop.endpoint_id
        )
        asked.set()

    shop.receiver.meanwhile = note
    try:
        assert worker.stdin is not None
        worker.stdin.write(wish)
        worker.stdin.write_eof()
        async with asyncio.timeout(WAIT_SECONDS):
            await asked.wait()
            while not await owners_connection.fetchval(_WAITS_FOR_LOCK):
                await asyncio.sleep(0.02)
    finally:
        if worker.returncode is None:
            worker.kill()
        await asyncio.wait_for(worker.wait(), WAIT_SECONDS)
        await owners_connection.execute("ROLLBACK")
    shop.receiver.meanwhile = None
    assert worker.returncode == -signal.SIGKILL
    (line,) = await shop.deliveries()
    assert (line.status, line.attempts, await shop.tries()) == ("waiting", 0, [])

    await shop.work()
    assert len(shop.receiver.came) == 1
    await shop.later(minutes=3)
    await shop.later(minutes=30)
    first, second = shop.receiver.came
    assert (first[0]["webhook-id"], first[1]) == (second[0]["webhook-id"], second[1])
    (line,) = await shop.deliveries()
    assert (line.status, line.attempts) == ("delivered", 1)
    assert [one.status for one in await shop.tries()] == [200]
