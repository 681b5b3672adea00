"""A table with many rows as a file: time and memory, against `COPY` of the same rows by psql.

Run: ./stempel bench exports [--rows 1000000] [--xlsx]. The limit is psql copying the plain columns to nowhere, without
quoting formulas; beside it the same through the driver. They take turns. Then whole jobs, which keep their pieces in
the database as the worker does. The memory is the process's highest, in megabytes.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from uuid import UUID

from sqlalchemy import text

from app.config import Settings
from app.db.embedded import EmbeddedPostgres
from app.db.embedded_binaries import find_binaries
from app.db.migrate import upgrade
from app.db.session import tenant_scope
from app.kernel.jobs import JobContext
from app.kernel.jobs.enqueue import connection_of
from app.kernel.permissions import Principal
from app.kernel.points import EXPORTER
from app.modules.exports.jobs import make_file
from app.modules.exports.service import OrderedFile, order_file
from app.modules.exports.writing import WRITERS, Order
from app.modules.merchants.factories import make_merchant
from app.modules.merchants.public import get_merchant
from app.process import Process, build_process
from app.utils.security import Keyring
from filling import quick_owner, without_indexes
from findings import Figure, Finding

GOAL = 0.7
# A million rows may not be held; what Python keeps for itself meanwhile may be this much.
MEGABYTES_MORE = 30
BYTES_A_ROW = 600
_FILL = """
INSERT INTO customer (merchant_id, id, name, email, phone, locale)
SELECT :m, gen_random_uuid(), 'Customer number ' || n, 'customer' || n || '@example.com', '+352621' || n, 'en'
FROM generate_series(1, :rows) AS n"""


def megabytes() -> float:
    """Return the highest memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def psql(admin_url: str, merchant_id: UUID) -> float:
    """Let psql copy the plain columns to nowhere; return the seconds."""
    query = " ".join(EXPORTER.get("customers").query.replace("$1", f"'{merchant_id}'").split())
    begun = time.perf_counter()
    subprocess.run(
        [str(find_binaries(None).program("psql")), admin_url, "-c", f"COPY ({query}) TO STDOUT (FORMAT csv)"],
        stdout=subprocess.DEVNULL,
        check=True,
    )
    return time.perf_counter() - begun


async def job(process: Process, principal: Principal, form: str) -> tuple[float, int]:
    """Order a file and make it as the worker does; return the seconds and the bytes."""
    names = ("database", "settings", "clock", "registry", "resources")
    now = process.clock.now()
    async with tenant_scope(process.database, principal.merchant_id) as session:
        ordered = await order_file(session, principal, key="customers", form=form, now=now)
    assert isinstance(ordered, OrderedFile), "so few rows are sent at once: --rows 50000 are made by a job"
    context = JobContext(
        **{name: getattr(process, name) for name in names}, merchant_id=principal.merchant_id
    )
    begun = time.perf_counter()
    await make_file(context, export_id=ordered.export_id)
    spent = time.perf_counter() - begun
    async with tenant_scope(process.database, principal.merchant_id) as session:
        values = {"id": ordered.export_id}
        size = await session.scalar(text("SELECT size_bytes FROM export_file WHERE id = :id"), values)
    return spent, int(size or 0)


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


async def run(settings: Settings, options: argparse.Namespace, admin_url: str) -> None:
    """Fill, take turns, print."""
    finding = Finding("exports")
    process = build_process(settings, keyring=Keyring.for_tests())
    await process.open()
    merchant = await make_merchant(process.database)
    async with quick_owner(admin_url) as owner, without_indexes(owner, "customer"):
        await owner.execute(text(_FILL), {"m": merchant.id, "rows": options.rows})
    async with quick_owner(admin_url) as owner:
        await owner.execute(text("VACUUM (ANALYZE) customer"))
    await ours(process, merchant.id, "csv")
    before = megabytes()
    ratios, driver = [], []
    for _round in range(options.rounds):
        bare = await asyncio.to_thread(psql, admin_url, merchant.id)
        through = await limit(process, merchant.id)
        spent, size = await ours(process, merchant.id, "csv")
        size_of_csv = size
        ratios.append(bare / spent)
        driver.append(through / spent)
        print(
            f"psql {bare:.1f} s, COPY through the driver {through:.1f} s, export {spent:.1f} s ({size / 1e6:.0f} MB)",
            flush=True,
        )
    figures = [
        Figure("CSV of a table against COPY in psql", ratios, goal=GOAL),
        Figure("the same against COPY through the driver", driver),
    ]
    principal = Principal(
        "member",
        merchant.id,
        merchant.owner_id,
        role="owner",
        scopes=frozenset({EXPORTER.get("customers").permission}),
    )
    for form in ("csv", "xlsx") if options.xlsx else ("csv",):
        spent, size = await job(process, principal, form)
        print(
            f"job, {form}: {spent:.0f} s ({size / 1e6:.0f} MB), {options.rows / spent:,.0f} rows a second,"
            f" memory {before:.0f} MB before, {megabytes():.0f} MB after {options.rows:,} rows",
            flush=True,
        )
        figures.append(
            Figure(f"rows a second into {form.upper()} as a job", [options.rows / spent], digits=0)
        )
        more = [megabytes() - before]
        figures.append(
            Figure(
                f"memory more than before, {form.upper()}", more, "MB", MEGABYTES_MORE, at_most=True, digits=0
            )
        )
    finding.keep(
        figures,
        on=f"{options.rows:,} customers, {size_of_csv / 1e6:.0f} MB of CSV; memory is the process's highest",
    )
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
        upgrade(server.admin_url, app_password="app", system_password="system")
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
        asyncio.run(run(settings, options, server.admin_url))
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
