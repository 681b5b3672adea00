"""An import from the upload to its end: kept, planned, checked, started, taken back."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.kernel.adapters import resources_of
from app.kernel.audit import record_audit
from app.kernel.errors import NotFound
from app.kernel.i18n import current
from app.kernel.jobs import enqueue
from app.kernel.locks import lock_name
from app.kernel.metering import find_refusal
from app.kernel.outcomes import Refusal
from app.kernel.permissions import Principal
from app.modules.crm.importing.reading import Sheet
from app.modules.crm.importing.rows import guess_columns
from app.modules.crm.models import ImportRow, ImportRun
from app.utils.id_generator import new_id
from app.utils.security import Keyring

# A file that nobody starts is personal data without a purpose.
DRAFT_AGE = timedelta(hours=24)
RUNS_SHOWN = 20
PREVIEW_ROWS = 8
PROBLEMS_SHOWN = 200
FILE_NAME_MAX = 120
STATEMENT_MIN = 10
STATEMENT_MAX = 1_000
WRITTEN_AT_ONCE = 4_000
OPEN = ("draft", "checking", "checked")
BUSY = ("running", "undoing")
_WRITE = text(
    "INSERT INTO import_row (merchant_id, run_id, number, cells)"
    " SELECT :merchant_id, :run_id, given.number, given.cells"
    " FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS given(number bigint, cells jsonb)"
)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a file means. columns: field to column. store_id: where cards are made. statement: of consents."""

    columns: Mapping[str, int] = field(default_factory=dict)
    store_id: UUID | None = None
    statement: str = ""

    def stored(self) -> dict[str, Any]:
        """Return it as it is kept."""
        return {
            "columns": dict(self.columns),
            "store_id": str(self.store_id) if self.store_id else None,
            "statement": self.statement,
        }


def plan_of(run: ImportRun) -> Plan:
    """Return the plan of an import."""
    store = run.plan.get("store_id")
    return Plan(run.plan.get("columns", {}), UUID(store) if store else None, run.plan.get("statement", ""))


async def keep_upload(
    session: AsyncSession, principal: Principal, sheet: Sheet, *, name: str, data: bytes, now: datetime
) -> tuple[UUID, bool]:
    """Keep a file's rows until they are brought in; returns the import, and whether the file was here before."""
    merchant_id = principal.merchant_id
    digest = resources_of(session).get(Keyring).mac("lookup", "import", hashlib.sha256(data).hexdigest())
    await lock_name(session, "crm_upload", merchant_id)
    known = await session.scalar(
        select(ImportRun.id).where(
            ImportRun.merchant_id == merchant_id,
            ImportRun.digest == digest,
            ImportRun.status.in_((*OPEN, *BUSY, "done")),
            # What the plan had no room for may come again.
            ImportRun.counts["no_room"].is_(None),
        )
    )
    if known is not None:
        return known, True
    run = ImportRun(
        merchant_id=merchant_id,
        id=new_id(),
        member_id=principal.id,
        file_name=name[-FILE_NAME_MAX:],
        digest=digest,
        status="draft",
        header=[cell[:FILE_NAME_MAX] for cell in sheet.header],
        plan=Plan(guess_columns(sheet.header)).stored(),
        locale=current().language,
        rows=len(sheet.rows),
        created_at=now,
    )
    session.add(run)
    await session.flush()  # the rows point at it
    await _write_rows(session, run, sheet.rows)
    from app.modules.crm.importing.jobs import forget_draft

    await enqueue(
        session,
        forget_draft,
        merchant_id=merchant_id,
        key=f"draft:{run.id}",
        run_at=now + DRAFT_AGE,
        run_id=run.id,
    )
    await _record(session, principal, "import.uploaded", run, now=now)
    return run.id, False


async def _write_rows(session: AsyncSession, run: ImportRun, rows: Sequence[Sequence[str]]) -> None:
    for start in range(0, len(rows), WRITTEN_AT_ONCE):
        part = [
            {"number": start + place + 1, "cells": cells}
            for place, cells in enumerate(rows[start : start + WRITTEN_AT_ONCE])
        ]
        values = {
            "merchant_id": run.merchant_id,
            "run_id": run.id,
            "rows": json.dumps(part, ensure_ascii=False),
        }
        await session.execute(_WRITE, values)


async def get_run(session: AsyncSession, merchant_id: UUID, run_id: UUID, *, lock: bool = False) -> ImportRun:
    """Return an import, freshly read; raises NotFound."""
    statement = (
        select(ImportRun)
        .where(ImportRun.merchant_id == merchant_id, ImportRun.id == run_id)
        .execution_options(populate_existing=True)
    )
    run = await session.scalar(statement.with_for_update() if lock else statement)
    if run is None:
        raise NotFound("import")
    return run


