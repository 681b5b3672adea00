"""Puts a backup back, into an empty place only, all of it or nothing.

The file is read to its end before anything is written. Then, in one transaction: the schema the backup had, its
rows, the migrations since, and what makes wallets ask again. Files are put before the commit and taken away if it
fails; a restore that was killed leaves at most files equal to the backup's, and may simply be run again.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from urllib.parse import unquote, urlsplit

import asyncpg
from alembic.script import ScriptDirectory
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from app.backup.archive import Contents, Count, Member, examine_archive, read_members
from app.backup.files import Restored, find_conflicts, put_files
from app.backup.refusals import BackupRefused
from app.backup.sealed_file import Openers
from app.backup.tables import Table, copy_in, has_tables, loosen, read_layout, run_all, set_sequences
from app.config import Settings
from app.db.embedded_binaries import OLDEST_MAJOR
from app.db.migrate import MIGRATIONS, alembic_config, ensure_roles, migration_turn, run_alembic
from app.db.partitions import ensure_named_partitions, ensure_partitions
from app.db.rights import APP_ROLE, SYSTEM_ROLE
from app.db.session import to_async_url
from app.kernel.clock import Clock

CONNECT_SECONDS_MAX = 10


@dataclass(frozen=True)
class Outcome:
    """What was put back. restored: files of settings, which have to be pointed at again."""

    contents: Contents
    restored: tuple[Restored, ...]


@dataclass(frozen=True)
class Restore:
    """One restore: the open file, what opens it, where it goes."""

    settings: Settings
    source: IO[bytes]
    openers: Openers
    clock: Clock
    # Another folder of migrations in tests of an upgrade.
    scripts: Path = MIGRATIONS

    def members(self) -> Iterator[Member]:
        """Read the file from its beginning."""
        self.source.seek(0)
        return read_members(self.source, self.openers)


def examine(source: IO[bytes], openers: Openers, *, scripts: Path = MIGRATIONS) -> Contents:
    """Read a backup to its end and make sure that this release can restore it; raises BackupRefused."""
    source.seek(0)
    contents = examine_archive(source, openers)
    known = {
        revision.revision
        for revision in ScriptDirectory.from_config(alembic_config(scripts)).walk_revisions()
    }
    if contents.about["schema"] not in known:
        raise BackupRefused("backup_newer", f"It has the schema {contents.about['schema']}.")
    return contents


async def restore(
    work: Restore, contents: Contents, *, say: Callable[[str], object] = lambda _line: None
) -> Outcome:
    """Put an examined backup back; raises BackupRefused, and then nothing was changed."""
    files = {member.name: member.data for member in work.members() if member.kind == "file"}
    conflicts = find_conflicts(work.settings, files)
    if conflicts:
        raise BackupRefused("restore_not_empty", f"{conflicts[0]} is another file than the backup's.")
    engine = create_async_engine(to_async_url(work.settings.database_admin_url))
    made: list[Path] = []
    try:
        async with migration_turn(engine), engine.connect() as connection:
            await _require_empty(await _driver(connection))
            await connection.commit()
            await ensure_roles(connection, _passwords(work.settings))
            await connection.commit()
            # Begun here: Alembic would begin, and commit, one of its own.
            async with connection.begin():
                await _restore_database(work, contents, connection=connection, say=say)
                restored = put_files(work.settings, files, made=made)
    except BaseException as error:
        for path in made:
            path.unlink(missing_ok=True)
        if isinstance(error, DBAPIError | asyncpg.PostgresError | OSError):
            raise BackupRefused("restore_failed", _reason(error)) from error
        raise
    finally:
        await engine.dispose()
    return Outcome(contents, tuple(restored))


async def _restore_database(
    work: Restore, contents: Contents, *, connection: AsyncConnection, say: Callable[[str], object]
) -> None:
    from app.modules.wallets.public import AFTER_RESTORE

    say("Making the tables")
    await connection.run_sync(run_alembic, contents.about["schema"], scripts=work.scripts)
    await ensure_named_partitions(connection, contents.manifest["partitions"])
    driver = await _driver(connection)
    expected = await _known_tables(driver, contents)
    back = await loosen(driver)
    await _load(work, contents, driver, expected, say=say)
    await set_sequences(driver, contents.manifest["sequences"])
    say("Checking the references")
    await run_all(driver, back)
    await connection.run_sync(run_alembic, "head", scripts=work.scripts)
    await ensure_partitions(connection, work.clock.now())
    say("Telling the wallets")
    await run_all(driver, AFTER_RESTORE)
    await run_all(driver, ["ANALYZE"])


async def _load(
    work: Restore,
    contents: Contents,
    driver: Any,
    tables: dict[str, Table],
    *,
    say: Callable[[str], object],
) -> None:
    """Copy every table in, counting again what the manifest has counted."""
    members = _Ahead(member for member in work.members() if member.kind == "table")
    number = 0
    while (name := members.next_table()) is not None:
        number += 1
        say(f"{number}/{len(tables)} {name}")
        count = Count()
        rows = await copy_in(driver, tables[name], members.pieces(name, count))
        listed = contents.manifest["tables"][name]
        if rows != listed["rows"] or count.said()["sha256"] != listed["sha256"]:
            raise BackupRefused("backup_damaged", f"{name} is not what was examined.")


class _Ahead:
    """The pieces of the archive, with a look at whose the next one is."""

    def __init__(self, members: Iterator[Member]) -> None:
        self._members = members
        self._next = next(members, None)

    def next_table(self) -> str | None:
        return self._next.name if self._next else None

    async def pieces(self, table: str, count: Count) -> AsyncIterator[bytes]:
        while self._next is not None and self._next.name == table:
            data = self._next.data
            self._next = next(self._members, None)
            count.add(data)
            yield data


async def _known_tables(driver: Any, contents: Contents) -> dict[str, Table]:
    """Return the backup's tables with their columns; raises BackupRefused where the schema has not all of them."""
    here = {table.name: table for table in (await read_layout(driver)).tables}
    found = {}
    for name, listed in contents.manifest["tables"].items():
        missing = set(listed["columns"]) - set(here[name].columns) if name in here else {"all of it"}
        if missing:
            raise BackupRefused("backup_older", f"{name} has no {', '.join(sorted(missing))} here.")
        found[name] = Table(name, tuple(listed["columns"]))
    return found


async def _require_empty(driver: Any) -> None:
    major = int(await driver.fetchval("SELECT current_setting('server_version_num')::int / 10000"))
    if major < OLDEST_MAJOR:
        raise BackupRefused(
            "restore_foreign_server", f"PostgreSQL {OLDEST_MAJOR} or newer is needed, not {major}."
        )
    if await has_tables(driver):
        raise BackupRefused("restore_not_empty", "The database has tables.")


async def _driver(connection: AsyncConnection) -> Any:
    """Return the asyncpg connection of the transaction that SQLAlchemy has begun or now begins."""
    if not connection.in_transaction():
        await connection.begin()
    await connection.exec_driver_sql("SELECT 1")
    return (await connection.get_raw_connection()).driver_connection


def _passwords(settings: Settings) -> dict[str, str]:
    urls = {APP_ROLE: settings.database_url, SYSTEM_ROLE: settings.database_system_url}
    return {role: unquote(urlsplit(url).password or "") for role, url in urls.items()}


def _reason(error: BaseException) -> str:
    """Return why, without the values of rows: those are in the detail, which is left out."""
    cause = getattr(error, "orig", None) or error
    return f"{type(cause).__name__}: {str(cause).splitlines()[0][:200]}"
