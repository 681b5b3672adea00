"""Commands that look: doctor, check, modules."""

from __future__ import annotations

import asyncio
import platform
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import asyncpg
from rich.console import Console
from rich.table import Table

from app.commands.database import open_database
from app.commands.errors import describe
from app.commands.keys import count_old_values, list_merchants
from app.commands.settings_check import judge_settings
from app.config import Settings
from app.db.embedded_binaries import OLDEST_MAJOR
from app.db.partitions import MONTHS_AHEAD_LEAST, MONTHS_AHEAD_SQL
from app.db.session import system_scope, tenant_scope
from app.kernel.backups import BackupRun, last_backup, last_backup_run
from app.kernel.clock import SystemClock
from app.modules.staff.queries import count_peppers
from app.modules.wallets.apple_wallet.credentials import read_installation
from app.modules.wallets.apple_wallet.faults import IdentityFault
from app.modules.wallets.apple_wallet.health import SERVICE
from app.process import build_process
from app.utils.security import Keyring

CONNECT_SECONDS_MAX = 5
# What `systemctl enable stempel-backup.timer` makes.
BACKUP_TIMER = Path("/etc/systemd/system/timers.target.wants/stempel-backup.timer")
LOCK_ADVICE = "set STEMPEL_BACKUP_RECIPIENT, or STEMPEL_BACKUP_PASSPHRASE_FILE (docs/backup.md)"
LOGIN_QUESTION = """
SELECT current_setting('server_version_num')::int / 10000 AS major,
       rolsuper OR rolbypassrls AS mighty,
       current_setting('synchronous_commit') AS commit
FROM pg_roles WHERE rolname = current_user
"""


@dataclass(frozen=True)
class Finding:
    """One line of the doctor: what was looked at, whether it is well, and what was seen."""

    subject: str
    well: bool
    seen: str


def examine() -> bool:
    """Look at everything a working installation needs, print it, and return whether all is well."""
    settings, faults = judge_settings()
    findings = [_python_finding(), *_settings_findings(faults)]
    if settings is None:
        _print_findings(findings)
        return False
    findings.append(_keys_finding(settings))
    try:
        with open_database(settings) as ready:
            findings += asyncio.run(_database_findings(ready))
    except Exception as error:
        findings.append(Finding("database", well=False, seen=describe(error)))
    findings.append(_apple_finding(settings))
    if settings.redis_url:
        findings.append(asyncio.run(_redis_finding(settings.redis_url)))
    if settings.otlp_endpoint:
        findings.append(_traces_finding(settings))
    _print_findings(findings)
    return all(finding.well for finding in findings)


def _settings_findings(faults: list[tuple[str, str]]) -> list[Finding]:
    """Name each variable that is not usable, or say that all are."""
    if not faults:
        return [Finding("settings", well=True, seen="every variable is known and usable")]
    return [Finding("settings", well=False, seen=f"{name}: {sentence}") for name, sentence in faults]


def _print_findings(findings: list[Finding]) -> None:
    table = Table("", "what", "seen", box=None)
    for finding in findings:
        table.add_row("ok" if finding.well else "NO", finding.subject, finding.seen)
    Console().print(table)


def _python_finding() -> Finding:
    return Finding("python", well=sys.version_info >= (3, 11), seen=platform.python_version())


def _keys_finding(settings: Settings) -> Finding:
    folder = settings.keys_dir
    if not folder.exists():
        return Finding("keys", well=True, seen=f"{folder}: made on the first start")
    mode = folder.stat().st_mode & 0o777
    keyring = Keyring.load_or_create(folder)
    versions = ", ".join(f"{name} {keyring.newest(name)}" for name in keyring.keys)
    return Finding("keys", well=mode & 0o077 == 0, seen=f"{folder}: mode {mode:o}; {versions}")


async def _sealed_finding(settings: Settings) -> Finding:
    """Count what an older key encrypted: a rotation was cut short, or has not been run since."""
    process = build_process(settings)
    try:
        waiting = await count_old_values(process)
    finally:
        await process.aclose()
    seen = f"{waiting} wait for the new key: ./stempel rotate-keys" if waiting else "all with the newest key"
    return Finding("encrypted values", well=waiting == 0, seen=seen)


async def _pins_finding(settings: Settings) -> Finding:
    """Count the PINs that an older pepper verifies: they work, and move at their next use."""
    process = build_process(settings)
    newest, pins, old = process.resources.get(Keyring).newest("pepper"), 0, 0
    try:
        for merchant_id in await list_merchants(process):
            async with tenant_scope(process.database, merchant_id) as session:
                counted = await count_peppers(session, merchant_id, newest=newest)
            pins, old = pins + counted.pins, old + counted.old
    finally:
        await process.aclose()
    seen = f"{pins}, all with pepper {newest}"
    if old:
        seen = f"{old} of {pins} with an older pepper; each moves to pepper {newest} at its next use"
    return Finding("staff PINs", well=True, seen=seen)


def _apple_finding(settings: Settings) -> Finding:
    """Read the Apple certificate as the passes do; a fault is its code and one sentence."""
    now = SystemClock().now()
    if not settings.apple_certificate:
        return Finding("apple wallet", well=True, seen="no certificate set; merchants may bring their own")
    try:
        identity = read_installation(settings, now)
    except IdentityFault as fault:
        return Finding("apple wallet", well=False, seen=f"{fault.code}: {fault}")
    until = identity.usable_until.date().isoformat()
    return Finding("apple wallet", well=not identity.warns(now), seen=f"{identity.pass_type}, until {until}")


