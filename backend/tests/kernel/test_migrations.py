"""Migrations on a living database: nobody waits for long, two do not collide, the release before goes on."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine

from app.backup.tests.conftest import Shop, open_shop
from app.backup.tests.machines import back_up, empty_machine, put_back, run_as_owner, running, used_machine
from app.backup.writing import plain_url
from app.commands.check import _check_merchants
from app.commands.inspection import _partitions_finding
from app.config import Settings
from app.db import migrate
from app.db.migrate import MIGRATIONS, run_alembic, upgrade_async
from app.db.partitions import MONTHS_AHEAD, PARTITIONED
from app.db.session import system_scope, to_async_url
from app.kernel.clock import FixedClock
from app.process import Process
from tests.fixtures import PASSWORDS

CHANGE = "ALTER TABLE store ADD COLUMN planted text"
SECONDS_MAX = 60.0
STAMPS_MAX = 28  # a card of the test holds 30
WAITING = """SELECT count(*) FROM pg_locks l JOIN pg_class c ON c.oid = l.relation
    WHERE c.relname = 'store' AND NOT l.granted AND l.mode = 'AccessExclusiveLock'"""


def plant(folder: Path, *statements: str, changes: tuple[str, ...] = ()) -> Path:
    """Return a folder of migrations with one more than there are, of the tables it changes: the next release."""
    shutil.copytree(MIGRATIONS, folder, ignore=shutil.ignore_patterns("__pycache__"))
    lines = "".join(f"    op.execute({statement!r})\n" for statement in statements)
    (folder / "versions" / "9999_planted.py").write_text(
        f'"""Planted."""\nfrom alembic import op\nrevision = "9999"\ndown_revision = "{migrate.head_revision()}"\n'
        f"changes = {changes!r}\ndef upgrade():\n{lines}"
    )
    return folder


@pytest.fixture(autouse=True)
async def hooks_of_the_tests(process: Process) -> AsyncIterator[None]:
    """Bind the extension points to the tests' own process again."""
    yield
    process.registry.bind()


@asynccontextmanager
async def reader_of_stores(settings: Settings) -> AsyncIterator[None]:
    """Hold the table of stores in a long transaction, as an open psql or a report does."""
    connection = await asyncpg.connect(plain_url(settings.database_admin_url))
    try:
        async with connection.transaction():
            await connection.fetch("SELECT count(*) FROM store")
            yield
    finally:
        await connection.close()


async def until(settings: Settings, condition: Callable[[int], bool], what: str) -> None:
    """Wait until so many wait for the table of stores."""
    connection = await asyncpg.connect(plain_url(settings.database_admin_url))
    try:
        async with asyncio.timeout(SECONDS_MAX):
            while not condition(await connection.fetchval(WAITING)):
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise AssertionError(f"waited {SECONDS_MAX} s for {what}") from None
    finally:
        await connection.close()


def migration(settings: Settings, scripts: Path) -> asyncio.Task[list[str]]:
    """Start a migrator."""
    return asyncio.create_task(upgrade_async(settings.database_admin_url, **PASSWORDS, scripts=scripts))


async def test_stamps_go_on_while_a_migration_waits(tmp_path: Path, clock: FixedClock) -> None:
    """Behind a migration that waits for a long transaction a stamp waits its 1.5 s at most, and is given."""
    scripts = plant(tmp_path / "scripts", CHANGE)
    with used_machine(tmp_path / "data") as settings:
        async with running(settings, clock) as (process, client):
            shop = await open_shop(process, client)
            async with reader_of_stores(settings):
                migrating = migration(settings, scripts)
                await until(settings, lambda waiting: waiting == 1, "the migration to wait")
                answers = [await read_and_stamp(shop, client) for _ in range(3)]
                assert not migrating.done()
            done = await asyncio.wait_for(migrating, SECONDS_MAX)

    assert answers == [201, 201, 201]
    assert done == ["9999"]


async def read_and_stamp(shop: Shop, client: Any) -> int:
    """Give a stamp in a way that reads the table of stores, and return the status."""
    page = await client.get(f"/store/{shop.store_id}")
    assert page.status_code < 500, page.text[:200]
    return int((await shop.stamp(client)).status_code)


async def test_without_the_limit_a_waiting_migration_stops_the_shop(
    tmp_path: Path, clock: FixedClock
) -> None:
    """The control: the same change without a limit lets nothing through until the long transaction ends."""
    with used_machine(tmp_path / "data") as settings:
        async with running(settings, clock) as (process, client):
            shop = await open_shop(process, client)
            owner = await asyncpg.connect(plain_url(settings.database_admin_url))
            async with reader_of_stores(settings):
                changing = asyncio.create_task(owner.execute(CHANGE))
                await until(settings, lambda waiting: waiting == 1, "the change to wait")
                page = await client.get(f"/store/{shop.store_id}")
                stamp = await shop.stamp(client)
            await asyncio.wait_for(changing, SECONDS_MAX)
            await owner.close()

    assert max(page.status_code, stamp.status_code) >= 500


