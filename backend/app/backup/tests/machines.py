"""Machines for the tests of backup and restore: a database and a data folder each, on the tests' server."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import httpx2

from app.backup.restoring import Outcome, Restore, examine, restore
from app.backup.sealed_file import Openers, make_recipient
from app.backup.writing import plain_url, write_backup
from app.config import Settings
from app.db.migrate import MIGRATIONS
from app.kernel.clock import FixedClock
from app.main import create_app
from app.process import Process, build_process
from tests.fixtures import ADMIN_URL, TEMPLATE, database_urls

SECRET, PUBLIC = make_recipient()
CLOSED, OPEN = Openers(recipient=PUBLIC), Openers(recipient=SECRET)
RUN_SECONDS_MAX = 60


def machine_settings(name: str, folder: Path) -> Settings:
    """Return the settings of a machine whose database has this name."""
    return Settings(
        **database_urls(name),
        database_allow_async_commit=True,
        data_dir=folder,
        public_url="http://testserver",
        demo=True,
        log_level="WARNING",
    )


@contextmanager
def used_machine(folder: Path) -> Iterator[Settings]:
    """Yield a machine with a migrated database."""
    with _database(f" TEMPLATE {TEMPLATE}") as name:
        yield machine_settings(name, folder)


@contextmanager
def empty_machine(folder: Path) -> Iterator[Settings]:
    """Yield a machine with a database that has nothing in it."""
    with _database("") as name:
        yield machine_settings(name, folder)


@contextmanager
def _database(more: str) -> Iterator[str]:
    name = f"stempel_bak_{uuid4().hex[:12]}"
    run_as_owner(os.environ[ADMIN_URL], f"CREATE DATABASE {name}{more}")
    try:
        yield name
    finally:
        run_as_owner(os.environ[ADMIN_URL], f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def run_as_owner(url: str, *statements: str) -> list[Any]:
    """Run statements from anywhere, also from within a running loop; return the last one's rows."""

    async def run() -> list[Any]:
        connection = await asyncpg.connect(plain_url(url), timeout=RUN_SECONDS_MAX)
        try:
            rows: list[Any] = []
            for statement in statements:
                rows = await connection.fetch(statement, timeout=RUN_SECONDS_MAX)
            return rows
        finally:
            await connection.close(timeout=RUN_SECONDS_MAX)

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, run()).result(timeout=2 * RUN_SECONDS_MAX)


@asynccontextmanager
async def running(settings: Settings, clock: FixedClock) -> AsyncIterator[tuple[Process, httpx2.AsyncClient]]:
    """Yield an opened process with its own keys, and a client of its application."""
    process = build_process(settings, clock=clock)
    try:
        await process.open()
        transport = httpx2.ASGITransport(
            app=create_app(settings, process=process), raise_app_exceptions=False
        )
        async with httpx2.AsyncClient(transport=transport, base_url="http://testserver") as client:
            yield process, client
    finally:
        await process.aclose()


async def back_up(settings: Settings, clock: FixedClock, **more: Any) -> Path:
    """Write a backup and return its file."""
    return (await write_backup(settings, CLOSED, clock=clock, **more)).path


async def put_back(
    settings: Settings, file: Path, clock: FixedClock, *, scripts: Path = MIGRATIONS, **more: Any
) -> Outcome:
    """Restore a file as the command does: examined first."""
    with open(file, "rb") as source:
        contents = examine(source, OPEN, scripts=scripts)
        return await restore(Restore(settings, source, OPEN, clock, scripts), contents, **more)
