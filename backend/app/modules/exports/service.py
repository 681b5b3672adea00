"""Asking for a file, making it in pieces, giving it out once, and forgetting it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.session import Database, tenant_scope
from app.kernel.audit import record_audit
from app.kernel.errors import NotFound
from app.kernel.i18n import current
from app.kernel.jobs import enqueue
from app.kernel.locks import lock_name
from app.kernel.outcomes import Refusal
from app.kernel.permissions import Principal
from app.kernel.points import EXPORTER, Exporter
from app.modules.exports.models import ExportChunk, ExportFile
from app.modules.exports.rules import DIRECT_ROWS_MAX
from app.modules.exports.writing import count_rows, write_file
from app.modules.merchants.public import get_merchant
from app.utils.id_generator import new_id

KEPT_FOR = timedelta(days=7)
FILES_SHOWN = 20
# The archive of all tables, also of what is switched off: the data stays. For the owner.
EVERYTHING = "everything"
# So many files of one merchant may be waiting or under way; more would only take turns with each other.
UNDER_WAY_MAX = 3
# Orders of one merchant are counted one after the other, so that two at once do not both find the last place free.
UNDER_WAY_LOCK = "exports under way"
# Small files that a web process makes at once, of one merchant one: the rest of its time is for stamps.
AT_ONCE_MAX = 2
_AT_ONCE: set[UUID] = set()


@dataclass(frozen=True, slots=True)
class MadeFile:
    """A small file, made at once."""

    content: bytes
    form: str


@dataclass(frozen=True, slots=True)
class OrderedFile:
    """A large file, to be made by the worker."""

    export_id: UUID


def may_download(principal: Principal, exporter: Exporter) -> bool:
    """Tell whether a table is for this member: each is of the whole business, and so for nobody limited to stores."""
    return principal.may(exporter.permission) and not principal.store_ids


def find_exporter(key: str, principal: Principal) -> Exporter:
    """Return the table of this name; raises NotFound for one that is not there or not for this member."""
    exporter = EXPORTER.find(key)
    if exporter is None or not may_download(principal, exporter):
        raise NotFound("exporter")
    return exporter


def tables_of(key: str, principal: Principal) -> Mapping[str, Exporter]:
    """Return the tables of a file: the one of this name, or all of them; raises NotFound where that is not for them."""
    if key != EVERYTHING:
        return {key: find_exporter(key, principal)}
    if not may_download_everything(principal):
        raise NotFound("exporter")
    return dict(EXPORTER.items())


def may_download_everything(principal: Principal) -> bool:
    """Tell whether this is the owner, who has every permission there is."""
    return principal.role == "owner"


async def order_file(
    session: AsyncSession, principal: Principal, *, key: str, form: str, now: datetime
) -> MadeFile | OrderedFile | Refusal:
    """Make a small file at once, or order a large one, or one too many. Everything is always an archive.

    Raises NotFound. Refusal: rate_limited while as many as allowed are under way.
    """
    tables, form = tables_of(key, principal), "zip" if key == EVERYTHING else form
    expected = sum([await count_rows(session, one, principal.merchant_id) for one in tables.values()])
    facts = {"table": key, "form": form, "rows": expected}
    if expected <= DIRECT_ROWS_MAX and _may_make_at_once(principal.merchant_id):
        with _making_at_once(principal.merchant_id):
            content = await _make_at_once(session, tables, principal, facts=facts, now=now)
            return MadeFile(content, form)
    await lock_name(session, UNDER_WAY_LOCK, principal.merchant_id)
    if await _under_way(session, principal.merchant_id) >= UNDER_WAY_MAX:
        return Refusal("rate_limited")
    export_id = new_id()
    session.add(
        ExportFile(
            merchant_id=principal.merchant_id,
            id=export_id,
            member_id=principal.id,
            exporter=key,
            form=form,
            locale=current().language,
            status="waiting",
            rows_expected=expected,
            created_at=now,
            expires_at=now + KEPT_FOR,
        )
    )
    await _record(session, principal, target_id=export_id, facts=facts, now=now)
    # The job calls the use cases of this file; importing it here breaks the circle.
    from app.modules.exports.jobs import make_file

    await enqueue(
        session, make_file, merchant_id=principal.merchant_id, key=str(export_id), export_id=export_id
    )
    return OrderedFile(export_id)


def _may_make_at_once(merchant_id: UUID) -> bool:
    """Tell whether this process has time for one more; else the worker makes the file, and stamps go on here."""
    return merchant_id not in _AT_ONCE and len(_AT_ONCE) < AT_ONCE_MAX


@contextmanager
def _making_at_once(merchant_id: UUID) -> Iterator[None]:
    _AT_ONCE.add(merchant_id)
    try:
        yield
    finally:
        _AT_ONCE.discard(merchant_id)


async def _make_at_once(
    session: AsyncSession,
    tables: Mapping[str, Exporter],
    principal: Principal,
    *,
    facts: dict[str, object],
    now: datetime,
) -> bytes:
    merchant = await get_merchant(session, principal.merchant_id)
    pieces: list[bytes] = []

    async def take(piece: bytes, _rows: int) -> None:
        pieces.append(piece)

    await write_file(session, tables, merchant, form=str(facts["form"]), take=take)
    await _record(session, principal, target_id=None, facts=facts, now=now)
    return b"".join(pieces)


async def _record(
    session: AsyncSession,
    principal: Principal,
    *,
    target_id: UUID | None,
    facts: dict[str, object],
    now: datetime,
) -> None:
    await record_audit(
        session,
        principal,
        action="export.made",
        target_kind="export",
        target_id=target_id,
        facts=facts,
        now=now,
    )


async def _under_way(session: AsyncSession, merchant_id: UUID) -> int:
    found = await session.scalar(
        select(func.count())
        .select_from(ExportFile)
        .where(ExportFile.merchant_id == merchant_id, ExportFile.status.in_(("waiting", "making")))
    )
    return int(found or 0)


async def list_files(session: AsyncSession, merchant_id: UUID, *, member_id: UUID | None) -> list[ExportFile]:
    """Return the files that a member asked for, newest first."""
    rows = await session.scalars(
        select(ExportFile)
        .where(ExportFile.merchant_id == merchant_id, ExportFile.member_id == member_id)
        .order_by(ExportFile.id.desc())
        .limit(FILES_SHOWN)
    )
    return list(rows)


async def get_ready_file(
    session: AsyncSession, principal: Principal, export_id: UUID, *, now: datetime
) -> ExportFile:
    """Return a file that waits for this member, whose permission still holds; raises NotFound."""
    file = await session.get(ExportFile, {"merchant_id": principal.merchant_id, "id": export_id})
    if file is None or file.member_id != principal.id or file.status != "ready" or file.expires_at <= now:
        raise NotFound("export")
    tables_of(file.exporter, principal)
    return file


async def give_out(database: Database, merchant_id: UUID, export_id: UUID) -> AsyncIterator[bytes]:
    """Yield the pieces, and forget the file once the last one is sent. A download that breaks off may be repeated."""
    number = 0
    while True:
        async with tenant_scope(database, merchant_id) as session:
            piece = await session.scalar(
                select(ExportChunk.content).where(
                    ExportChunk.merchant_id == merchant_id,
                    ExportChunk.export_id == export_id,
                    ExportChunk.number == number,
                )
            )
        if piece is None:
            break
        yield piece
        number += 1
    async with tenant_scope(database, merchant_id) as session:
        await forget_files(session, merchant_id, [export_id], status="fetched")


async def forget_files(
    session: AsyncSession, merchant_id: UUID, export_ids: list[UUID] | None, *, status: str = "gone"
) -> None:
    """Delete what files hold; export_ids None: of all files of the merchant."""
    chunks = delete(ExportChunk).where(ExportChunk.merchant_id == merchant_id)
    files = update(ExportFile).where(
        ExportFile.merchant_id == merchant_id, ExportFile.status.in_(("waiting", "making", "ready"))
    )
    if export_ids is not None:
        chunks = chunks.where(ExportChunk.export_id.in_(export_ids))
        files = files.where(ExportFile.id.in_(export_ids))
    await session.execute(chunks)
    await session.execute(files.values(status=status).execution_options(synchronize_session=False))


async def forget_expired(session: AsyncSession, merchant_id: UUID, *, now: datetime) -> None:
    """Delete what was not fetched in time."""
    late = await session.scalars(
        select(ExportFile.id).where(
            ExportFile.merchant_id == merchant_id,
            ExportFile.expires_at <= now,
            ExportFile.status.in_(("waiting", "making", "ready")),
        )
    )
    if ids := list(late):
        await forget_files(session, merchant_id, ids)
