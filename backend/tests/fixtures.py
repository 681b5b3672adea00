"""One embedded PostgreSQL for the run, one migrated template, one clone for each worker.

Tests commit for real; each makes its own merchant, so that none needs cleaning up and any order works.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
import httpx2
import pytest
import pytest_asyncio
from fastapi import FastAPI
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import create_async_engine

from app.config import Settings
from app.db.migrate import upgrade
from app.db.session import Database, to_async_url
from app.kernel.clock import FixedClock
from app.main import create_app
from app.process import Process, build_process
from app.utils.security import Keyring

ADMIN_URL = "STEMPEL_TEST_ADMIN_URL"
TEMPLATE = "stempel_template"
PASSWORDS = {"app_password": "app", "system_password": "system"}
START = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)

_run: dict[str, Any] = {}


def pytest_configure(config: pytest.Config) -> None:
    """Start the database in the controlling process, before xdist's workers inherit the environment."""
    if hasattr(config, "workerinput") or os.environ.get(ADMIN_URL):
        return
    from app.db.embedded import EmbeddedPostgres

    folder = Path(tempfile.mkdtemp(prefix="stempel-test-"))
    server = EmbeddedPostgres(
        folder / "pg",
        settings={
            "fsync": "off",
            "synchronous_commit": "off",
            "full_page_writes": "off",
            "max_connections": "200",
        },
    )
    server.start()
    _run.update(server=server, folder=folder)
    os.environ[ADMIN_URL] = server.admin_url
    _sql(server.admin_url, f"CREATE DATABASE {TEMPLATE}")
    upgrade(_with_database(server.admin_url, TEMPLATE), **PASSWORDS)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop what this process started."""
    if "server" in _run:
        _run["server"].stop()
        shutil.rmtree(_run["folder"], ignore_errors=True)
        os.environ.pop(ADMIN_URL, None)


def _with_database(url: str, name: str, *, user: str = "", password: str = "") -> str:
    parsed = make_url(url).set(database=name)
    if user:
        parsed = parsed.set(username=user, password=password)
    return parsed.render_as_string(hide_password=False)


def _sql(url: str, *statements: str) -> None:
    import asyncio

    async def run() -> None:
        engine = create_async_engine(to_async_url(url), isolation_level="AUTOCOMMIT")
        async with engine.connect() as connection:
            for statement in statements:
                await connection.execute(text(statement))
        await engine.dispose()

    asyncio.run(run())


@contextmanager
def cloned_database(name: str) -> Iterator[str]:
    """Clone the migrated template, give its name, and drop it at the end."""
    admin = os.environ[ADMIN_URL]
    _sql(admin, f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
    try:
        yield name
    finally:
        _sql(admin, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def database_urls(name: str) -> dict[str, str]:
    """Return the settings that lead to a database, for each of its roles."""
    admin = _with_database(os.environ[ADMIN_URL], name)
    return {
        "database_url": _with_database(admin, name, user="stempel_app", password="app"),
        "database_system_url": _with_database(admin, name, user="stempel_system", password="system"),
        "database_admin_url": admin,
    }


@pytest.fixture(scope="session")
def database_name(worker_id: str) -> Iterator[str]:
    """Return the worker's own database, cloned from the migrated template."""
    with cloned_database(f"stempel_{worker_id}_{os.getpid()}") as name:
        yield name


@pytest.fixture(scope="session")
def admin_url(database_name: str) -> str:
    """Return the owner's address of the worker's database."""
    return database_urls(database_name)["database_admin_url"]


@pytest.fixture(scope="session")
def settings(database_name: str, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Return the settings of the process under test: demo mode, so that its aids are there."""
    return Settings(
        **database_urls(database_name),
        database_allow_async_commit=True,
        data_dir=tmp_path_factory.mktemp("data"),
        public_url="http://testserver",
        demo=True,
        log_level="WARNING",
        # Races are run with hundreds of requests at once; what is too many has tests of its own.
        requests_at_once=1_000,
    )


@pytest.fixture(scope="session")
def clock() -> FixedClock:
    """Return the clock of the process under test; `clock_at_start` puts it back before each test."""
    return FixedClock(START)


@pytest.fixture(autouse=True)
def clock_at_start(clock: FixedClock) -> FixedClock:
    """Put the clock back to a Friday morning."""
    clock.at = START
    return clock


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def process(settings: Settings, clock: FixedClock) -> AsyncIterator[Process]:
    """Return the opened process of this worker."""
    process = build_process(settings, clock=clock, keyring=Keyring.for_tests())
    await process.open()
    yield process
    await process.aclose()


# What waits for the worker: jobs, and the rows that its pollers make jobs of.
_FORGET_WORK = "DELETE FROM pgqueuer; DELETE FROM card_refresh; DELETE FROM rollup_pending"


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def owners_connection(admin_url: str) -> AsyncIterator[asyncpg.Connection]:
    """Return a connection of the database's owner, for what no role of the product may do."""
    connection = await asyncpg.connect(admin_url)
    yield connection
    await connection.close()


@pytest_asyncio.fixture(loop_scope="session")
async def empty_queue(owners_connection: asyncpg.Connection) -> None:
    """Take away what other tests left to the worker: a drain of this test runs this test's jobs only."""
    await owners_connection.execute(_FORGET_WORK)


@pytest.fixture(autouse=True)
def queue_at_start(request: pytest.FixtureRequest) -> None:
    """Begin each test of the process with an empty queue; a test without the database does not open it."""
    if "process" in request.fixturenames:
        request.getfixturevalue("empty_queue")


@pytest.fixture(scope="session")
def database(process: Process) -> Database:
    """Return the process's database."""
    return process.database


@pytest.fixture(scope="session")
def app(process: Process, settings: Settings) -> FastAPI:
    """Return the web application around the process."""
    return create_app(settings, process=process)


@pytest_asyncio.fixture(loop_scope="session")
async def client(app: FastAPI) -> AsyncIterator[httpx2.AsyncClient]:
    """Return a client without cookies that speaks to the application in process."""
    transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url="http://testserver") as client:
        yield client