async def list_runs(session: AsyncSession, merchant_id: UUID) -> list[ImportRun]:
    """Return the newest imports."""
    statement = (
        select(ImportRun)
        .where(ImportRun.merchant_id == merchant_id)
        .order_by(ImportRun.id.desc())
        .limit(RUNS_SHOWN)
    )
    return list(await session.scalars(statement))


async def list_rows(
    session: AsyncSession, run: ImportRun, *, outcome: str | None, limit: int
) -> list[ImportRow]:
    """Return rows of an import in their order: the first ones, or those that ended so."""
    statement = select(ImportRow).where(ImportRow.merchant_id == run.merchant_id, ImportRow.run_id == run.id)
    if outcome is not None:
        statement = statement.where(ImportRow.outcome == outcome)
    return list(await session.scalars(statement.order_by(ImportRow.number).limit(limit)))


async def start_check(
    session: AsyncSession, principal: Principal, run_id: UUID, *, plan: Plan, now: datetime
) -> None:
    """Keep what the columns mean and let the whole file be tried, writing nobody. Raises NotFound."""
    run = await get_run(session, principal.merchant_id, run_id, lock=True)
    if run.status not in OPEN:
        raise NotFound("import")
    run.plan, run.status, run.rows_done, run.counts = plan.stored(), "checking", 0, {}
    await _hand_on(session, run)
    await _record(session, principal, "import.checked", run, now=now)


async def start_import(
    session: AsyncSession, principal: Principal, run_id: UUID, *, now: datetime
) -> Refusal | None:
    """Let the worker bring in a file that was checked; pressing twice starts once.

    Refusal: import_running while another one is under way. Raises NotFound.
    """
    merchant_id = principal.merchant_id
    await lock_name(session, "crm_upload", merchant_id)
    run = await get_run(session, merchant_id, run_id, lock=True)
    if run.status in {"running", "done"}:
        return None
    if run.status != "checked":
        raise NotFound("import")
    if await _is_busy(session, merchant_id):
        return Refusal("import_running")
    cards = int((run.counts or {}).get("new", 0)) if run.plan.get("store_id") else 0
    if cards and await find_refusal(session, merchant_id, "cards", more=cards, takes=False, now=now):
        return Refusal("plan_limit")
    run.status, run.rows_done, run.counts, run.started_at = "running", 0, {}, now
    await _hand_on(session, run)
    await _record(session, principal, "import.started", run, now=now)
    return None


async def start_undo(
    session: AsyncSession, principal: Principal, run_id: UUID, *, now: datetime
) -> Refusal | None:
    """Let the worker take an import back: whoever it made and who never came. Raises NotFound."""
    merchant_id = principal.merchant_id
    await lock_name(session, "crm_upload", merchant_id)
    run = await get_run(session, merchant_id, run_id, lock=True)
    if run.status in {"undoing", "undone"}:
        return None
    if run.status != "done":
        raise NotFound("import")
    if await _is_busy(session, merchant_id):
        return Refusal("import_running")
    run.status, run.rows_done = "undoing", 0
    await _hand_on(session, run)
    await _record(session, principal, "import.undone", run, now=now)
    return None


async def _is_busy(session: AsyncSession, merchant_id: UUID) -> bool:
    statement = select(func.count()).where(ImportRun.merchant_id == merchant_id, ImportRun.status.in_(BUSY))
    return bool(await session.scalar(statement))


async def _hand_on(session: AsyncSession, run: ImportRun) -> None:
    await session.flush()  # the job reads the row
    from app.modules.crm.importing.jobs import work_on_import

    await enqueue(session, work_on_import, merchant_id=run.merchant_id, key=str(run.id), run_id=run.id)


async def discard(session: AsyncSession, principal: Principal, run_id: UUID, *, now: datetime) -> None:
    """Forget a file that was not started, with all its rows. Raises NotFound."""
    run = await get_run(session, principal.merchant_id, run_id, lock=True)
    if run.status not in OPEN:
        raise NotFound("import")
    await _record(session, principal, "import.discarded", run, now=now)
    await drop_run(session, run.merchant_id, [run.id])


async def drop_run(session: AsyncSession, merchant_id: UUID, run_ids: Sequence[UUID]) -> None:
    """Remove imports and their rows."""
    await session.execute(
        delete(ImportRow)
        .where(ImportRow.merchant_id == merchant_id, ImportRow.run_id.in_(run_ids))
        .execution_options(synchronize_session=False)
    )
    await session.execute(
        delete(ImportRun)
        .where(ImportRun.merchant_id == merchant_id, ImportRun.id.in_(run_ids))
        .execution_options(synchronize_session=False)
    )


async def _record(
    session: AsyncSession, principal: Principal, action: str, run: ImportRun, *, now: datetime
) -> None:
    facts = {"rows": run.rows}
    await record_audit(
        session,
        principal,
        action=action,
        target_kind="import",
        target_id=run.id,
        facts=facts,
        now=now,
    )
