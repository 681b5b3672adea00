"""The worker's part: making large files, telling who asked, forgetting what was not fetched."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from sqlalchemy import delete, text, update

from app.config import Settings
from app.db.replica import reading_scope
from app.db.session import system_scope
from app.kernel.i18n import gettext as _
from app.kernel.i18n import use_language
from app.kernel.jobs import Backoff, GiveUp, JobContext, Periodic, job
from app.kernel.points import EXPORTER
from app.modules.accounts.public import find_member
from app.modules.exports.models import ExportChunk, ExportFile
from app.modules.exports.service import EVERYTHING, forget_expired, forget_files
from app.modules.exports.writing import write_file
from app.modules.merchants.public import get_merchant
from app.modules.messaging.public import queue_mail

TRIES_MAX = 5

_EXPIRED = text(
    "SELECT DISTINCT merchant_id FROM export_file WHERE expires_at <= :now"
    " AND status IN ('waiting', 'making', 'ready')"
)


@job(
    "exports.make_file",
    retry=Backoff(first=timedelta(seconds=30), give_up_after=timedelta(hours=6)),
    timeout=timedelta(minutes=30),
    priority=-15,
)
async def make_file(context: JobContext, *, export_id: UUID) -> None:
    """Write the file in pieces, each kept at once, so that neither end ever holds it whole."""
    merchant_id = context.merchant_id
    assert merchant_id is not None
    async with context.session() as session:
        file = await session.get(ExportFile, {"merchant_id": merchant_id, "id": export_id})
        if file is None or file.status not in {"waiting", "making"}:
            return
        # A worker that died has left pieces behind.
        await session.execute(
            delete(ExportChunk).where(
                ExportChunk.merchant_id == merchant_id, ExportChunk.export_id == export_id
            )
        )
        file.status = "making"
        merchant = await get_merchant(session, merchant_id)
    pieces = size = 0

    async def keep(piece: bytes, rows: int) -> None:
        nonlocal pieces, size
        async with context.session() as own:
            if piece:
                chunk = {"merchant_id": merchant_id, "export_id": export_id, "number": pieces}
                own.add(ExportChunk(**chunk, content=piece))
                pieces, size = pieces + 1, size + len(piece)
            await own.execute(
                update(ExportFile)
                .where(ExportFile.merchant_id == merchant_id, ExportFile.id == export_id)
                .values(rows_done=rows, size_bytes=size)
            )

    try:
        with use_language(file.locale):
            # What broke off on a replica goes on at the primary.
            reading = (
                reading_scope(context.database, merchant_id) if context.attempt == 1 else context.session()
            )
            async with reading as session:
                tables = dict(EXPORTER.items())
                if file.exporter != EVERYTHING:
                    tables = {file.exporter: EXPORTER.get(file.exporter)}
                await write_file(session, tables, merchant, form=file.form, take=keep)
    except Exception as error:
        if context.attempt < TRIES_MAX:
            raise
        async with context.session() as session:
            await forget_files(session, merchant_id, [export_id], status="failed")
        raise GiveUp("the file could not be written") from error
    await _finish(context, export_id)


async def _finish(context: JobContext, export_id: UUID) -> None:
    merchant_id, now = context.merchant_id, context.clock.now()
    assert merchant_id is not None
    async with context.session() as session:
        file = await session.get(
            ExportFile, {"merchant_id": merchant_id, "id": export_id}, with_for_update=True
        )
        if (
            file is None or file.status != "making"
        ):  # emptied meanwhile, by an erasure: what came later goes, too
            await forget_files(session, merchant_id, [export_id])
            return
        file.status, file.finished_at = "ready", now
        member = await find_member(session, merchant_id, file.member_id)
        if member is None:
            return
        base = context.resources.get(Settings).public_url.rstrip("/")
        with use_language(file.locale):
            await queue_mail(
                session,
                merchant_id=merchant_id,
                recipient=member.email,
                kind="export_ready",
                locale=file.locale,
                subject=_("Your download is ready"),
                text=_("The file you asked for is ready. It can be fetched once, within 7 days:")
                + f"\n\n{base}/dashboard/exports\n",
                action_label=_("Fetch the file"),
                once_key=f"export:{export_id}",
                now=now,
            )


async def forget_late(context: JobContext) -> None:
    """Delete files that nobody fetched in time."""
    now = context.clock.now()
    async with system_scope(context.database) as session:
        merchants = list(await session.scalars(_EXPIRED, {"now": now}))
    for merchant_id in merchants:
        async with context.tenant(merchant_id) as session:
            await forget_expired(session, merchant_id, now=now)


FORGET = Periodic("exports.forget", every=timedelta(hours=1), run=forget_late)
