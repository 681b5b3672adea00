"""Writes a backup: one snapshot of the database while the shops go on stamping, the keys, the files."""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Any
from uuid import UUID

import asyncpg

from app.backup.archive import ABOUT, MANIFEST, PIECE_BYTES, ArchiveWriter, Contents, Count, examine_archive
from app.backup.files import KEYS_NAME, list_files, read_keys
from app.backup.folder import free_name, make_folder, sweep
from app.backup.refusals import BackupRefused
from app.backup.sealed_file import FORMAT, Openers
from app.backup.tables import Table, copy_out, read_layout
from app.config import Settings
from app.db.migrate import MIGRATION_LOCK, TURN_POLL_SECONDS
from app.kernel.clock import Clock
from app.kernel.release import RELEASE
from app.utils.id_generator import new_id

CONNECT_SECONDS_MAX = 10
# For a migration to end; a backup never makes one wait behind a lock on a table (it holds the migrations' own).
TURN_SECONDS_MAX = 600.0
LOCK_WAIT = "5s"
KEY_READS_MAX = 5

_BEGUN = "INSERT INTO backup_run (id, started_at, file) VALUES ($1, $2, $3)"
_DONE = """UPDATE backup_run SET finished_at = $2, verified_at = $2, size_bytes = $3, row_count = $4 WHERE id = $1"""
_REFUSED = "UPDATE backup_run SET refused = $2 WHERE id = $1"
_VERIFIED = "UPDATE backup_run SET verified_at = $2 WHERE file = $1 AND finished_at IS NOT NULL"


@dataclass(frozen=True)
class Done:
    """A backup that was written, read back, and has its name."""

    path: Path
    size: int
    contents: Contents
    removed: tuple[Path, ...]


async def write_backup(
    settings: Settings, openers: Openers, *, clock: Clock, say: Callable[[str], object] = lambda _line: None
) -> Done:
    """Write a backup into the settings' folder, read it back to its end, and only then give it its name.

    Raises BackupRefused; what was begun is taken away again.
    """
    folder = make_folder(settings.backup_folder)
    started_at, run = clock.now(), new_id()
    path = free_name(folder, started_at)
    with _only_backup(folder), _unfinished(path) as part:
        async with _owner(settings) as marker:
            await marker.execute(_BEGUN, run, started_at, path.name)
            try:
                with open(part, "xb", opener=_private) as target:
                    key = await _write(settings, target, openers, clock=clock, say=say)
                    target.flush()
                    os.fsync(target.fileno())
                contents = read_back(part, key)
                os.replace(part, path)
                _sync_folder(folder)
                await _note_done(marker, run, path, contents=contents, now=clock.now())
            except Exception as error:
                await marker.execute(_REFUSED, run, getattr(error, "code", "failed"))
                raise
        removed = sweep(folder, keep=settings.backup_keep)
    return Done(path, path.stat().st_size, contents, tuple(removed))


async def _note_done(marker: Any, run: UUID, path: Path, *, contents: Contents, now: datetime) -> None:
    await marker.execute(_DONE, run, now, path.stat().st_size, contents.rows)


def read_back(path: Path, key: bytes) -> Contents:
    """Read what was just written to its end, with the key that is still at hand."""
    try:
        with open(path, "rb") as source:
            return examine_archive(source, Openers(), key=key)
    except BackupRefused as found:
        raise BackupRefused("backup_unverified", found.code) from None


async def note_refused(settings: Settings, code: str, *, now: datetime) -> None:
    """Note a backup that was not even begun, for whoever looks why there is none."""
    run = new_id()
    async with _owner(settings) as connection:
        await connection.execute(_BEGUN, run, now, "")
        await connection.execute(_REFUSED, run, code)


async def note_verified(settings: Settings, name: str, *, now: datetime) -> None:
    """Note that a file of this installation was opened and found whole."""
    async with _owner(settings) as connection:
        await connection.execute(_VERIFIED, name, now)