async def _apple_push_finding(url: str) -> Finding:
    """Say what keeps pushes back: Apple away, or certificates that it refuses."""

    async def question(connection: asyncpg.Connection) -> Finding:
        rows = await connection.fetch("SELECT name, reason, since FROM apple_health ORDER BY since")
        seen = [
            f"{_apple_trouble(row['name'])} since {row['since']:%Y-%m-%d %H:%M}: {row['reason']}"
            for row in rows
        ]
        return Finding("apple push", well=not rows, seen="; ".join(seen) or "nothing keeps pushes back")

    return await _ask(url, question)


def _apple_trouble(name: str) -> str:
    return "no answer" if name == SERVICE else f"certificate {name[:12]} refused"


async def _database_findings(settings: Settings) -> list[Finding]:
    logins = {
        "database (stempel_app)": settings.database_url,
        "database (stempel_system)": settings.database_system_url,
    }
    findings = [await _login_finding(name, url) for name, url in logins.items()]
    if all(finding.well for finding in findings):
        schema = await _schema_finding(settings.database_admin_url or settings.database_url)
        findings.append(schema)
        if schema.well:
            findings.append(await _partitions_finding(settings.database_url))
            findings.append(await _sealed_finding(settings))
            findings.append(await _pins_finding(settings))
            findings.append(await _apple_push_finding(settings.database_url))
            findings.append(await _backup_finding(settings))
    return findings


async def _ask(url: str, question: Callable[[asyncpg.Connection], Awaitable[Finding]]) -> Finding:
    plain = url.replace("postgresql+asyncpg://", "postgresql://", 1)
    connection = await asyncpg.connect(plain, timeout=CONNECT_SECONDS_MAX)
    try:
        return await question(connection)
    finally:
        await connection.close()


async def _login_finding(name: str, url: str) -> Finding:
    if not url:
        return Finding(name, well=False, seen="its address is not set")

    async def question(connection: asyncpg.Connection) -> Finding:
        row = await connection.fetchrow(LOGIN_QUESTION)
        if row["mighty"]:
            return Finding(name, well=False, seen="this login passes row-level security; use stempel_app")
        safe = row["major"] >= OLDEST_MAJOR and row["commit"] != "off"
        return Finding(name, well=safe, seen=f"PostgreSQL {row['major']}, synchronous_commit {row['commit']}")

    try:
        return await _ask(url, question)
    except (OSError, TimeoutError, asyncpg.PostgresError) as error:
        return Finding(name, well=False, seen=f"not reachable: {error}")


async def _schema_finding(url: str) -> Finding:
    from app.db.migrate import head_revision

    async def question(connection: asyncpg.Connection) -> Finding:
        revision = await connection.fetchval("SELECT version_num FROM alembic_version")
        head = head_revision()
        return Finding("schema", well=revision == head, seen=f"at {revision}, the code knows {head}")

    try:
        return await _ask(url, question)
    except asyncpg.UndefinedTableError:
        return Finding("schema", well=False, seen="no tables yet: ./stempel migrate")
    except asyncpg.InsufficientPrivilegeError:
        return Finding("schema", well=True, seen="not readable for this login; migrate checks it")


async def _partitions_finding(url: str) -> Finding:
    """Count the coming months that have their partitions; the worker makes them twice a day."""

    async def question(connection: asyncpg.Connection) -> Finding:
        months = await connection.fetchval(MONTHS_AHEAD_SQL)
        seen = f"made for {months} coming months"
        if months < MONTHS_AHEAD_LEAST:
            seen += "; the worker makes them: does it run? ./stempel migrate makes them now"
        return Finding("partitions", well=months >= MONTHS_AHEAD_LEAST, seen=seen)

    return await _ask(url, question)


async def _redis_finding(url: str) -> Finding:
    import redis.asyncio as redis

    client = redis.Redis.from_url(url, socket_connect_timeout=CONNECT_SECONDS_MAX)
    try:
        await client.ping()
    except (OSError, redis.RedisError) as error:
        return Finding("redis", well=False, seen=f"not reachable: {error}")
    finally:
        await client.aclose()
    return Finding("redis", well=True, seen="answers")


def _traces_finding(settings: Settings) -> Finding:
    from app.commands.collector_adapter import ask_collector

    well, seen = ask_collector(settings)
    return Finding("traces", well=well, seen=seen)


async def _backup_finding(settings: Settings) -> Finding:
    """Tell how the last backup went, and whether a schedule runs that nobody told what to lock the file with."""
    process = build_process(settings)
    try:
        async with system_scope(process.database) as session:
            last, newest = await last_backup_run(session), await last_backup(session)
    finally:
        await process.aclose()
    return judge_backup(settings, last, newest, is_scheduled=BACKUP_TIMER.exists())


def judge_backup(
    settings: Settings, last: BackupRun | None, newest: BackupRun | None, *, is_scheduled: bool
) -> Finding:
    """Return the finding on backups. last: the newest run; newest: the newest that made a file."""
    is_locked = bool(
        settings.backup_recipient or settings.backup_passphrase or settings.backup_passphrase_file
    )
    if last is not None and last.refused is not None:
        seen = f"refused at {last.started_at:%Y-%m-%d %H:%M}: {last.refused}"
        advice = f"; {LOCK_ADVICE}" if last.refused == "backup_no_key" else "; docs/backup.md says what to do"
        return Finding("backup", well=False, seen=seen + advice)
    if newest is not None:
        return Finding("backup", well=True, seen=f"the last one is of {newest.started_at:%Y-%m-%d %H:%M}")
    if is_scheduled and not is_locked:
        return Finding("backup", well=False, seen=f"a timer runs, and nothing locks the file: {LOCK_ADVICE}")
    seen = (
        "none yet; ./stempel backup makes one" if is_locked else f"none yet; before the first: {LOCK_ADVICE}"
    )
    return Finding("backup", well=True, seen=seen)
