"""The installation's figures for /metrics: jobs, the worker's delay, database, disk, backup, shops."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import text

from app.db.session import system_scope
from app.kernel.backups import last_backup
from app.kernel.jobs import find_schedule_delay, list_queues
from app.kernel.operating import Look, Measure
from app.modules.operators.looking.machine import read_database, read_disk

Figures = Mapping[tuple[str, ...], float]


async def _jobs(look: Look) -> Figures:
    async with system_scope(look.database) as session:
        lines = await list_queues(session, now=look.now)
    states = ("due", "later", "running", "trying", "dead")
    return {(line.name, state): getattr(line, state) for line in lines for state in states}


async def _oldest_wait(look: Look) -> Figures:
    async with system_scope(look.database) as session:
        lines = await list_queues(session, now=look.now)
    return {(): max((line.oldest_wait.total_seconds() for line in lines), default=0.0)}


async def _schedule_delay(look: Look) -> Figures:
    async with system_scope(look.database) as session:
        delay = await find_schedule_delay(session, now=look.now)
    return {} if delay is None else {(): delay.total_seconds()}


async def _connections(look: Look) -> Figures:
    async with system_scope(look.database) as session:
        facts = await read_database(session)
    return {("taken",): facts.connections, ("possible",): facts.connections_max}


async def _database_bytes(look: Look) -> Figures:
    async with system_scope(look.database) as session:
        return {(): (await read_database(session)).size_bytes}


async def _database_info(look: Look) -> Figures:
    async with system_scope(look.database) as session:
        facts = await read_database(session)
    return {(facts.server, facts.schema, facts.schema_state): 1}


async def _disk(look: Look) -> Figures:
    disk = read_disk(look.settings.data_dir)
    return {("free",): disk.free_bytes, ("total",): disk.total_bytes}


async def _backup_age(look: Look) -> Figures:
    async with system_scope(look.database) as session:
        newest = await last_backup(session)
    if newest is None or newest.finished_at is None:
        return {}
    return {(): max((look.now - newest.finished_at).total_seconds(), 0)}


async def _shops(look: Look) -> Figures:
    async with system_scope(look.database) as session:
        return {(): int(await session.scalar(text("SELECT count(*) FROM merchant")) or 0)}


MEASURES: Mapping[str, Measure] = {
    "stempel_jobs": Measure(
        "Jobs in the queue, by kind and state; trying ones are among due and later.", _jobs, ("name", "state")
    ),
    "stempel_job_oldest_wait_seconds": Measure("How long the oldest due job has waited.", _oldest_wait),
    "stempel_schedule_delay_seconds": Measure(
        "How long the most overdue periodic work has waited; grows when no worker runs.", _schedule_delay
    ),
    "stempel_database_connections": Measure(
        "Connections to the PostgreSQL server, of everybody, and how many it allows.",
        _connections,
        ("state",),
    ),
    "stempel_database_bytes": Measure("Size of the database.", _database_bytes),
    "stempel_database_info": Measure(
        "Always 1; PostgreSQL's version, the schema's revision and whether it is this release's, as labels.",
        _database_info,
        ("server", "schema", "state"),
    ),
    "stempel_disk_bytes": Measure("The disk that holds the data folder.", _disk, ("state",)),
    "stempel_backup_age_seconds": Measure(
        "Age of the newest finished backup; missing where there is none.", _backup_age
    ),
    "stempel_merchants": Measure("Shops of this installation.", _shops),
}
