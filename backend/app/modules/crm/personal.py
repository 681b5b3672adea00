"""What imports keep of a person, for the download and the deletion of their data."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.kernel.points import PersonalData
from app.modules.crm.importing.service import OPEN, drop_run
from app.modules.crm.models import ImportRow, ImportRun


async def export_imports(session: AsyncSession, merchant_id: UUID, customer_id: UUID) -> Mapping[str, object]:
    """Return in which imports a customer stood."""
    rows = await session.execute(
        select(ImportRun.created_at, ImportRow.number, ImportRow.cells)
        .join(
            ImportRun, (ImportRun.merchant_id == ImportRow.merchant_id) & (ImportRun.id == ImportRow.run_id)
        )
        .where(ImportRow.merchant_id == merchant_id, ImportRow.customer_id == customer_id)
    )
    return {
        "imports": [{"at": row.created_at.isoformat(), "row": row.number, "cells": row.cells} for row in rows]
    }


async def erase_imports(session: AsyncSession, merchant_id: UUID, customer_id: UUID) -> None:
    """Blank what was read of a customer; files that wait to be started go, for the person may stand in them."""
    await session.execute(
        update(ImportRow)
        .where(ImportRow.merchant_id == merchant_id, ImportRow.customer_id == customer_id)
        .values(cells=None)
        .execution_options(synchronize_session=False)
    )
    waiting = await session.scalars(
        select(ImportRun.id).where(ImportRun.merchant_id == merchant_id, ImportRun.status.in_(OPEN))
    )
    await drop_run(session, merchant_id, waiting.all())


PERSONAL = PersonalData(tables=("import_run", "import_row"), export=export_imports, erase=erase_imports)