async def _write(
    settings: Settings, target: IO[bytes], openers: Openers, *, clock: Clock, say: Callable[[str], object]
) -> bytes:
    writer = ArchiveWriter(target, openers)
    async with _owner(settings) as connection:
        await _wait_for_migrations(connection)
        async with _snapshot(connection, settings) as keys:
            writer.add_json(ABOUT, await _about(connection, clock.now()))
            layout = await read_layout(connection)
            for number, table in enumerate(layout.tables, start=1):
                say(f"{number}/{len(layout.tables)} {table.name}")
                await _write_table(connection, writer, table)
    writer.add_file(KEYS_NAME, keys)
    for name, content in list_files(settings):
        writer.add_file(name, content)
    columns = {table.name: list(table.columns) for table in layout.tables}
    counts = {
        name: writer.tables[name].said() if name in writer.tables else Count().said() for name in columns
    }
    writer.add_json(
        MANIFEST,
        {
            "tables": {name: counts[name] | {"columns": columns[name]} for name in columns},
            "files": {name: count.said() for name, count in writer.files.items()},
            "sequences": dict(layout.sequences),
            "partitions": list(layout.partitions),
        },
    )
    writer.finish()
    return writer.key


async def _write_table(connection: Any, writer: ArchiveWriter, table: Table) -> None:
    waiting = bytearray()

    async def take(data: bytes) -> None:
        waiting.extend(data)
        if len(waiting) >= PIECE_BYTES:
            writer.add_piece(table.name, bytes(waiting))
            waiting.clear()

    await copy_out(connection, table, take)
    if waiting:
        writer.add_piece(table.name, bytes(waiting))


async def _about(connection: Any, now: datetime) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "program": "Stempel",
        "release": RELEASE,
        "schema": await connection.fetchval("SELECT version_num FROM alembic_version"),
        "postgresql": await connection.fetchval("SHOW server_version"),
        "taken_at": now.isoformat(),
    }


async def _wait_for_migrations(connection: Any) -> None:
    """Keep migrations out, shared with other backups: a change of a table would wait for us, and all behind it."""
    try:
        async with asyncio.timeout(TURN_SECONDS_MAX):
            while not await connection.fetchval(f"SELECT pg_try_advisory_lock_shared({MIGRATION_LOCK})"):
                await asyncio.sleep(TURN_POLL_SECONDS)
    except TimeoutError:
        raise BackupRefused("backup_busy") from None


@asynccontextmanager
async def _snapshot(connection: Any, settings: Settings) -> AsyncIterator[bytes]:
    """Open the snapshot and yield the keys that open everything in it.

    Read before and after: a rotation that fell between is waited out, because what it left behind may be in the
    snapshot, and the keys it took away not in the file.
    """
    for _attempt in range(KEY_READS_MAX):
        keys = read_keys(settings)
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            await connection.fetchval("SELECT version_num FROM alembic_version")  # the snapshot is taken here
            if read_keys(settings) != keys:
                continue
            yield keys
            return
    raise BackupRefused("backup_file", "The keys changed all the time.")


@asynccontextmanager
async def _owner(settings: Settings) -> AsyncIterator[Any]:
    if not settings.database_admin_url:
        raise BackupRefused("backup_no_owner")
    limits = {"lock_timeout": LOCK_WAIT, "application_name": "stempel backup"}
    address = plain_url(settings.database_admin_url)
    connection = await asyncpg.connect(address, timeout=CONNECT_SECONDS_MAX, server_settings=limits)
    try:
        yield connection
    finally:
        await connection.close(timeout=CONNECT_SECONDS_MAX)


def plain_url(url: str) -> str:
    """Return an address as asyncpg takes it."""
    return url.replace("postgresql+asyncpg://", "postgresql://", 1)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


@contextmanager
def _only_backup(folder: Path) -> Iterator[None]:
    """Let one backup write to a folder at a time; the lock goes with the process."""
    with open(folder / ".lock", "a", opener=_private) as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BackupRefused("backup_running") from None
        yield


@contextmanager
def _unfinished(path: Path) -> Iterator[Path]:
    """Yield the name the file has until it is whole; whatever happens, nothing stays under that name."""
    part = path.with_name(f".{path.name}.part")
    try:
        yield part
    finally:
        part.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
