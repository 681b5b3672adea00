"""A real streaming replica beside a real primary: figures are read there, and nobody notices when it is gone."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from sqlalchemy import text

from app.backup.tests.conftest import Shop, open_shop
from app.backup.tests.machines import running
from app.config import Settings
from app.db import replica as replicas
from app.db.embedded import ADMIN_ROLE, EmbeddedPostgres
from app.db.embedded_binaries import find_binaries
from app.db.migrate import upgrade
from app.db.replica import read_with, reading_scope
from app.db.session import set_tenant
from app.kernel.clock import FixedClock
from app.process import Process
from tests.fixtures import PASSWORDS

pytestmark = pytest.mark.system

COPY_SECONDS_MAX = 120
CATCH_UP_SECONDS_MAX = 30.0
LAG_SECONDS = 1.0
STAMPS = text("SELECT count(*) FROM stamp_event")
WHERE = text("SELECT pg_is_in_recovery()")


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[EmbeddedPostgres, EmbeddedPostgres]]:
    """Start a primary with the schema, and a replica made by pg_basebackup that follows it."""
    base = tmp_path_factory.mktemp("pair")
    with EmbeddedPostgres(base / "a") as primary:
        upgrade(primary.admin_url, **PASSWORDS)
        copy_cluster(primary, base / "b")
        follower = EmbeddedPostgres(base / "b")
        follower.start()
        try:
            yield primary, follower
        finally:
            follower.stop()


def copy_cluster(primary: EmbeddedPostgres, folder: Path) -> None:
    """Copy the primary as it runs, with what a server of ours keeps beside it."""
    folder.mkdir(mode=0o700)
    shutil.copy(primary.data_dir / "postgres.password", folder / "postgres.password")
    password = (folder / "postgres.password").read_text()
    done = subprocess.run(
        [
            find_binaries(None).program("pg_basebackup"),
            f"--pgdata={folder / 'postgres'}",
            f"--host={primary.data_dir / 'socket'}",
            f"--username={ADMIN_ROLE}",
            "--write-recovery-conf",
            "--wal-method=stream",
            "--checkpoint=fast",
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=COPY_SECONDS_MAX,
        env={**os.environ, "PGPASSWORD": password, "LC_ALL": "C"},
    )
    assert done.returncode == 0, done.stderr
    # A server of ours makes its database at the first start; this one has it, and could not.
    (folder / "postgres.created").write_text(str((folder / "postgres").stat().st_ino))


@pytest.fixture(scope="module")
def settings_of_pair(
    pair: tuple[EmbeddedPostgres, EmbeddedPostgres], tmp_path_factory: pytest.TempPathFactory
) -> Settings:
    """Return the settings of a process that has both."""
    primary, follower = pair
    return Settings(
        database_url=primary.url("stempel_app", "app"),
        database_system_url=primary.url("stempel_system", "system"),
        database_admin_url=primary.admin_url,
        database_replica_url=follower.url("stempel_app", "app"),
        database_replica_lag_seconds=LAG_SECONDS,
        data_dir=tmp_path_factory.mktemp("data"),
        public_url="http://testserver",
        demo=True,
        log_level="ERROR",
    )


@pytest.fixture(autouse=True)
def hooks_of_the_tests(process: Process) -> Iterator[None]:
    """Bind the extension points to the tests' own process again."""
    yield
    process.registry.bind()


async def ask(process: Process, shop: Shop) -> tuple[bool, int]:
    """Return whether the replica answered, and the stamps of the shop's merchant, as a page of figures asks."""

    async def read(session: Any) -> tuple[bool, int]:
        return bool(await session.scalar(WHERE)), int(await session.scalar(STAMPS))

    async with process.database.sessions() as session:
        await set_tenant(session, shop.merchant_id)
        return await read_with(session, shop.merchant_id, read)


async def until(process: Process, shop: Shop, wanted: tuple[bool, int]) -> None:
    """Ask until the answer is this one."""
    found: object = None
    try:
        async with asyncio.timeout(CATCH_UP_SECONDS_MAX):
            while (found := await ask(process, shop)) != wanted:
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError(f"waited for {wanted}, the last answer was {found}") from None


async def test_figures_come_from_the_replica_and_from_the_primary_when_it_fails(
    pair: tuple[EmbeddedPostgres, EmbeddedPostgres],
    settings_of_pair: Settings,
    clock: FixedClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Followed, paused, followed again, stopped, started: always the right figures, from the right place."""
    monkeypatch.setattr(replicas, "DOWN_SECONDS", 0.2)
    _primary, follower = pair
    async with running(settings_of_pair, clock) as (process, client):
        shop = await open_shop(process, client)
        await until(process, shop, (True, 1))
        async with reading_scope(process.database, shop.merchant_id) as session:
            by_a_job = bool(await session.scalar(WHERE))

        admin = await asyncpg.connect(follower.admin_url)
        await admin.execute("SELECT pg_wal_replay_pause()")
        assert (await shop.stamp(client)).status_code == 201
        # What it does not have is older than a second soon; it says of itself that it follows.
        await until(process, shop, (False, 2))
        await admin.execute("SELECT pg_wal_replay_resume()")
        await until(process, shop, (True, 2))
        await admin.close()

        follower.stop()
        stopped = await ask(process, shop)
        follower.start()
        await until(process, shop, (True, 2))

    assert by_a_job
    assert stopped == (False, 2)


async def test_the_walls_stand_on_the_replica(settings_of_pair: Settings, clock: FixedClock) -> None:
    """Each merchant sees its own rows there; unbound none are seen, nothing is written; an owner is not let in."""
    async with running(settings_of_pair, clock) as (process, client):
        one, other = await open_shop(process, client), await open_shop(process, client)
        assert (await other.stamp(client)).status_code == 201
        await until(process, one, (True, 1))
        await until(process, other, (True, 2))
        replica = process.database.replica
        assert replica is not None
        async with replica.sessions() as session:
            unbound = await session.scalar(STAMPS)
        with pytest.raises(Exception, match="read-only transaction"):
            async with replica.scope(one.merchant_id) as session:
                await session.execute(text("DELETE FROM card_refresh"))
    mighty = settings_of_pair.model_copy(
        update={
            "database_replica_url": settings_of_pair.database_replica_url.replace(
                "stempel_app:app@",
                settings_of_pair.database_admin_url.partition("//")[2].partition("@")[0] + "@",
            )
        }
    )
    async with running(mighty, clock) as (process, client):
        by_owner = await ask(process, one)

    assert unbound == 0
    assert by_owner == (False, 1)


async def test_a_page_of_figures_opens_with_a_replica(settings_of_pair: Settings, clock: FixedClock) -> None:
    """The dashboard's page, read on the replica, and the same without it."""
    async with running(settings_of_pair, clock) as (process, client):
        shop = await open_shop(process, client)
        await until(process, shop, (True, 1))
        assert shop.headers
        answer = await client.get("/dashboard/analytics/overview", headers=shop.headers)

    assert answer.status_code == 200
