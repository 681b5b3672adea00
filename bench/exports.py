"""A table with many rows as CSV: rows a second and memory, against `COPY` alone through the same driver.

Run: ./stempel bench exports [--rows 1000000]. The limit copies the same columns of the same rows without quoting
formulas and without keeping anything. Both take turns; the memory is the process's highest, in megabytes.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path
from uuid import UUID

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "backend"))

from sqlalchemy import text

from app.config import Settings
from app.db.embedded import EmbeddedPostgres
from app.db.migrate import upgrade
from app.db.session import tenant_scope
from app.kernel.jobs.enqueue import connection_of
from app.kernel.points import EXPORTER
from app.modules.exports.writing import WRITERS, Order
from app.modules.merchants.factories import make_merchant
from app.modules.merchants.public import get_merchant
from app.process import Process, build_process
from app.utils.security import Keyring

BYTES_A_ROW = 600
_FILL = """
INSERT INTO customer (merchant_id, id, name, email, phone, locale)
SELECT :m, gen_random_uuid(), 'Customer number ' || n, 'customer' || n || '@example.com', '+352621' || n, 'en'
FROM generate_series(1, :rows) AS n"""


def megabytes() -> float:
    """Return the highest memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


async def limit(process: Process, merchant_id: UUID) -> float:
    """Copy the plain columns and throw the bytes away; return the seconds."""
    exporter = EXPORTER.get("customers")

    async def drop(_part: bytes) -> None:
        return None

    begun = time.perf_counter()
    async with tenant_scope(process.database, merchant_id) as session:
        raw = await connection_of(session)
        await raw.execute("SET LOCAL statement_timeout = '20min'")
        await raw.copy_from_query(exporter.query, merchant_id, output=drop, format="csv", timeout=1200)
    return time.perf_counter() - begun


async def ours(process: Process, merchant_id: UUID, form: str) -> tuple[float, int]:
    """Write the file as the product does, all but keeping it; return the seconds and the bytes."""
    size = 0

    async def take(piece: bytes, _rows: int) -> None:
        nonlocal size
        size += len(piece)

    begun = time.perf_counter()
    async with tenant_scope(process.database, merchant_id) as session:
        order = Order(EXPORTER.get("customers"), await get_merchant(session, merchant_id))
        await WRITERS[form](session, order, take)
    return time.perf_counter() - begun, size


async def run(settings: Settings, options: argparse.Namespace) -> None:
    """Fill, take turns, print."""
    process = build_process(settings, keyring=Keyring.for_tests())
    merchant = await make_merchant(process.database)
    for _part in range(0, options.rows, 50_000):
        async with tenant_scope(process.database, merchant.id) as session:
            await session.execute(text(_FILL), {"m": merchant.id, "rows": min(50_000, options.rows)})
    before = megabytes()
    ratios = []
    for _round in range(options.rounds):
        bare = await limit(process, merchant.id)
        spent, size = await ours(process, merchant.id, "csv")
        ratios.append(bare / spent)
        print(f"COPY {bare:.1f} s, export {spent:.1f} s ({size / 1e6:.0f} MB), ratio {ratios[-1]:.2f}", flush=True)
    print(f"CSV: median ratio {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")
    print(f"memory before {before:.0f} MB, after {options.rows:,} rows {megabytes():.0f} MB")
    if options.xlsx:
        spent, size = await ours(process, merchant.id, "xlsx")
        print(f"XLSX: {spent:.0f} s ({size / 1e6:.0f} MB), memory {megabytes():.0f} MB")
    await process.aclose()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--xlsx", action="store_true")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="stempel-bench-"))
    if shutil.disk_usage(folder).free < options.rows * BYTES_A_ROW * 3:
        raise SystemExit("There is too little room on the disk.")
    server = EmbeddedPostgres(folder / "pg", settings={"fsync": "off", "synchronous_commit": "off"})
    server.start()
    try:
        upgrade(server.admin_url, app_password="app", system_password="system")  # noqa: S106 (of the moment)
        settings = Settings(
            database_url=server.url("stempel_app", "app"),
            database_system_url=server.url("stempel_system", "system"),
            database_admin_url=server.admin_url,
            database_allow_async_commit=True,
            data_dir=folder / "data",
            public_url="http://localhost",
            demo=True,
            log_level="WARNING",
        )
        asyncio.run(run(settings, options))
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
