"""One business's files and campaign fill the real worker; another's stamps and wallets do not wait for them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

import pytest
from sqlalchemy import text

from app.db.session import tenant_scope
from app.kernel.jobs import enqueue
from app.kernel.jobs.places import LONG_PLACES_OF_A_MERCHANT, PLACES, WAITING_PLACES
from app.kernel.settings import save_settings
from app.modules.cards.factories import make_card
from app.modules.exports.jobs import make_file
from app.modules.exports.models import ExportFile
from app.modules.merchants.factories import make_merchant
from app.modules.messaging.public import MARKETING, queue_mail
from app.modules.nudges.settings import NudgeSettings
from app.modules.stores.factories import make_store
from app.process import Process, build_process
from app.utils.id_generator import new_id
from tests.faults.installation import Installation, installation
from tests.faults.running import run
from tests.faults.settling import differing_outputs
from tests.faults.test_overload import CALM, calm

T = TypeVar("T")
FILE, CAMPAIGN = "exports.make_file", "messaging.send_marketing"
CUSTOMERS = 60_000
FILES = PLACES + 2
MAILS = 12
LOOK_EVERY_SECONDS = 0.2
HELD_SECONDS_MAX = 60.0
SHOWN_SECONDS_MAX = 60.0

_FILL = text(
    "INSERT INTO customer (merchant_id, id, name, locale) SELECT :m, gen_random_uuid(), repeat('n', 60) || n, 'en'"
    " FROM generate_series(1, :rows) AS n"
)
# What of a business is being worked on at this moment, by kind.
_HELD = """SELECT entrypoint, count(*) FROM pgqueuer WHERE status = 'picked' AND starts > 0
    AND headers->>'merchant_id' = $1 GROUP BY 1"""
_FILES_LEFT = "SELECT count(*) FROM export_file WHERE merchant_id = $1 AND status IN ('waiting', 'making')"


@pytest.fixture(scope="module")
def place() -> Iterator[Installation]:
    """Return an installation without a worker; files hold two connections each, and none shall wait for one."""
    with installation(STEMPEL_DATABASE_POOL_SIZE="40") as place:
        for _number in range(2):
            place.start_web()
        place.start_outside("google", "apns", "smtp")
        place.wait_until_ready()
        yield place


@pytest.fixture
def neighbour(place: Installation) -> Iterator[UUID]:
    """Return a large business whose files and campaign are ordered; the mail server does not answer meanwhile."""
    place.outside["smtp"].starve()
    yield run(with_process(place, order_everything))
    for worker in place.workers:
        worker.kill()
    place.workers.clear()
    place.outside["smtp"].feed()
    run(forget_work(place))


async def forget_work(place: Installation) -> None:
    """Leave nothing of it to the next test's worker."""
    connection = await place.connect()
    try:
        await connection.execute("DELETE FROM pgqueuer")
    finally:
        await connection.close()


async def with_process(place: Installation, work: Callable[[Process], Awaitable[T]]) -> T:
    """Do something as one of the installation's processes would."""
    process = build_process(place.settings)
    try:
        await process.open()
        return await work(process)
    finally:
        await process.aclose()


async def order_everything(process: Process) -> UUID:
    """Order more files than there are places, as several members of several large businesses may, and a campaign."""
    now = datetime.now(UTC)
    merchant = await make_merchant(process.database)
    store = await make_store(process.database, merchant)
    awake = NudgeSettings.model_validate({"quiet_from": "00:00", "quiet_to": "00:00"})
    async with tenant_scope(process.database, merchant.id) as session:
        await save_settings(session, awake, merchant_id=merchant.id)
        await session.execute(_FILL, {"m": merchant.id, "rows": CUSTOMERS})
    for number in range(MAILS):
        address = f"reader{number}@example.org"
        card = await make_card(
            process.database, store, name="Reader", email=address, email_consent=True, verified=True
        )
        async with tenant_scope(process.database, merchant.id) as session:
            await queue_mail(
                session,
                merchant_id=merchant.id,
                recipient=address,
                kind="promotion",
                locale="en",
                subject="Sale",
                text="Come.",
                customer_id=card.customer_id,
                purpose=MARKETING,
                now=now,
            )
    async with tenant_scope(process.database, merchant.id) as session:
        for _number in range(FILES):
            await order_large_file(session, merchant.id, merchant.owner_id, now=now)
    return merchant.id


