"""From what was read to what the templates show: words, shares and ages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from app.kernel.backups import BackupRun
from app.kernel.i18n import current, ngettext
from app.kernel.i18n import gettext as _
from app.kernel.jobs import DeadJob, Failing, QueueLine
from app.kernel.operating import Sign
from app.modules.accounts.public import SignUpInvitation
from app.modules.operators.journal import ACTION_WORDS, ENTRIES_PAGE_SIZE
from app.modules.operators.looking.machine import DatabaseFacts, Disk
from app.modules.operators.looking.signs import in_words
from app.modules.operators.models import OperatorEntry
from app.modules.operators.rules import ACT, DISK_ACT, DISK_LOOK, LOOK, level_above, plain_reason, worst

GIGABYTE = 1_000_000_000
Fact = tuple[str, str]


def overall(signs: Sequence[Sign]) -> dict[str, str]:
    """Return the light at the top of the overview: its level, and one sentence."""
    level = worst([sign.level for sign in signs])
    urgent = sum(sign.level == ACT for sign in signs)
    later = sum(sign.level == LOOK for sign in signs)
    if level == ACT:
        text = ngettext(
            "%(num)s thing needs you now",
            "%(num)s things need you now",
            urgent,
            num=current().format_number(urgent),
        )
    elif level == LOOK:
        text = ngettext(
            "%(num)s thing is worth a look",
            "%(num)s things are worth a look",
            later,
            num=current().format_number(later),
        )
    else:
        text = _("All is well")
    return {"level": level, "text": text}


def size_text(size_bytes: int) -> str:
    """Return a size in megabytes or gigabytes."""
    if size_bytes < GIGABYTE:
        return f"{current().format_number(round(size_bytes / 1_000_000))} MB"
    return f"{current().format_number(round(size_bytes / GIGABYTE, 1), decimals=1)} GB"


def database_facts(facts: DatabaseFacts) -> list[Fact]:
    """Return the database's lines."""
    number = current().format_number
    states = {"current": _("as this release needs them"), "older": _("older: run ./stempel migrate")}
    return [
        (_("PostgreSQL"), facts.server),
        (_("Tables"), states.get(facts.schema_state, _("newer than this release"))),
        (_("Size"), size_text(facts.size_bytes)),
        (_("Connections"), f"{number(facts.connections)} / {number(facts.connections_max)}"),
    ]


def disk_facts(disk: Disk) -> dict[str, Any]:
    """Return how full the disk is, for a bar and its line."""
    return {
        "percent": round(disk.used_share * 100),
        "level": level_above(disk.used_share, look=DISK_LOOK, act=DISK_ACT),
        "text": _(
            "%(free)s of %(total)s are free",
            free=size_text(disk.free_bytes),
            total=size_text(disk.total_bytes),
        ),
    }


def backup_facts(run: BackupRun | None, *, now: datetime) -> dict[str, Any] | None:
    """Return the newest finished backup's lines, or None."""
    if run is None or run.finished_at is None:
        return None
    return {
        "file": run.file.rpartition("/")[2],
        "size": size_text(run.size_bytes),
        "finished_at": run.finished_at,
        "age": in_words(max(now - run.finished_at, timedelta())),
        "verified_at": run.verified_at,
    }


def queue_rows(lines: Iterable[QueueLine]) -> list[dict[str, Any]]:
    """Return the queues, the longest waiting first."""
    number = current().format_number
    ordered = sorted(lines, key=lambda line: (-line.oldest_wait.total_seconds(), -line.due, line.name))
    return [
        {
            "name": line.name,
            "due": number(line.due),
            "wait": in_words(line.oldest_wait) if line.due else "–",
            "running": number(line.running) if line.running else "–",
            "later": number(line.later) if line.later else "–",
            "trying": number(line.trying) if line.trying else "–",
            "dead": line.dead,
        }
        for line in ordered
    ]


def reason_text(reason: str) -> str:
    """Return what may be shown of a job's reason."""
    text, kind = plain_reason(reason)
    return text[:1].upper() + text[1:] or _("An unexpected error (%(kind)s); the log says where.", kind=kind)


def dead_rows(jobs: Iterable[DeadJob], names: dict[UUID, str]) -> list[dict[str, Any]]:
    """Return given-up jobs with the name of their shop."""
    return [
        {
            "id": job.id,
            "name": job.name,
            "shop": _shop(job.merchant_id, names),
            "reason": reason_text(job.reason),
            "attempts": current().format_number(job.attempts),
            "at": job.failed_at,
        }
        for job in jobs
    ]


def failing_rows(found: Iterable[Failing], names: dict[UUID, str]) -> list[dict[str, Any]]:
    """Return what fails, by shop and reason. Rows that read alike become one."""
    rows: dict[tuple[str, str, str, bool], dict[str, Any]] = {}
    for one in found:
        key = (one.name, str(one.merchant_id or ""), reason_text(one.reason), one.is_dead)
        row = rows.setdefault(
            key,
            {
                "name": one.name,
                "shop": _shop(one.merchant_id, names),
                "merchant_id": key[1],
                "reason": key[2],
                "state": _("given up") if one.is_dead else _("is tried again"),
                "is_dead": one.is_dead,
                "jobs": 0,
                "at": one.last_at,
            },
        )
        row["jobs"] += one.jobs
        row["at"] = max(row["at"], one.last_at)
    return list(rows.values())


def _shop(merchant_id: UUID | None, names: dict[UUID, str]) -> str:
    if merchant_id is None:
        return _("The whole installation")
    return names.get(merchant_id) or str(merchant_id)


def invitation_rows(rows: Iterable[SignUpInvitation], *, now: datetime) -> list[dict[str, Any]]:
    """Return the invitations with their state in words."""
    shown = []
    for row in rows:
        state, is_open = _("open"), False
        if row.used_at is not None:
            state = _("used")
        elif row.withdrawn_at is not None:
            state = _("withdrawn")
        elif now >= row.expires_at:
            state = _("ran out")
        else:
            is_open = True
        facts = {"note": row.note, "made_by": row.made_by, "at": row.created_at, "until": row.expires_at}
        shown.append({"id": row.id, "state": state, "is_open": is_open, **facts})
    return shown


def entry_rows(entries: Sequence[OperatorEntry]) -> tuple[list[dict[str, Any]], str | None]:
    """Return a page of the record, and the address of the next one."""
    shown = entries[:ENTRIES_PAGE_SIZE]
    rows = [
        {
            "what": _(ACTION_WORDS.get(entry.action, entry.action)),
            "who": entry.operator_name,
            "at": entry.at,
            "details": ", ".join(f"{name}: {value}" for name, value in sorted(entry.facts.items())),
        }
        for entry in shown
    ]
    more = len(entries) > ENTRIES_PAGE_SIZE
    return rows, f"/operator/record?before={shown[-1].id}" if more else None