async def test_of_two_migrators_one_does_it(tmp_path: Path) -> None:
    """Two containers start at once: one runs the migration, the other waits and finds it done."""
    scripts = plant(tmp_path / "scripts", CHANGE)
    with used_machine(tmp_path / "data") as settings:
        both = asyncio.gather(migration(settings, scripts), migration(settings, scripts))
        done = await asyncio.wait_for(both, SECONDS_MAX)

    assert sorted(done) == [[], ["9999"]]


async def test_without_their_turn_two_migrators_collide(tmp_path: Path) -> None:
    """The control: the second looks before the first has committed, begins, and breaks on what the first has made."""
    scripts = plant(tmp_path / "scripts", CHANGE)
    with used_machine(tmp_path / "data") as settings:
        engine = create_async_engine(to_async_url(settings.database_admin_url))

        async def second() -> None:
            async with engine.begin() as connection:
                await connection.run_sync(run_alembic, "head", scripts=scripts)

        async with engine.connect() as first:
            await first.begin()
            await first.run_sync(run_alembic, "head", scripts=scripts)
            collides = asyncio.create_task(second())
            await until(settings, lambda waiting: waiting == 1, "the second to wait")
            await first.commit()
            with pytest.raises(DBAPIError, match="already exists"):
                await asyncio.wait_for(collides, SECONDS_MAX)
        await engine.dispose()


async def test_a_migrator_waits_for_a_backup(tmp_path: Path) -> None:
    """While a backup holds its snapshot nothing is changed; the migration begins when it has ended."""
    scripts = plant(tmp_path / "scripts", CHANGE)
    with used_machine(tmp_path / "data") as settings:
        backup = await asyncpg.connect(plain_url(settings.database_admin_url))
        await backup.execute(f"SELECT pg_advisory_lock_shared({migrate.MIGRATION_LOCK})")
        migrating = migration(settings, scripts)
        asked: set[Any] = set()
        async with asyncio.timeout(SECONDS_MAX):
            while len(asked) < 3:
                asked.update(await turns_asked_for(backup))
                await asyncio.sleep(0.01)
        revision = await backup.fetchval("SELECT version_num FROM alembic_version")
        await backup.close()
        done = await asyncio.wait_for(migrating, SECONDS_MAX)

    assert revision != "9999"
    assert done == ["9999"]


async def turns_asked_for(connection: Any) -> list[Any]:
    """Return when the migrator asked for its turn last."""
    rows = await connection.fetch(
        "SELECT query_start FROM pg_stat_activity WHERE application_name = 'stempel migrate'"
        " AND datname = current_database() AND query_start IS NOT NULL"
    )
    return [row[0] for row in rows]


async def test_this_release_serves_on_the_schema_of_the_next(tmp_path: Path, clock: FixedClock) -> None:
    """While columns, a table and an index are added under load, every stamp is given; readiness says newer."""
    scripts = plant(
        tmp_path / "scripts",
        CHANGE,
        # However quick the machine: stamps are given between its beginning and its end.
        "SELECT pg_sleep(0.5)",
        "ALTER TABLE pass_object ADD COLUMN planted bigint NOT NULL DEFAULT 7",
        "ALTER TABLE visit ADD COLUMN planted text",
        "CREATE INDEX ix_planted ON visit (merchant_id, planted)",
        "CREATE TABLE planted (merchant_id uuid, id uuid, PRIMARY KEY (merchant_id, id))",
        changes=("store", "pass_object", "visit"),
    )
    statuses: list[int] = []
    with used_machine(tmp_path / "data") as settings:
        async with running(settings, clock) as (process, client):
            shop = await open_shop(process, client)

            async def serve(stop: asyncio.Event) -> None:
                while not stop.is_set() and len(statuses) < STAMPS_MAX:
                    clock.advance(days=1)
                    statuses.append((await shop.stamp(client)).status_code)

            stop = asyncio.Event()
            serving = asyncio.create_task(serve(stop))
            done = await asyncio.wait_for(migration(settings, scripts), SECONDS_MAX)
            during, ready = len(statuses), (await client.get("/readyz")).json()
            stop.set()
            await asyncio.wait_for(serving, SECONDS_MAX)
            after = (await shop.stamp(client)).status_code
            _, violations = await _check_merchants(process)

    assert done == ["9999"]
    assert during > 0
    assert {*statuses, after} == {201}, statuses
    assert ready == {"status": "ok", "schema": "newer"}
    assert violations == []


SEVERAL = (CHANGE, "SELECT pg_sleep(0.5)", "ALTER TABLE pass_object ADD COLUMN planted text")


