"""A shop with many cards in a database of the moment, the real web process before it, and stamps over HTTP."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import text

from app.config import Settings
from app.db.embedded import EmbeddedPostgres
from app.db.migrate import upgrade_async
from app.db.session import tenant_scope
from app.modules.merchants.factories import make_merchant
from app.modules.staff.factories import make_staff
from app.modules.stores.factories import make_store
from app.process import build_process
from filling import quick_owner

ROOT = Path(__file__).resolve().parent.parent
PASSWORD = "bench"
READY_SECONDS_MAX = 120
END_SECONDS_MAX = 20
DURABILITY = ("fsync", "full_page_writes", "synchronous_commit", "server_version")

CARD_ID = "('01900000-0001-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid"
_CUSTOMERS = """
INSERT INTO customer (merchant_id, id)
SELECT :m, ('01900000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid FROM generate_series(1, CAST(:n AS int)) n
"""
_CARDS = f"""
INSERT INTO pass_object (merchant_id, id, customer_id, store_id, program_id, card_number, known_stores)
SELECT :m, {CARD_ID}, ('01900000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, :s, :p, 'BENCH' || n,
  ARRAY[CAST(:s AS uuid)] FROM generate_series(1, CAST(:n AS int)) n
"""


@dataclass(frozen=True)
class Shop:
    """What the runs need to know. durability: what the database keeps of a commit, for the report."""

    merchant: UUID
    store: UUID
    staff: UUID
    pin: str
    cards: Sequence[str]
    durability: str


@dataclass(frozen=True)
class Answers:
    """What the load client saw."""

    rate: float
    answers: int
    status: dict[str, int]
    p50_ms: float
    p95_ms: float
    p99_ms: float
    errors: list[str]


def need_room(folder: Path, size: int) -> None:
    """End the bench where the disk has too little room for it."""
    free = shutil.disk_usage(folder).free
    if free < size:
        sys.exit(f"{size / 1e9:.1f} GB are needed, {free / 1e9:.1f} GB are free.")


def settings_environment(server: EmbeddedPostgres, folder: Path, port: int) -> dict[str, str]:
    """Return the settings of the product under measurement, as an operator would set them."""

    def login(user: str) -> str:
        return re.sub(r"//[^@]*@", f"//{user}:{PASSWORD}@", server.admin_url)

    return {
        "STEMPEL_DATABASE_URL": login("stempel_app"),
        "STEMPEL_DATABASE_SYSTEM_URL": login("stempel_system"),
        "STEMPEL_DATABASE_ADMIN_URL": server.admin_url,
        "STEMPEL_DATA_DIR": str(folder / "data"),
        "STEMPEL_PUBLIC_URL": f"http://localhost:{port}",
        "STEMPEL_ALLOWED_HOSTS": "127.0.0.1",
        "STEMPEL_PORT": str(port),
        "STEMPEL_LOG_LEVEL": "ERROR",
    }


def open_shop(server: EmbeddedPostgres, environment: dict[str, str], *, cards: int) -> Shop:
    """Migrate, make a shop that refuses no stamp for its rules, its staff and its cards."""
    return asyncio.run(_open_shop(server, environment, cards))


async def _open_shop(server: EmbeddedPostgres, environment: dict[str, str], cards: int) -> Shop:
    await upgrade_async(server.admin_url, app_password=PASSWORD, system_password=PASSWORD)
    os.environ.update(environment)
    process = build_process(Settings())
    await process.open()
    merchant = await make_merchant(process.database)
    store = await make_store(
        process.database, merchant, cooldown_minutes=0, visits_per_day=0, full_card="carry_on"
    )
    staff_id, pin = await make_staff(process.database, store)
    async with quick_owner(server.admin_url) as owner:
        values: dict[str, Any] = {"m": merchant.id, "n": cards}
        await owner.execute(text(_CUSTOMERS), values)
        await owner.execute(text(_CARDS), values | {"s": store.id, "p": store.program.id})
        await owner.execute(text("VACUUM ANALYZE"))
        settings = [(name, (await owner.execute(text(f"SHOW {name}"))).scalar_one()) for name in DURABILITY]
    async with tenant_scope(process.database, merchant.id) as session:
        ids = [str(row) for row in await session.scalars(text("SELECT id FROM pass_object"))]
    await process.aclose()
    durability = ", ".join(f"{name}={value}" for name, value in settings)
    return Shop(merchant.id, store.id, staff_id, pin, ids, durability)


def free_port() -> int:
    """Return a loopback port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


SERVE = ("-m", "app.cli", "serve")


@contextmanager
def running_web(
    environment: dict[str, str], *, command: Sequence[str] = SERVE
) -> Iterator[subprocess.Popen[bytes]]:
    """Start the real web process, wait until it is ready, end it."""
    web = subprocess.Popen(
        [sys.executable, *command], cwd=ROOT / "backend", env={**os.environ, **environment}
    )
    try:
        await_ready(web, int(environment["STEMPEL_PORT"]), path="/readyz")
        yield web
    finally:
        web.terminate()
        try:
            web.wait(timeout=END_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            web.kill()
            web.wait(timeout=END_SECONDS_MAX)


def await_ready(web: subprocess.Popen[bytes], port: int, *, path: str, pause: float = 0.1) -> None:
    """Ask until the process answers; exits when it ends or takes too long."""
    until = time.monotonic() + READY_SECONDS_MAX
    while time.monotonic() < until and web.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5):
                return
        except OSError:
            time.sleep(pause)
    web.kill()
    sys.exit(f"The web process ended, or was not ready within {READY_SECONDS_MAX} seconds.")


def cpu_seconds(pid: int) -> float:
    """Return the CPU time of a process and of all below it so far, those that ended included."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    own: float = sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
    return own + sum(cpu_seconds(int(child)) for child in children)


@dataclass(frozen=True)
class Pace:
    """How stamps are sent. rate: so many a second, however long they take; 0: as fast as answers come.

    may_end: the run is over with the last card; else the bench was given too few.
    """

    seconds: float
    clients: int = 16
    rate: float = 0
    may_end: bool = False


def send_stamps(
    shop: Shop, port: int, *, cards: Sequence[str], pace: Pace, run: str, pin: str = ""
) -> Answers:
    """Send stamps from a process of its own, to each card once.

    run: makes the keys of this run its own. pin: another than the right one.
    """
    job = {
        "host": "127.0.0.1", "port": port, "path": f"/stamp/{shop.store}", "pin": pin or shop.pin, "cards": cards,
        "run": run, "clients": pace.clients, "seconds": pace.seconds, "rate": pace.rate,
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, str(ROOT / "bench/load.py")],
        input=json.dumps(job),
        capture_output=True,
        text=True,
        check=False,
        timeout=pace.seconds + 120,
    )
    if done.returncode:
        sys.exit(f"the load client failed: {done.stderr[-500:]}")
    figures = json.loads(done.stdout)
    if figures.pop("ran_out") and not pace.may_end:
        sys.exit("The bench ran out of requests: it needs more cards.")
    return Answers(**figures)
