"""The real Redis and the real PgBouncer of the distribution, each started for one test on a loopback port."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy.engine import make_url

from app.config import Settings
from app.kernel.adapters import Resources
from app.kernel.clock import FixedClock
from app.kernel.web.limits import LIMITS, Limiter
from app.modules.cards.factories import make_card
from app.modules.merchants.factories import make_merchant
from app.modules.staff.factories import make_staff
from app.modules.stores.factories import make_store
from app.process import Process, build_process
from app.utils.security import Keyring
from tests.runner.helpers import clean_environment

pytestmark = pytest.mark.system

START_SECONDS_MAX = 15.0
RESET_MAX = LIMITS["reset"].amount


def free_port() -> int:
    """Return a loopback port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for(port: int) -> None:
    """Wait until something listens."""
    until = time.monotonic() + START_SECONDS_MAX
    while time.monotonic() < until:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError("the service did not start")


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """Start a Redis that keeps nothing on disk."""
    port = free_port()
    command = [
        "redis-server",
        "--port",
        str(port),
        "--bind",
        "127.0.0.1",
        "--save",
        "",
        "--dir",
        str(tmp_path),
    ]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=clean_environment())
    wait_for(port)
    yield port, server
    server.kill()
    server.wait(timeout=10)


async def test_limits_are_kept_in_redis_and_go_on_without_it(
    redis: tuple[int, Any], database: Any, settings: Settings
) -> None:
    """Two processes count together in Redis; when it is killed, PostgreSQL counts and nothing is let through."""
    port, server = redis
    keyring = Keyring.for_tests()

    def limiter() -> Limiter:
        resources = Resources()
        resources.put(Keyring, keyring)
        changes = {"web_processes": 2, "redis_url": f"redis://127.0.0.1:{port}/0"}
        return Limiter(settings.model_copy(update=changes), database, resources)

    processes, key = [limiter(), limiter()], str(uuid4())
    answers = await asyncio.gather(*(processes[n % 2].hit("reset", key) for n in range(3 * RESET_MAX)))
    server.kill()
    server.wait(timeout=10)
    other = str(uuid4())
    without = [await processes[n % 2].hit("reset", other) for n in range(3 * RESET_MAX)]
    for one in processes:
        await one.aclose()

    assert sum(answer is None for answer in answers) == RESET_MAX
    assert sum(answer is None for answer in without) == RESET_MAX


@pytest.fixture
def bouncer(admin_url: str, tmp_path: Path) -> Iterator[str]:
    """Start PgBouncer in transaction mode before the worker's database; return the address of the runtime role."""
    url = make_url(admin_url)
    port = free_port()
    folder = Path("/tmp") / f"stempel-bouncer-{os.getpid()}-{port}"
    folder.mkdir(mode=0o755)
    (folder / "users.txt").write_text('"stempel_app" "app"\n"stempel_system" "system"\n')
    (folder / "pgbouncer.ini").write_text(
        f"[databases]\n* = host={url.query['host']}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n"
        f"auth_type = plain\nauth_file = {folder}/users.txt\npool_mode = transaction\ndefault_pool_size = 3\n"
        "unix_socket_dir =\n"
    )
    shutil.chown(folder, "nobody")
    for file in folder.iterdir():
        shutil.chown(file, "nobody")
    # It refuses to run as root, and the database's socket is root's own: the account that serves it here is root's.
    command = ["pgbouncer", str(folder / "pgbouncer.ini")]
    server = subprocess.Popen(
        ["unshare", "--user", "--map-user=65534", "--map-group=65534", *command], stderr=subprocess.DEVNULL
    )
    wait_for(port)
    yield f"postgresql://stempel_app:app@127.0.0.1:{port}/{url.database}"
    server.terminate()
    server.wait(timeout=10)
    shutil.rmtree(folder, ignore_errors=True)


async def test_stamps_are_given_through_pgbouncer_in_transaction_mode(
    bouncer: str, settings: Settings, clock: FixedClock, process: Process, database: Any
) -> None:
    """Forty stamps at once through three server connections: all given, each to its own tenant."""
    import httpx2

    from app.main import create_app

    behind = build_process(
        settings.model_copy(
            update={
                "database_url": bouncer,
                "database_system_url": bouncer.replace("stempel_app:app", "stempel_system:system"),
                "database_pgbouncer": True,
            }
        ),
        clock=clock,
        keyring=process.resources.get(Keyring),
    )
    try:
        app = create_app(behind.settings, process=behind)
        shops = []
        for _ in range(2):
            merchant = await make_merchant(database)
            store = await make_store(database, merchant, cooldown_minutes=0)
            _, pin = await make_staff(database, store)
            shops.append((store, pin, [await make_card(database, store) for _ in range(20)]))
        transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
        async with httpx2.AsyncClient(transport=transport, base_url="http://testserver") as client:
            answers = await asyncio.gather(
                *(
                    client.post(f"/stamp/{store.id}", json={"pass_id": str(card.id), "staff_pin": pin})
                    for store, pin, cards in shops
                    for card in cards
                )
            )
    finally:
        await behind.aclose()
        process.registry.bind()

    assert [answer.status_code for answer in answers] == [201] * 40
    assert {answer.json()["stamp_count"] for answer in answers} == {1}