async def cross(settings: Settings, migrating: asyncio.Task[list[str]]) -> str:
    """Work as a stamp does that holds the cards while the migration begins, then wants the stores; tell how it went."""
    connection = await asyncpg.connect(plain_url(settings.database_admin_url))
    try:
        async with connection.transaction():
            await connection.execute("UPDATE pass_object SET stamp_count = stamp_count")
            held = (
                "SELECT count(*) FROM pg_locks WHERE relation = 'store'::regclass AND granted AND mode = $1"
            )
            async with asyncio.timeout(SECONDS_MAX):
                while not await connection.fetchval(held, "AccessExclusiveLock"):
                    assert not migrating.done()
                    await asyncio.sleep(0.01)
            await connection.execute("UPDATE store SET name = name")
        return "committed"
    except asyncpg.DeadlockDetectedError:
        return "cancelled"
    finally:
        await connection.close()


async def test_of_a_request_and_a_migration_that_cross_the_migration_gives_way(tmp_path: Path) -> None:
    """A migration of two tables waits for the second, and a request that holds it for the first: both get through."""
    scripts = plant(tmp_path / "scripts", *SEVERAL, changes=("store", "pass_object"))
    with used_machine(tmp_path / "data") as settings:
        migrating = migration(settings, scripts)
        crossed = await cross(settings, migrating)
        done = await asyncio.wait_for(migrating, SECONDS_MAX)

    assert (crossed, done) == ("committed", ["9999"])


async def test_a_migration_that_takes_its_tables_singly_cancels_a_request(tmp_path: Path) -> None:
    """The control: without naming its tables, the one who waits longer is cancelled, and that is the request."""
    scripts = plant(tmp_path / "scripts", *SEVERAL)
    with used_machine(tmp_path / "data") as settings:
        migrating = migration(settings, scripts)
        crossed = await cross(settings, migrating)
        done = await asyncio.wait_for(migrating, SECONDS_MAX)

    assert (crossed, done) == ("cancelled", ["9999"])


async def test_data_of_the_release_before_is_upgraded(tmp_path: Path, clock: FixedClock) -> None:
    """A backup of today's schema, restored by a release with one migration more: the rows are brought along."""
    scripts = plant(
        tmp_path / "scripts",
        "ALTER TABLE pass_object ADD COLUMN planted bigint",
        "UPDATE pass_object SET planted = stamp_count * 10",
        "ALTER TABLE pass_object ALTER COLUMN planted SET NOT NULL",
    )
    with used_machine(tmp_path / "old") as old:
        async with running(old, clock) as (process, client):
            shop = await open_shop(process, client)
            file = await back_up(old, clock)
    with empty_machine(tmp_path / "new") as new:
        await put_back(new, file, clock, scripts=scripts)
        rows = run_as_owner(new.database_admin_url, "SELECT id, planted FROM pass_object")
        revision = run_as_owner(new.database_admin_url, "SELECT version_num FROM alembic_version")
        async with running(new, clock) as (process, client):
            answer = await shop.stamp(client)

    assert [tuple(row) for row in rows] == [(shop.card.id, 10)]
    assert revision[0][0] == "9999"
    assert (answer.status_code, answer.json()["stamp_count"]) == (201, 2)


async def test_the_worker_makes_the_coming_months(tmp_path: Path, clock: FixedClock) -> None:
    """Without the owner's login; doctor and readiness warn while fewer than two months are ready."""
    with used_machine(tmp_path / "data") as settings:
        drop = [
            f"DO $$ DECLARE one text; BEGIN FOR one IN SELECT relname FROM pg_class WHERE relname ~ '^{table}_20'"
            " AND relispartition AND relkind = 'r' AND relname > '"
            + f"{table}_' || to_char(now(), 'YYYY_MM')"
            " LOOP EXECUTE 'DROP TABLE ' || one; END LOOP; END $$"
            for table in PARTITIONED
        ]
        async with running(settings, clock) as (process, client):
            before = await _partitions_finding(settings.database_url)
            run_as_owner(settings.database_admin_url, *drop)
            bare, ready = await _partitions_finding(settings.database_url), await client.get("/readyz")
            async with system_scope(process.database) as session:
                made = await session.scalar(text("SELECT make_partitions(14)"))
                again = await session.scalar(text("SELECT make_partitions(14)"))
            after, well = await _partitions_finding(settings.database_url), await client.get("/readyz")
            with pytest.raises(DBAPIError, match="permission denied"):
                async with process.database.sessions() as session, session.begin():
                    await session.execute(text("SELECT make_partitions(14)"))

    assert (before.well, bare.well, after.well) == (True, False, True)
    assert bare.seen.startswith("made for 0 coming months;")
    assert ready.json()["warnings"].startswith("partitions: made for 0 coming months only")
    assert ready.status_code == 200
    assert "warnings" not in well.json()
    assert (made, again) == (len(PARTITIONED) * MONTHS_AHEAD, 0)
