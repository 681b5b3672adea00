"""Stamps over HTTP against pgbench running the same transaction, as a ratio.

Limit: pgbench -M prepared calling one function that does every write of the award under row-level security, on the
same data folder, with fsync, full_page_writes and synchronous_commit on.
Run: ./stempel bench stamp [--seconds 10] [--rounds 3] [--clients 16]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from app.config import Settings
from app.db.embedded import EmbeddedPostgres
from app.db.embedded_binaries import find_binaries
from app.db.migrate import upgrade_async
from app.db.session import tenant_scope, to_async_url
from app.modules.merchants.factories import make_merchant
from app.modules.staff.factories import make_staff
from app.modules.stores.factories import make_store
from app.process import build_process

ROOT = Path(__file__).resolve().parent.parent

CARDS = 20_000
PASSWORD = "bench"
BYTES_NEEDED = 2_000_000_000

# Every write of the award in one call: lock and check, totals, visit, event, key, mark. Rights and row-level
# security are those of the caller (no SECURITY DEFINER).
LIMIT_FUNCTION = """
CREATE FUNCTION bench_stamp(tenant uuid, place uuid, wanted uuid) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE card record; visit_id uuid := uuidv7(); count bigint;
BEGIN
  PERFORM set_config('stempel.merchant_id', tenant::text, true);
  SELECT p.stamp_count, p.last_stamp_at, s.time_zone, g.stamps_needed, g.cooldown_minutes INTO card
    FROM pass_object p JOIN store s ON s.merchant_id = p.merchant_id AND s.id = place
    JOIN program g ON g.merchant_id = p.merchant_id AND g.id = p.program_id
    WHERE p.merchant_id = tenant AND p.id = wanted AND p.status = 'active' FOR UPDATE OF p;
  count := (card.stamp_count + 1) % card.stamps_needed;
  UPDATE pass_object SET stamp_count = count, last_stamp_at = now(), last_visit_at = now(),
    revision = revision + 1, changed_at = now() WHERE merchant_id = tenant AND id = wanted;
  INSERT INTO visit (merchant_id, id, store_id, pass_id, given_by, source, currency, stamps, at)
    VALUES (tenant, visit_id, place, wanted, 'pin', 'customer_phone', 'EUR', 1, now());
  INSERT INTO stamp_event (merchant_id, id, pass_id, store_id, visit_id, kind, stamps_added, balance_after, timestamp)
    VALUES (tenant, uuidv7(), wanted, place, visit_id, 'earn', 1, count, now());
  INSERT INTO idempotency_key (merchant_id, scope, key, fingerprint, answer, created_at)
    VALUES (tenant, 'stamp|' || wanted, gen_random_uuid()::text, '\\x00', '{"stamp_count": 1}', now());
  INSERT INTO card_refresh (merchant_id, pass_id) VALUES (tenant, wanted) ON CONFLICT DO NOTHING;
  RETURN count;
END $$
"""


def main() -> None:
    """Set up one shop with many cards, then run limit and ours in turn."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--web-processes", type=int, default=1)
    parser.add_argument("--at-least", type=float, default=0.0, help="fail below this ratio")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="stempel-bench-") as folder:
        if free_bytes(folder) < BYTES_NEEDED:
            sys.exit("The temporary folder has less than 2 GB free; the bench writes to it.")
        with EmbeddedPostgres(Path(folder) / "pg") as server:
            ratio = run(server, Path(folder), options)
    if ratio < options.at_least:
        sys.exit(f"ratio {ratio:.2f} is below {options.at_least}")


def free_bytes(folder: str) -> int:
    """Return the room left on the folder's file system."""
    stats = os.statvfs(folder)
    return stats.f_bavail * stats.f_frsize


def run(server: EmbeddedPostgres, folder: Path, options: argparse.Namespace) -> float:
    """Measure in turn and print; return the median ratio."""
    port = free_port()
    environment = settings_environment(server, folder, port)
    shop = asyncio.run(prepare(server, environment))
    print(f"{CARDS} cards, {options.clients} clients, {options.seconds} s a run; {shop['durability']}")
    web = start_web(environment | {"STEMPEL_WEB_PROCESSES": str(options.web_processes)}, port)
    try:
        ratios = []
        for number in range(options.rounds):
            limit = run_pgbench(server, folder, shop, options)
            before = cpu_seconds(web.pid)
            ours = run_load(shop, port, options, number)
            cpu = (cpu_seconds(web.pid) - before) / max(1, ours["answers"]) * 1000
            ratios.append(ours["rate"] / limit)
            print(
                f"round {number + 1}: limit {limit:7.0f}/s   ours {ours['rate']:6.0f}/s   ratio {ratios[-1]:.3f}"
                f"   p50 {ours['p50_ms']:.1f} ms   p99 {ours['p99_ms']:.1f} ms   CPU {cpu:.2f} ms"
                f"   {ours['status']} {ours['errors']}"
            )
    finally:
        web.terminate()
        web.wait(timeout=20)
    median = statistics.median(ratios)
    print(f"ratio {median:.3f} (min {min(ratios):.3f}, max {max(ratios):.3f})")
    return median


