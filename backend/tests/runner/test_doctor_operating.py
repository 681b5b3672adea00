"""The doctor on backups that nobody told what to lock with, and on the collector of traces."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import asyncpg
import pytest

from app.backup.refusals import BackupRefused
from app.commands.backup import Speaker, backup
from app.commands.collector_adapter import ask_collector
from app.commands.inspection import LOCK_ADVICE, _backup_finding, judge_backup
from app.config import Settings
from app.db.session import Database, system_scope
from app.kernel.backups import BackupRun, last_backup_run
from tests.kernel.collector import running_collector
from tests.system.services import free_port

AT = datetime(2026, 11, 20, 3, 10, tzinfo=UTC)
LOCKED = {"backup_recipient": "stempel-backup-public-x"}


def run(*, refused: str | None = None) -> BackupRun:
    """Return a run of a backup."""
    return BackupRun(started_at=AT, finished_at=None if refused else AT, refused=refused, file="x")


@pytest.mark.parametrize(
    ("given", "last", "newest", "is_scheduled", "well", "seen"),
    [
        ({}, None, None, True, False, f"a timer runs, and nothing locks the file: {LOCK_ADVICE}"),
        ({}, None, None, False, True, f"none yet; before the first: {LOCK_ADVICE}"),
        (LOCKED, None, None, True, True, "none yet; ./stempel backup makes one"),
        # The passphrase may stand in the unit of the backup alone, where the doctor does not see it.
        ({}, run(), run(), True, True, "the last one is of 2026-11-20 03:10"),
        (LOCKED, run(), run(), True, True, "the last one is of 2026-11-20 03:10"),
        (
            {},
            run(refused="backup_no_key"),
            run(),
            False,
            False,
            f"refused at 2026-11-20 03:10: backup_no_key; {LOCK_ADVICE}",
        ),
        (
            LOCKED,
            run(refused="backup_busy"),
            None,
            True,
            False,
            "refused at 2026-11-20 03:10: backup_busy; docs/backup.md says what to do",
        ),
    ],
)
def test_a_backup_is_judged_by_its_last_run_and_its_lock(
    given: dict[str, str],
    last: BackupRun | None,
    newest: BackupRun | None,
    is_scheduled: bool,
    well: bool,
    seen: str,
) -> None:
    """A schedule without a lock, and a run that was refused, are NO; the rest says what there is."""
    finding = judge_backup(Settings(**given), last, newest, is_scheduled=is_scheduled)

    assert (finding.well, finding.seen) == (well, seen)


async def test_a_nightly_run_without_a_lock_is_noted_for_the_doctor(
    database: Database, settings: Settings, owners_connection: asyncpg.Connection
) -> None:
    """The timer's log is not all that knows: the refusal stands in the database, and no file was made."""
    silent = Speaker(lambda _line: None)
    try:
        with pytest.raises(BackupRefused, match="^backup_no_key: "):
            await asyncio.to_thread(backup, settings, silent)
        finding = await _backup_finding(settings)
        async with system_scope(database) as session:
            noted = await last_backup_run(session)

        assert noted is not None
        assert (noted.refused, noted.finished_at, noted.file) == ("backup_no_key", None, "")
        assert not finding.well
        assert finding.seen.endswith(f"backup_no_key; {LOCK_ADVICE}")
        assert not settings.backup_folder.exists() or not list(
            settings.backup_folder.glob("*.stempel-backup")
        )
    finally:
        await owners_connection.execute("DELETE FROM backup_run WHERE refused = 'backup_no_key'")


def test_the_doctor_asks_the_collector() -> None:
    """Its answer to no traces at all: taken, refused, or nobody there; the headers go along."""
    with running_collector() as collector:
        settings = Settings(
            otlp_endpoint=collector.url, otlp_headers="authorization=Bearer%20abc", otlp_ratio=0.25
        )
        taken = ask_collector(settings)
        sent = collector.headers
        collector.status = 401
        refused = ask_collector(settings)
    nobody = ask_collector(Settings(otlp_endpoint=f"http://127.0.0.1:{free_port()}"))

    assert taken == (True, "the collector takes them; 25% are sent")
    assert (sent["authorization"], sent["content-type"]) == ("Bearer abc", "application/x-protobuf")
    assert collector.spans == []
    assert refused == (
        False,
        "the collector answers 401: is it an OTLP receiver, are the headers right?",
    )
    assert nobody == (False, "not reachable: ConnectError; requests are served all the same")