async def order_large_file(session: Any, merchant_id: UUID, member_id: UUID, *, now: datetime) -> None:
    """Order a file past the limit of files under way, which one member would meet."""
    export_id = new_id()
    session.add(
        ExportFile(
            merchant_id=merchant_id,
            id=export_id,
            member_id=member_id,
            exporter="customers",
            form="xlsx",
            locale="en",
            status="waiting",
            rows_expected=CUSTOMERS,
            created_at=now,
            expires_at=now + timedelta(days=7),
        )
    )
    await session.flush()
    await enqueue(session, make_file, merchant_id=merchant_id, key=str(export_id), export_id=export_id)


async def held_by(connection: Any, merchant_id: UUID) -> dict[str, int]:
    """Return how many places of the worker a business holds now, by kind of job."""
    return {row[0]: row[1] for row in await connection.fetch(_HELD, str(merchant_id))}


async def wait_until_held(place: Installation, merchant_id: UUID, *, kind: str, count: int) -> None:
    """Wait until a business holds so many places for a kind of job."""
    connection = await place.connect()
    try:
        async with asyncio.timeout(HELD_SECONDS_MAX):
            while (held := await held_by(connection, merchant_id)).get(kind, 0) < count:
                await asyncio.sleep(LOOK_EVERY_SECONDS)
    except TimeoutError as late:
        raise AssertionError(f"{kind}: {count} places wanted, {held} held") from late
    finally:
        await connection.close()


async def watch_until_shown(place: Installation, neighbour: UUID) -> list[dict[str, int]]:
    """Wait until Google and the phones show this shop's cards; return what the neighbour held meanwhile."""
    seen, give_up_at = [], time.monotonic() + SHOWN_SECONDS_MAX
    connection = await place.connect()
    try:
        while differing := await differing_outputs(place, connection):
            seen.append(await held_by(connection, neighbour))
            assert time.monotonic() < give_up_at, f"not shown: {differing[:3]}, {seen[-1]} held beside it"
            await asyncio.sleep(LOOK_EVERY_SECONDS)
        seen.append(await held_by(connection, neighbour))
        assert await connection.fetchval(_FILES_LEFT, neighbour) > 0
        return seen
    finally:
        await connection.close()


async def look(place: Installation, neighbour: UUID) -> tuple[dict[str, int], list[str]]:
    """Return what the neighbour holds, and which cards of this shop are not shown as they are."""
    connection = await place.connect()
    try:
        return await held_by(connection, neighbour), await differing_outputs(place, connection)
    finally:
        await connection.close()


def test_stamps_and_wallets_do_not_wait_for_a_neighbours_files_and_campaign(
    place: Installation, neighbour: UUID
) -> None:
    """All stamps are granted at once and shown in the wallets while the neighbour's work goes on, in its share."""
    place.start_worker()
    run(wait_until_held(place, neighbour, kind=CAMPAIGN, count=2))
    beside_mails = run(calm(place))
    seen = run(watch_until_shown(place, neighbour))
    run(wait_until_held(place, neighbour, kind=FILE, count=LONG_PLACES_OF_A_MERCHANT))
    beside_files = run(calm(place))
    seen += run(watch_until_shown(place, neighbour))

    for asked in (beside_mails, beside_files):
        assert (len(asked.granted), asked.refused, asked.others) == (CALM, [], set())
    assert max(held.get(FILE, 0) for held in seen) == LONG_PLACES_OF_A_MERCHANT
    assert max(held.get(FILE, 0) + held.get(CAMPAIGN, 0) for held in seen) <= WAITING_PLACES


def test_control_without_shares_the_wallets_wait_for_the_neighbour(
    place: Installation, neighbour: UUID
) -> None:
    """A worker whose places are for whoever comes first: stamps are granted, and no wallet hears of them."""
    place.workers.append(place.forks.start("careless-worker", log="careless"))
    run(wait_until_held(place, neighbour, kind=FILE, count=PLACES))

    asked = run(calm(place))
    held, differing = run(look(place, neighbour))

    assert (len(asked.granted), asked.refused, asked.others) == (CALM, [], set())
    assert held[FILE] == PLACES
    assert len(differing) >= CALM