def cpu_seconds(pid: int) -> float:
    """Return the CPU time of the web process and its workers so far."""
    workers = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    ticks = 0
    for one in (pid, *workers):
        ticks += sum(map(int, Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()[11:13]))
    return ticks / os.sysconf("SC_CLK_TCK")


def free_port() -> int:
    """Return a loopback port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


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
        "STEMPEL_LOG_LEVEL": "WARNING",
    }


async def prepare(server: EmbeddedPostgres, environment: dict[str, str]) -> dict[str, Any]:
    """Migrate, make the shop and its cards, add the limit's function; return what the runs need."""
    await upgrade_async(server.admin_url, app_password=PASSWORD, system_password=PASSWORD)
    os.environ.update(environment)
    process = build_process(Settings())
    await process.open()
    merchant = await make_merchant(process.database)
    store = await make_store(
        process.database,
        merchant,
        cooldown_minutes=0,
        visits_per_day=0,
        full_card="carry_on",
    )
    _, pin = await make_staff(process.database, store)
    async with tenant_scope(process.database, merchant.id) as session:
        await session.execute(text(BULK_CUSTOMERS), {"m": merchant.id, "n": CARDS})
        await session.execute(
            text(BULK_CARDS),
            {"m": merchant.id, "s": store.id, "p": store.program.id, "n": CARDS},
        )
        cards = [str(row) for row in await session.scalars(text("SELECT id FROM pass_object"))]
    await process.aclose()
    engine = create_async_engine(to_async_url(server.admin_url), isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        await connection.exec_driver_sql(LIMIT_FUNCTION)
        await connection.exec_driver_sql("GRANT EXECUTE ON FUNCTION bench_stamp TO stempel_app")
        await connection.exec_driver_sql("VACUUM ANALYZE")
        names = ("fsync", "full_page_writes", "synchronous_commit", "server_version")
        values = [(name, (await connection.exec_driver_sql(f"SHOW {name}")).scalar_one()) for name in names]
    await engine.dispose()
    durability = ", ".join(f"{name}={value}" for name, value in values)
    return {
        "merchant": merchant.id,
        "store": store.id,
        "pin": pin,
        "cards": cards,
        "durability": durability,
    }


BULK_CUSTOMERS = """
INSERT INTO customer (merchant_id, id)
SELECT :m, ('01900000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid FROM generate_series(1, :n) n
"""
BULK_CARDS = """
INSERT INTO pass_object (merchant_id, id, customer_id, store_id, program_id, card_number, known_stores)
SELECT :m, ('01900000-0001-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid,
       ('01900000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, :s, :p, 'BENCH' || n, ARRAY[:s]::uuid[]
FROM generate_series(1, :n) n
"""


def start_web(environment: dict[str, str], port: int) -> subprocess.Popen[bytes]:
    """Start the real web process and wait until it is ready."""
    command = [sys.executable, "-m", "app.cli", "serve"]
    web = subprocess.Popen(command, cwd=ROOT / "backend", env={**os.environ, **environment})
    for _ in range(300):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=1):
                return web
        except OSError:
            time.sleep(0.1)
    web.terminate()
    sys.exit("The web process did not become ready.")


def run_pgbench(
    server: EmbeddedPostgres,
    folder: Path,
    shop: dict[str, Any],
    options: argparse.Namespace,
) -> float:
    """Run the limit once; return transactions a second."""
    script = folder / "limit.sql"
    script.write_text(
        f"\\set n random(1, {CARDS})\n"
        f"SELECT bench_stamp('{shop['merchant']}', '{shop['store']}',"
        " ('01900000-0001-7000-8000-' || lpad(to_hex(:n::int), 12, '0'))::uuid);\n"
    )
    url = os.environ["STEMPEL_DATABASE_URL"]
    command = [
        str(find_pgbench()),
        "-n",
        "-M",
        "prepared",
        "-c",
        str(options.clients),
        "-j",
        "2",
    ]
    command += ["-T", str(options.seconds), "-f", str(script), url]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = re.search(r"tps = ([0-9.]+)", done.stdout)
    if found is None:
        sys.exit(f"pgbench failed: {done.stderr[-500:]}")
    return float(found.group(1))


def find_pgbench() -> Path:
    """Return the pgbench that comes with the embedded server."""
    return find_binaries(None).folder / "pgbench"


def run_load(shop: dict[str, Any], port: int, options: argparse.Namespace, number: int) -> dict[str, Any]:
    """Send stamps over HTTP for the given time, from a process of its own."""
    cards = shop["cards"] * 3
    random.Random(number).shuffle(cards)
    job = {
        "host": "127.0.0.1", "port": port, "path": f"/stamp/{shop['store']}", "pin": shop["pin"], "cards": cards,
        "clients": options.clients, "seconds": options.seconds, "round": f"{UUID(int=number)}",
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, str(ROOT / "bench/load.py")],
        input=json.dumps(job),
        capture_output=True,
        text=True,
        check=True,
    )
    figures: dict[str, Any] = json.loads(done.stdout)
    if figures["ran_out"]:
        sys.exit("The bench ran out of requests: make CARDS larger.")
    return figures


if __name__ == "__main__":
    main()
