"""A new release while shops are at work: five restarts, and no request fails. With the control that it can."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from app.config import Settings
from app.db.session import tenant_scope
from app.kernel.web.health import READY_WAIT_SECONDS
from app.modules.cards.factories import make_card
from app.modules.merchants.factories import make_merchant
from app.modules.staff.factories import make_staff
from app.modules.stores.factories import make_store
from app.process import Process, build_process
from tests.fixtures import cloned_database, database_urls
from tests.runner.helpers import BACKEND, clean_environment
from tests.system.load import callers, count_until
from tests.system.test_services import free_port

pytestmark = pytest.mark.system

RESTARTS = 5
CALLERS = 8
REQUESTS_BETWEEN = 40
START_SECONDS_MAX = 60.0
# Start of the new one, linger of the old one, and room for a busy machine.
RESTART_SECONDS_MAX = 90.0


@dataclass
class Shop:
    """A shop whose cards take points all day."""

    merchant_id: Any
    path: str
    bodies: list[dict[str, Any]]


@pytest.fixture
def own_settings(tmp_path: Path) -> Iterator[Settings]:
    """Clone a database; what a service under test does to it is nobody else's matter."""
    with cloned_database(f"stempel_restarts_{os.getpid()}") as name:
        yield Settings(**database_urls(name), database_allow_async_commit=True, data_dir=tmp_path)


@pytest.fixture
async def own(own_settings: Settings) -> AsyncIterator[Process]:
    """Open that database with the keys that the service will find in its folder."""
    made = build_process(own_settings)
    await made.open()
    yield made
    await made.aclose()


@pytest.fixture
async def shop(own: Process, process: Process) -> AsyncIterator[Shop]:
    database = own.database
    merchant = await make_merchant(database)
    store = await make_store(database, merchant, "points", visits_per_day=1_000)
    _, pin = await make_staff(database, store)
    cards = [await make_card(database, store) for _ in range(CALLERS)]
    bodies = [{"pass_id": str(card.id), "amount": "1.00", "staff_pin": pin} for card in cards]
    yield Shop(merchant.id, f"/points/{store.id}", bodies)
    process.registry.bind()


class Service:
    """`serve` as systemd starts it: on a socket that stays, and with somebody to tell how it goes."""

    def __init__(self, settings: Settings, folder: Path, *, start: tuple[str, ...] = ()) -> None:
        self.port = free_port()
        self.log = folder / "web.log"
        self.command = [*start, sys.executable, "-m", "app.cli", "serve"]
        self.environment = clean_environment(
            PYTHONPATH=str(BACKEND),
            STEMPEL_DATABASE_URL=settings.database_url,
            STEMPEL_DATABASE_SYSTEM_URL=settings.database_system_url,
            STEMPEL_DATABASE_ALLOW_ASYNC_COMMIT="true",
            STEMPEL_DATA_DIR=str(folder),
            STEMPEL_PUBLIC_URL=f"http://localhost:{self.port}",
            STEMPEL_PORT=str(self.port),
            STEMPEL_LOG_LEVEL="WARNING",
        )
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(self.command, env=self.environment, stdout=log, stderr=log)

    def wait_until_ready(self) -> None:
        until = time.monotonic() + START_SECONDS_MAX
        while time.monotonic() < until:
            assert self.process is not None
            assert self.process.poll() is None, self.log.read_text()
            try:
                with urllib.request.urlopen(f"{self.url}/readyz", timeout=READY_WAIT_SECONDS + 1):
                    return
            except OSError:
                time.sleep(0.05)
        raise AssertionError(f"not ready:\n{self.log.read_text()}")

    def children(self) -> set[int]:
        assert self.process is not None
        pid = self.process.pid
        return {int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}

    def signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(30)
            finally:
                self.process.kill()


@pytest.fixture
def service(own: Process, tmp_path: Path) -> Iterator[Service]:
    made = Service(own.settings, tmp_path)
    yield made
    made.stop()


async def roll(service: Service) -> None:
    """Replace the process and wait until the old one has gone."""
    before = service.children()
    service.signal(signal.SIGHUP)
    until = time.monotonic() + RESTART_SECONDS_MAX
    while service.children() & before or not service.children():
        assert time.monotonic() < until, f"the old process stays:\n{service.log.read_text()}"
        await asyncio.sleep(0.05)


async def count_visits(own: Process, shop: Shop) -> int:
    async with tenant_scope(own.database, shop.merchant_id) as session:
        return int(await session.scalar(text("SELECT count(*) FROM visit")) or 0)


async def test_no_request_fails_across_five_restarts(service: Service, shop: Shop, own: Process) -> None:
    """Eight tills without retries, five new web processes: every request is answered, and each granted once."""
    service.start()
    await asyncio.to_thread(service.wait_until_ready)
    seen = set(service.children())
    async with callers(service.url, shop.bodies, path=shop.path) as load:
        await count_until(load, REQUESTS_BETWEEN)
        for _ in range(RESTARTS):
            await roll(service)
            seen |= service.children()
            await count_until(load, REQUESTS_BETWEEN)
    print(f"{load.total} requests, slowest {load.slowest_seconds:.2f} s, {dict(load.results)}")

    assert load.failed == {}
    # On a slow machine a card may come to the end of its day; that is an answer.
    assert load.results.keys() <= {"201", "409"}
    assert len(seen) == RESTARTS + 1
    assert await count_visits(own, shop) == load.results["201"]


async def test_abrupt_restarts_do_fail(service: Service, shop: Shop) -> None:
    """The control: killed and started again, the same callers see broken connections."""
    service.start()
    await asyncio.to_thread(service.wait_until_ready)
    async with callers(service.url, shop.bodies, path=shop.path) as load:
        await count_until(load, REQUESTS_BETWEEN)
        service.signal(signal.SIGKILL)
        service.process.wait(10)
        # Refused: only then has the last process let go of the port, and a new one can have it.
        async with asyncio.timeout(RESTART_SECONDS_MAX):
            while not load.results["ConnectError"]:
                await asyncio.sleep(0.05)
        service.start()
        await asyncio.to_thread(service.wait_until_ready)
        await count_until(load, REQUESTS_BETWEEN)

    assert load.failed
