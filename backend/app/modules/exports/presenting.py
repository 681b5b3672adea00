"""What the page of downloads shows."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from app.kernel.i18n import current, msg
from app.kernel.i18n import gettext as _
from app.kernel.permissions import Principal
from app.kernel.points import EXPORTER
from app.modules.exports.models import ExportFile
from app.modules.exports.service import EVERYTHING, list_files, may_download, may_download_everything
from app.modules.merchants.public import get_merchant

STATES = {
    "waiting": msg("Waiting for its turn"),
    "making": msg("Being made"),
    "ready": msg("Ready"),
    "fetched": msg("Fetched"),
    "failed": msg("Could not be made"),
    "gone": msg("Not there any more"),
}


async def page_values(session: AsyncSession, principal: Principal, *, now: datetime) -> dict[str, Any]:
    """Return the tables that this member may download, and their files."""
    merchant = await get_merchant(session, principal.merchant_id)
    files = await list_files(session, principal.merchant_id, member_id=principal.id)
    tables = [(key, one) for key, one in EXPORTER.items() if may_download(principal, one)]
    return {
        "tables": [
            {"key": key, "title": _(one.title), "about": _(one.about), "personal": one.personal}
            for key, one in sorted(tables, key=lambda item: item[1].order)
        ],
        "may_all": may_download_everything(principal),
        "files": [_shown(file, now=now, zone=merchant.time_zone) for file in files],
        "under_way": any(file.status in {"waiting", "making"} for file in files),
    }


def _shown(file: ExportFile, *, now: datetime, zone: str) -> dict[str, Any]:
    speak = current()
    exporter = EXPORTER.find(file.exporter)
    title = (
        _("Everything") if file.exporter == EVERYTHING else _(exporter.title) if exporter else file.exporter
    )
    is_late = file.status == "ready" and file.expires_at <= now
    status = STATES["gone" if is_late else file.status]
    done = min(99, file.rows_done * 100 // max(1, file.rows_expected))
    return {
        "id": file.id,
        "title": title,
        "form": file.form.upper(),
        "asked": speak.format_datetime(file.created_at, zone=zone, style="short"),
        "until": speak.format_datetime(file.expires_at, zone=zone, style="short"),
        "rows": speak.format_number(file.rows_expected),
        "size": size_text(file.size_bytes),
        "percent": done if file.status == "making" else None,
        "state": _(status),
        "is_ready": file.status == "ready" and not is_late,
        "is_making": file.status in {"waiting", "making"},
    }


def size_text(size: int) -> str:
    """Return a size as people say it."""
    speak = current()
    if size < 1_000_000:
        return f"{speak.format_number(max(1, round(size / 1000)))} KB"
    return f"{speak.format_number(round(size / 1_000_000, 1))} MB"
